"""Log in to the desk with all roles, and measure its answers."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa
    from starlette.testclient import TestClient

PERSON = "bench"


def log_in(database: sa.Engine) -> str:
    """Create the tables of the desk and a person with all roles, and return the token of a new session."""
    from desk import accounts, sessions, tables
    from desk.roles import PAGES_OF_ROLE, Grant
    from sixtyforty.spec.clock import now

    tables.create_tables(database)
    accounts.save_account(database, PERSON, [Grant(role) for role in PAGES_OF_ROLE], secrets.token_urlsafe(16))
    with database.begin() as connection:
        return sessions.open_session(connection, PERSON, sessions.Client("127.0.0.1", PERSON), now())


def time_request(client: TestClient, address: str) -> float:
    """Return the seconds of an answer. Raises SystemExit, with the start of the page, if its status isn't 200."""
    started = time.perf_counter()
    page = client.get(address)
    duration = time.perf_counter() - started
    if page.status_code != 200:
        raise SystemExit(f"{address} answered with the status {page.status_code}: {page.text[:300]}")
    return duration
