"""Delete the addresses of clients that the desk no longer needs, also if nobody uses the desk."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from desk.sessions import delete_expired
from desk.tables import SESSIONS, open_database
from desk.throttle import delete_old_attempts


def delete_old_addresses(url: str, now: datetime) -> None:
    """Delete expired sessions and old attempts to log in. Do nothing if the desk was never started.

    url: the address of the database. Its file exists, if it is SQLite. now: UTC, naive.
    """
    database = open_database(url)
    try:
        if sa.inspect(database).has_table(SESSIONS.name):
            with database.begin() as connection:
                delete_expired(connection, now)
                delete_old_attempts(connection, now)
    finally:
        database.dispose()
