"""Sessions of people who are logged in to the desk. A random token identifies a session.

The database stores only the token's hash, so that a reader of the database can't use the session. A visitor who isn't
logged in has a pre-session: a random token of its own, which the log-in never turns into the token of a session.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from desk.roles import Grant, parse_grants
from desk.tables import ACCOUNTS, SESSIONS

MAX_IDLE = timedelta(hours=1)  # a session without a request for this time has expired
MAX_LENGTH = timedelta(hours=12)  # a session that is older has expired; no shift is longer
RECENT_LOGIN = timedelta(minutes=10)  # proves who a person of single sign-on is, where others give the password
SEEN_PRECISION = timedelta(minutes=1)  # a session's last request is stored with this precision
MAX_BROWSER = 200  # stored characters of what a browser calls itself


@dataclass(frozen=True)
class Client:
    """Where a request comes from. address: the IP address. browser: what the browser calls itself."""

    address: str = ""
    browser: str = ""


@dataclass(frozen=True)
class Session:
    """The session of a logged-in person.

    - person: the account's name. grants: the account's current roles, and where they count.
    - must_change: whether the person must choose a new password first.
    - has_password: whether the account has a password; otherwise the person logs in through the OpenID provider.
    """

    person: str
    grants: tuple[Grant, ...]
    token: str = field(repr=False)
    must_change: bool = False
    has_password: bool = True

    @property
    def roles(self) -> str:
        """The names of the roles, separated by commas."""
        return ", ".join(sorted({grant.role for grant in self.grants}))


@dataclass(frozen=True)
class OpenSession:
    """A session in the list of an account. key: identifies the session, but doesn't open it. Times: UTC, naive."""

    key: str
    opened_at: datetime
    seen_at: datetime
    address: str
    browser: str


def new_token() -> str:
    """Return a new session token of 256 random bits, as text."""
    return secrets.token_urlsafe(32)


def csrf_of(token: str) -> str:
    """Return the CSRF token that every form of the session with this session token must contain."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def open_session(connection: sa.Connection, person: str, client: Client, now: datetime) -> str:
    """Open a session for a person, delete expired sessions, and return the new token. now: UTC, naive."""
    token = new_token()
    delete_expired(connection, now)
    values = {"address": client.address, "browser": client.browser[:MAX_BROWSER]}
    times = {"opened_at": now, "seen_at": now}
    connection.execute(sa.insert(SESSIONS).values(token=session_key(token), account=person, **times, **values))
    return token


def delete_expired(connection: sa.Connection, now: datetime) -> None:
    """Delete the sessions that have expired, with the addresses of their clients. now: UTC, naive."""
    connection.execute(sa.delete(SESSIONS).where(sa.not_(_is_valid(now))))


def find_session(database: sa.Engine, token: str, now: datetime, keeps_open: bool = True) -> Session | None:
    """Return the session with a token, or None if it doesn't exist or has expired.

    now: the current time (UTC, naive). keeps_open: whether the call counts as a request of the person, which keeps the
    session open.
    """
    has_token = SESSIONS.c.token == session_key(token)
    query = sa.select(ACCOUNTS, SESSIONS.c.seen_at).join(SESSIONS, SESSIONS.c.account == ACCOUNTS.c.name)
    with database.connect() as connection:
        row = connection.execute(query.where(has_token, _is_valid(now))).first()
    if row is None:
        return None
    if keeps_open and now - row.seen_at >= SEEN_PRECISION:  # so that most requests write nothing
        with database.begin() as connection:
            connection.execute(sa.update(SESSIONS).where(has_token).values(seen_at=now))
    return Session(row.name, parse_grants(row.role), token, row.must_change, bool(row.password))


def list_sessions(database: sa.Engine, person: str, now: datetime) -> Sequence[OpenSession]:
    """Return the open sessions of an account, the latest log-in first. now: UTC, naive."""
    c = SESSIONS.c
    query = sa.select(c.token.label("key"), c.opened_at, c.seen_at, c.address, c.browser)
    with database.connect() as connection:
        rows = connection.execute(query.where(c.account == person, _is_valid(now)).order_by(c.opened_at.desc()))
        return [OpenSession(**row._mapping) for row in rows]


def is_recent(database: sa.Engine, token: str, now: datetime) -> bool:
    """Return whether the session with a token began by a log-in that is at most RECENT_LOGIN old. now: UTC, naive."""
    query = sa.select(SESSIONS.c.opened_at).where(SESSIONS.c.token == session_key(token))
    with database.connect() as connection:
        opened_at = connection.scalar(query)
    return opened_at is not None and now - opened_at <= RECENT_LOGIN


def close_session(database: sa.Engine, token: str) -> None:
    """End the session with a token. Nothing happens if the session doesn't exist."""
    with database.begin() as connection:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.token == session_key(token)))


def end_sessions(connection: sa.Connection, person: str, key: str | None = None, except_token: str = "") -> int:
    """End sessions of an account: the one with a key, or all of them. Return how many were ended.

    except_token: the token of a session that stays open.
    """
    condition = sa.and_(SESSIONS.c.account == person, SESSIONS.c.token != session_key(except_token))
    if key is not None:
        condition = sa.and_(condition, SESSIONS.c.token == key)
    return connection.execute(sa.delete(SESSIONS).where(condition)).rowcount


def session_key(token: str) -> str:
    """Return the SHA-256 of a session's token, which identifies the session but doesn't open it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_valid(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(SESSIONS.c.seen_at > now - MAX_IDLE, SESSIONS.c.opened_at > now - MAX_LENGTH)
