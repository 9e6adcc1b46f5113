"""Accounts: made, changed and removed by command, never on a page."""

from __future__ import annotations

import re
import secrets

import sqlalchemy as sa

from desk.passwords import hashed
from desk.roles import MAY
from desk.tables import ACCOUNTS, SESSIONS

SHORTEST, LONGEST = 12, 256  # characters of a password
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)


class AccountError(ValueError):
    """There can't be such an account."""


def known_as(name: str) -> str:
    """A name as it is kept: whoever types capitals is the same person."""
    return name.strip().casefold()


def put(database: sa.Engine, name: str, role: str, password: str) -> bool:
    """Makes an account, or gives the one of that name this role and password and ends its sessions.

    Returns whether it is new. Raises AccountError for a name, role or password that can't be.
    """
    name = known_as(name)
    if not NAME.fullmatch(name):
        raise AccountError(f"'{name}' can't be an account's name: up to 64 letters, digits and . _ @ + -")
    if role not in MAY:
        raise AccountError(f"there is no role '{role}'; there are: {', '.join(MAY)}")
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}")
    kept = hashed(password)
    with database.begin() as connection:
        new = not connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == name)).rowcount
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.account == name))
        connection.execute(sa.insert(ACCOUNTS).values(name=name, role=role, password=kept))
    return new


def remove(database: sa.Engine, name: str) -> None:
    """Removes an account and ends its sessions; what it did stays in the log. Raises AccountError if there is none."""
    name = known_as(name)
    with database.begin() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.account == name))
        if not connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == name)).rowcount:
            raise AccountError(f"there is no account '{name}'")


def first(database: sa.Engine) -> dict[str, str]:
    """One account a role, named after it, with passwords that nobody knows yet; returns these."""
    made = {role: secrets.token_urlsafe(12) for role in MAY}
    for role, password in made.items():
        put(database, role, role, password)
    return made
