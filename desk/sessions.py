"""Sessions of people who are logged in to the desk. A random token identifies a session.

The database stores only the token's hash, so that a reader of the database can't use the session.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from desk.tables import ACCOUNTS, SESSIONS

MAX_IDLE = timedelta(hours=1)  # a session without a request for this time has expired
MAX_LENGTH = timedelta(hours=12)  # a session that is older has expired; no shift is longer
SEEN_PRECISION = timedelta(minutes=1)  # a session's last request is stored with this precision


@dataclass(frozen=True)
class Session:
    """The session of a logged-in person. `person`: the account's name. `role`: the account's current role."""

    person: str
    role: str
    token: str


def new_token() -> str:
    """Return a new session token of 256 random bits, as text."""
    return secrets.token_urlsafe(32)


def csrf_of(token: str) -> str:
    """Return the CSRF token that every form of the session with this session token must contain."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def open_session(connection: sa.Connection, person: str, now: datetime) -> str:
    """Open a session for a person, delete expired sessions, and return the new token. now: UTC, naive."""
    token = new_token()
    connection.execute(sa.delete(SESSIONS).where(sa.not_(_is_valid(now))))
    connection.execute(sa.insert(SESSIONS).values(token=_hash(token), account=person, opened_at=now, seen_at=now))
    return token


def find_session(database: sa.Engine, token: str, now: datetime) -> Session | None:
    """Return the session with a token, or None if it doesn't exist or has expired.

    now: the current time (UTC, naive). The call counts as a request of the person, so it keeps the session open.
    """
    has_token = SESSIONS.c.token == _hash(token)
    query = sa.select(ACCOUNTS.c.name, ACCOUNTS.c.role, SESSIONS.c.seen_at).join(
        SESSIONS, SESSIONS.c.account == ACCOUNTS.c.name
    )
    with database.connect() as connection:
        row = connection.execute(query.where(has_token, _is_valid(now))).first()
    if row is None:
        return None
    if now - row.seen_at >= SEEN_PRECISION:  # so that most requests write nothing
        with database.begin() as connection:
            connection.execute(sa.update(SESSIONS).where(has_token).values(seen_at=now))
    return Session(row.name, row.role, token)


def close_session(database: sa.Engine, token: str) -> None:
    """End the session with a token. Nothing happens if the session doesn't exist."""
    with database.begin() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token == _hash(token)))


def _is_valid(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(SESSIONS.c.seen_at > now - MAX_IDLE, SESSIONS.c.opened_at > now - MAX_LENGTH)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
