"""Hash passwords with scrypt, with a random salt each. The stored form also contains the parameters of scrypt."""

from __future__ import annotations

import hashlib
import hmac
import os
from threading import BoundedSemaphore

# Parameters of scrypt from the OWASP Password Storage Cheat Sheet. They are as strong as N = 2**17, p = 1, but need
# only an eighth of the memory (16 MiB).
N, R, P = 2**14, 8, 5
# Limits the memory and the cores that many log-ins at the same time use.
CONCURRENT_HASHES = BoundedSemaphore(4)
MAX_MEMORY = 2**26  # bytes of memory for one hash


def hash_password(password: str) -> str:
    """Return the form in which a password is stored: `scrypt$N$r$p$salt$hash`, salt and hash in hexadecimal."""
    salt = os.urandom(16)
    return f"scrypt${N}${R}${P}${salt.hex()}${_scrypt(password, salt, N, R, P).hex()}"


def password_matches(password: str, stored: str | None) -> bool:
    """Return whether a password matches the stored form of an account's password.

    stored: None if the account doesn't exist, and empty if it has no password. The function then returns False after
    the same time as for a wrong password.
    """
    _, n, r, p, salt, expected = (stored or f"scrypt${N}${R}${P}${'00' * 16}${'00' * 32}").split("$")
    actual = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(actual, bytes.fromhex(expected)) and bool(stored)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with CONCURRENT_HASHES:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MAX_MEMORY, dklen=32)
