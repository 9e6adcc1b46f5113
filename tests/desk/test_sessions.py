"""Sessions: they expire, and their table is of no use to a thief."""

from __future__ import annotations

import sqlalchemy as sa

from desk import accounts, sessions, tables
from desk.login import log_in
from desk.sessions import MAX_IDLE, MAX_LENGTH, SEEN_PRECISION, Client
from tests.desk.conftest import PASSWORD, RunningDesk
from tests.desk.test_login import NOW


def test_a_session_ends_when_idle_and_at_the_latest_after_a_shift(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    token = log_in(database, "ann", PASSWORD, Client("here"), NOW)
    assert sessions.find_session(database, token, NOW + MAX_IDLE - SEEN_PRECISION)  # which counts as use
    assert sessions.find_session(database, token, NOW + 2 * MAX_IDLE - 2 * SEEN_PRECISION)
    assert sessions.find_session(database, token, NOW + 3 * MAX_IDLE) is None
    token, now = log_in(database, "ann", PASSWORD, Client("here"), NOW), NOW
    while now + MAX_IDLE / 2 < NOW + MAX_LENGTH:
        now += MAX_IDLE / 2
        assert sessions.find_session(database, token, now)
    assert sessions.find_session(database, token, NOW + MAX_LENGTH) is None
    log_in(database, "ann", PASSWORD, Client("here"), NOW + MAX_LENGTH)
    with database.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.SESSIONS))
    assert count == 1  # expired sessions are deleted


def test_the_stored_token_opens_no_session(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    token = log_in(database, "ann", PASSWORD, Client("here"), NOW)
    with database.connect() as connection:
        stored = connection.scalars(sa.select(tables.SESSIONS.c.token)).one()
    assert stored != token
    assert sessions.find_session(database, stored, NOW) is None


def test_a_changed_role_counts_at_once(desk: RunningDesk) -> None:
    client = desk.person("owner").client
    assert client.get("/impact").status_code == 200
    is_owner = tables.ACCOUNTS.c.name == "owner"
    with desk.database.begin() as connection:
        connection.execute(sa.update(tables.ACCOUNTS).where(is_owner).values(role="decider"))
    assert client.get("/impact").status_code == 403
