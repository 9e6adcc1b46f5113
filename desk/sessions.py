"""Sessions of logged-in people. A random token identifies a session; the database stores only the token's hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from desk.tables import ACCOUNTS, SESSIONS

MAX_IDLE = timedelta(hours=1)  # without a request
MAX_LENGTH = timedelta(hours=12)  # the length of a shift
SEEN_PRECISION = timedelta(minutes=1)  # how exactly the last request of a session is stored


@dataclass(frozen=True)
class Session:
    """One logged-in person."""

    person: str
    role: str
    token: str


def new_token() -> str:
    """Return a new token of 256 random bits."""
    return secrets.token_urlsafe(32)


def csrf_of(token: str) -> str:
    """Return the CSRF token that a form of the session with this token must contain."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def open_session(connection: sa.Connection, person: str, now: datetime) -> str:
    """Open a session at a UTC time (naive), delete expired ones, and return the new token."""
    token = new_token()
    connection.execute(sa.delete(SESSIONS).where(sa.not_(_is_valid(now))))
    connection.execute(sa.insert(SESSIONS).values(token=_hash(token), account=person, opened_at=now, seen_at=now))
    return token


def find_session(database: sa.Engine, token: str, now: datetime) -> Session | None:
    """Return the session of a token, with the current role of its account; None if it doesn't exist or has expired.

    now: UTC, naive. The call counts as a request of the session, so it extends the session.
    """
    has_token = SESSIONS.c.token == _hash(token)
    query = sa.select(ACCOUNTS.c.name, ACCOUNTS.c.role, SESSIONS.c.seen_at).join(
        SESSIONS, SESSIONS.c.account == ACCOUNTS.c.name
    )
    with database.connect() as connection:
        row = connection.execute(query.where(has_token, _is_valid(now))).first()
    if row is None:
        return None
    if now - row.seen_at >= SEEN_PRECISION:  # most requests then need no write
        with database.begin() as connection:
            connection.execute(sa.update(SESSIONS).where(has_token).values(seen_at=now))
    return Session(row.name, row.role, token)


def close_session(database: sa.Engine, token: str) -> None:
    """End a session."""
    with database.begin() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token == _hash(token)))


def _is_valid(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(SESSIONS.c.seen_at > now - MAX_IDLE, SESSIONS.c.opened_at > now - MAX_LENGTH)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
