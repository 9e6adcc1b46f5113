"""The desk's own database tables: accounts, sessions and failed log-ins. They are in the database of the deliveries.

Answers to decisions are not here: they are in the response log (`sixtyforty.decisions.responses`).
"""

from __future__ import annotations

import sqlalchemy as sa

from sixtyforty.storage.databases import create_database_folder, is_sqlite, open_engine, parse_database_url

METADATA = sa.MetaData()
BUSY_TIMEOUT = 30  # seconds to wait for a SQLite database that another process writes to

ACCOUNTS = sa.Table(
    "desk_accounts",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("password", sa.String, nullable=False),  # see passwords.hash_password
)
SESSIONS = sa.Table(
    "desk_sessions",
    METADATA,
    sa.Column("token", sa.String, primary_key=True),  # the token's SHA-256, so that a reader of the table can't use it
    sa.Column("account", sa.String, nullable=False, index=True),
    sa.Column("opened_at", sa.DateTime, nullable=False),  # UTC
    sa.Column("seen_at", sa.DateTime, nullable=False),  # UTC, to the minute
)
FAILURES = sa.Table(
    "desk_failures",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("account", sa.String, nullable=False, index=True),
    sa.Column("address", sa.String, nullable=False, index=True),
    sa.Column("at", sa.DateTime, nullable=False),  # UTC
)


def open_database(url: str) -> sa.Engine:
    """Return the engine of the desk's database. Error messages never contain the parameters of a statement."""
    address = parse_database_url(url)
    create_database_folder(address)
    return open_engine(address, connect_args={"timeout": BUSY_TIMEOUT} if is_sqlite(address) else {})


def create_tables(database: sa.Engine) -> bool:
    """Create missing tables. Returns whether there was no table of accounts yet, as at the first start."""
    is_first_start = not sa.inspect(database).has_table(ACCOUNTS.name)
    METADATA.create_all(database)
    return is_first_start
