"""The response log: what people did with decisions, in one append-only SQL table per use case.

The table is in the database to which decisions are delivered. A decision is accepted or overridden once, by the first
person who answers. A unique index of the database enforces this for two people who answer at once.
"""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.object_store import StoragePath

if TYPE_CHECKING:
    import sqlalchemy as sa

Event = Literal["seen", "accepted", "overridden", "rated"]
Role = Literal["decider", "expert"]
EVENTS, ROLES = get_args(Event), get_args(Role)
ANSWERS = ("accepted", "overridden")
OPEN_LOGS = 8  # in one process
SQLITE_TIMEOUT = 30  # seconds to wait for another writer


@dataclass(frozen=True)
class Response:
    """One thing that a person did with a decision.

    `at` is UTC, without time zone. `person` and `reason` are personal data. `action` is the action of an answer.
    `rating` is 1 to 5, of the event `rated`.
    """

    decision_id: str
    person: str
    role: Role
    event: Event
    action: str | None = None
    reason: str | None = None
    rating: int | None = None
    at: datetime | None = None
    simulated: bool = False
    response_id: str = ""


def table_name(use_case: str) -> str:
    """Return the name of the table with the responses of a use case. The decision id holds the track."""
    return f"{use_case}_responses"


def define_table(use_case: str, metadata: sa.MetaData) -> sa.Table:
    """Define the table of responses. `number` only grows, so a source reads new rows by it."""
    import sqlalchemy as sa

    name = table_name(use_case)
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    table = sa.Table(
        name,
        metadata,
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("response_id", sa.String, nullable=False, unique=True),
        sa.Column("decision_id", sa.String, nullable=False, index=True),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("action", sa.String),
        sa.Column("reason", sa.Text),
        sa.Column("rating", sa.Integer),
        sa.Column("simulated", sa.Boolean, nullable=False),
    )
    answered, seen = table.c.event.in_(ANSWERS), table.c.event == "seen"
    sa.Index(
        f"{name}_answered_once", table.c.decision_id, unique=True, sqlite_where=answered, postgresql_where=answered
    )
    sa.Index(
        f"{name}_seen_once", table.c.person, table.c.decision_id, unique=True, sqlite_where=seen, postgresql_where=seen
    )
    return table


def open_response_log(use_case: str, database_url: str, lock: StoragePath) -> tuple[sa.Engine, sa.Table]:
    """Return the engine and the table of a use case's responses, and create the table if it is missing.

    lock: path of the lock held while the table is created. The process keeps up to OPEN_LOGS engines open.
    """
    key = (use_case, database_url)
    log = _OPEN_LOGS.get(key)
    if log is None:
        log = _create_log(use_case, database_url, lock)
        _OPEN_LOGS.put(key, log)
    return log


def _create_log(use_case: str, database_url: str, lock: StoragePath) -> tuple[sa.Engine, sa.Table]:
    import sqlalchemy as sa

    url = sa.engine.make_url(database_url)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    arguments = {"timeout": SQLITE_TIMEOUT} if is_sqlite else {}
    # hide_parameters keeps what people wrote out of error texts and logs.
    engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    table = define_table(use_case, sa.MetaData())
    with exclusive_lock(lock, f"create the table {table.name}"):  # SQLite creates table and index one after the other
        table.metadata.create_all(engine)
    return engine, table


def _dispose(log: tuple[sa.Engine, sa.Table]) -> None:
    log[0].dispose()


_OPEN_LOGS: BoundedCache[tuple[str, str], tuple[sa.Engine, sa.Table]] = BoundedCache(OPEN_LOGS, on_evict=_dispose)
atexit.register(_OPEN_LOGS.clear)
