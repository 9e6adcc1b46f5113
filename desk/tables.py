"""The database tables of the desk: accounts, sessions and failed log-ins, in the same database as the deliveries.

Answers to decisions are stored elsewhere, in the response log (`sixtyforty.decisions.responses`), and the security log
in tables of its own (`sixtyforty.storage.security_log`).
"""

from __future__ import annotations

import sqlalchemy as sa

from sixtyforty.storage.databases import (
    add_missing_columns,
    create_database_folder,
    is_sqlite,
    open_engine,
    parse_database_url,
)
from sixtyforty.storage.security_log import SecurityLog

METADATA = sa.MetaData()
BUSY_TIMEOUT = 30  # seconds to wait while another process writes to the SQLite database

ACCOUNTS = sa.Table(
    "desk_accounts",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),  # the grants, in the form of roles.format_grants
    sa.Column("password", sa.String, nullable=False),  # in the form of passwords.hash_password; empty: no password
    sa.Column("must_change", sa.Boolean, nullable=False, server_default=sa.false()),  # the password, at the log-in
    sa.Column("subject", sa.String, nullable=False, server_default=""),  # the person at the OpenID provider, if any
)
SESSIONS = sa.Table(
    "desk_sessions",
    METADATA,
    sa.Column("token", sa.String, primary_key=True),  # SHA-256 of the token, so that a reader of the table can't use it
    sa.Column("account", sa.String, nullable=False, index=True),
    sa.Column("opened_at", sa.DateTime, nullable=False),  # UTC time of the log-in
    sa.Column("seen_at", sa.DateTime, nullable=False),  # UTC time of the session's last request, to the minute
    sa.Column("address", sa.String, nullable=False, server_default=""),  # IP address of the log-in
    sa.Column("browser", sa.String, nullable=False, server_default=""),  # what the browser called itself
)
FAILURES = sa.Table(
    "desk_failures",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("account", sa.String, nullable=False, index=True),
    sa.Column("address", sa.String, nullable=False, index=True),
    sa.Column("at", sa.DateTime, nullable=False),  # UTC time of the log-in attempt
)


def open_database(url: str) -> sa.Engine:
    """Return a connection pool to the desk's database. Its error messages never contain parameters of SQL statements.

    url: the address of the database, such as `sqlite:///desk.db`.
    """
    address = parse_database_url(url)
    create_database_folder(address)
    return open_engine(address, connect_args={"timeout": BUSY_TIMEOUT} if is_sqlite(address) else {})


def create_tables(database: sa.Engine) -> bool:
    """Create the missing tables and columns of the desk and of the security log.

    Returns True at the first start: if the table of accounts was missing.
    """
    is_first_start = not sa.inspect(database).has_table(ACCOUNTS.name)
    METADATA.create_all(database)
    with database.begin() as connection:
        for table in METADATA.sorted_tables:
            add_missing_columns(connection, table, table.c.keys())
    SecurityLog(database).create_tables()
    return is_first_start
