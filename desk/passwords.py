"""Password hashes: scrypt, with a salt for each account. The stored form contains the cost parameters."""

from __future__ import annotations

import hashlib
import hmac
import os
from threading import BoundedSemaphore

# OWASP Password Storage Cheat Sheet: as strong as N = 2**17, p = 1, with an eighth of the memory (16 MiB).
N, R, P = 2**14, 8, 5
# Many log-ins at once must not use all memory and all cores.
CONCURRENT_HASHES = BoundedSemaphore(4)
MAX_MEMORY = 2**26  # bytes of one hash


def hash_password(password: str) -> str:
    """Return the stored form of a password: `scrypt$N$r$p$salt$hash`, salt and hash in hexadecimal digits."""
    salt = os.urandom(16)
    return f"scrypt${N}${R}${P}${salt.hex()}${_scrypt(password, salt, N, R, P).hex()}"


def password_matches(password: str, stored: str | None) -> bool:
    """Return whether a password matches a stored form.

    stored: None if the account doesn't exist. Then the function returns False, and takes as long as for a wrong
    password.
    """
    _, n, r, p, salt, expected = (stored or f"scrypt${N}${R}${P}${'00' * 16}${'00' * 32}").split("$")
    actual = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(actual, bytes.fromhex(expected)) and stored is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with CONCURRENT_HASHES:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MAX_MEMORY, dklen=32)
