"""Who is logged in: sessions on the server, known by a random token of which only a hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from desk.tables import ACCOUNTS, SESSIONS

IDLE, WHOLE = timedelta(hours=1), timedelta(hours=12)  # without a request; in all: a shift
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    """One person at the desk."""

    person: str
    role: str
    token: str


def token() -> str:
    """A new one, of 256 random bits."""
    return secrets.token_urlsafe(32)


def csrf(token: str) -> str:
    """What a form must bring along to be taken as this session's own."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def open_(connection: sa.Connection, person: str, now: datetime) -> str:
    """A session of the person's from now on, by a token that nobody had before; sessions that ended are forgotten."""
    new = token()
    connection.execute(sa.delete(SESSIONS).where(sa.not_(_lives(now))))
    connection.execute(sa.insert(SESSIONS).values(token=_hash(new), account=person, opened_at=now, seen_at=now))
    return new


def find(database: sa.Engine, token: str, now: datetime) -> Session | None:
    """The session of a token, with the role its account has now; None when there is none, or no more."""
    mine = SESSIONS.c.token == _hash(token)
    asked = sa.select(ACCOUNTS.c.name, ACCOUNTS.c.role, SESSIONS.c.seen_at)
    with database.connect() as connection:
        row = connection.execute(
            asked.join(SESSIONS, SESSIONS.c.account == ACCOUNTS.c.name).where(mine, _lives(now))
        ).first()
    if row is None:
        return None
    if now - row.seen_at >= MINUTE:  # a page need not be a write
        with database.begin() as connection:
            connection.execute(sa.update(SESSIONS).where(mine).values(seen_at=now))
    return Session(row.name, row.role, token)


def close(database: sa.Engine, token: str) -> None:
    """Ends a session."""
    with database.begin() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token == _hash(token)))


def _lives(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(SESSIONS.c.seen_at > now - IDLE, SESSIONS.c.opened_at > now - WHOLE)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
