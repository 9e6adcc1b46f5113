"""Passwords as they are kept: scrypt, with a salt of each account's own and the cost beside it."""

from __future__ import annotations

import hashlib
import hmac
import os
from threading import BoundedSemaphore

# OWASP's Password Storage Cheat Sheet: as strong as N = 2**17, p = 1, in an eighth of the memory (16 MiB)
N, R, P = 2**14, 8, 5
AT_ONCE = BoundedSemaphore(4)  # so that many log-ins at a time take neither all memory nor all cores


def hashed(password: str) -> str:
    """How a password is kept: `scrypt$N$r$p$salt$hash`, both in hexadecimal digits."""
    salt = os.urandom(16)
    return f"scrypt${N}${R}${P}${salt.hex()}${_scrypt(password, salt, N, R, P).hex()}"


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password that is kept so. None, as nobody has that name, takes as long and is False."""
    _, n, r, p, salt, wanted = (kept or f"scrypt${N}${R}${P}${'00' * 16}${'00' * 32}").split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(wanted)) and kept is not None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with AT_ONCE:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=2**26, dklen=32)
