"""The database tables of the desk: accounts, sessions and failed log-ins, in the same database as the deliveries.

Answers to decisions are stored elsewhere, in the response log (`sixtyforty.decisions.responses`).
"""

from __future__ import annotations

import sqlalchemy as sa

from sixtyforty.storage.databases import create_database_folder, is_sqlite, open_engine, parse_database_url

METADATA = sa.MetaData()
BUSY_TIMEOUT = 30  # seconds to wait while another process writes to the SQLite database

ACCOUNTS = sa.Table(
    "desk_accounts",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("password", sa.String, nullable=False),  # in the form of passwords.hash_password
)
SESSIONS = sa.Table(
    "desk_sessions",
    METADATA,
    sa.Column("token", sa.String, primary_key=True),  # SHA-256 of the token, so that a reader of the table can't use it
    sa.Column("account", sa.String, nullable=False, index=True),
    sa.Column("opened_at", sa.DateTime, nullable=False),  # UTC time of the log-in
    sa.Column("seen_at", sa.DateTime, nullable=False),  # UTC time of the session's last request, to the minute
)
FAILURES = sa.Table(
    "desk_failures",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("account", sa.String, nullable=False, index=True),
    sa.Column("address", sa.String, nullable=False, index=True),
    sa.Column("at", sa.DateTime, nullable=False),  # UTC time of the failed log-in
)


def open_database(url: str) -> sa.Engine:
    """Return a connection pool to the desk's database. Its error messages never contain parameters of SQL statements.

    url: the address of the database, such as `sqlite:///desk.db`.
    """
    address = parse_database_url(url)
    create_database_folder(address)
    return open_engine(address, connect_args={"timeout": BUSY_TIMEOUT} if is_sqlite(address) else {})


def create_tables(database: sa.Engine) -> bool:
    """Create the missing tables of the desk. Returns True at the first start: if the table of accounts was missing."""
    is_first_start = not sa.inspect(database).has_table(ACCOUNTS.name)
    METADATA.create_all(database)
    return is_first_start
