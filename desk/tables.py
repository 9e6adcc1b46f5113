"""What the desk keeps of its own, beside the deliveries: accounts, sessions, and log-ins that failed.

What people do with decisions isn't here: that is the responses log (`sixtyforty.decisions.responses`).
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

METADATA = sa.MetaData()

ACCOUNTS = sa.Table(
    "desk_accounts",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("password", sa.String, nullable=False),  # passwords.hashed
)
SESSIONS = sa.Table(
    "desk_sessions",
    METADATA,
    sa.Column("token", sa.String, primary_key=True),  # its SHA-256: whoever reads the table can't use it
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


def engine(url: str) -> sa.Engine:
    """The database of the desk. A busy SQLite is waited for; statements' values never reach an error's text."""
    where = sa.engine.make_url(url)
    lite = where.get_backend_name() == "sqlite"
    if lite and where.database:
        Path(where.database).parent.mkdir(parents=True, exist_ok=True)
    return sa.create_engine(url, hide_parameters=True, connect_args={"timeout": 30} if lite else {})


def prepare(database: sa.Engine) -> bool:
    """Makes the tables; whether there were no accounts' table before, as at the very first start."""
    first = not sa.inspect(database).has_table(ACCOUNTS.name)
    METADATA.create_all(database)
    return first
