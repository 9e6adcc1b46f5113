"""The log of responses: what people did with decisions. One append-only SQL table a use case.

It lies beside the decisions, in the database they are delivered to. A decision is answered (accepted or overridden)
once, by whoever is first; the database itself holds that, so that two people at once can't both have.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from sixtyforty.storage.lake import alone

if TYPE_CHECKING:
    import sqlalchemy as sa

Event = Literal["seen", "accepted", "overridden", "rated"]
Role = Literal["decider", "expert"]
EVENTS, ROLES = get_args(Event), get_args(Role)
ANSWERS = ("accepted", "overridden")


@dataclass(frozen=True)
class Response:
    """One thing a person did. `at` is UTC (naive); `person` and `reason` are personal data.

    `action` is what is done: of an answer only. `rating` is 1 to 5: of `rated` only.
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
    """The responses of a use case, on all tracks: the track is in the decision id."""
    return f"{use_case}_responses"


def table(use_case: str, metadata: sa.MetaData) -> sa.Table:
    """The table. `number` only grows: what the source reads new rows by."""
    import sqlalchemy as sa

    name = table_name(use_case)
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    found = sa.Table(
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
    answered, seen = found.c.event.in_(ANSWERS), found.c.event == "seen"
    sa.Index(
        f"{name}_answered_once", found.c.decision_id, unique=True, sqlite_where=answered, postgresql_where=answered
    )
    sa.Index(
        f"{name}_seen_once", found.c.person, found.c.decision_id, unique=True, sqlite_where=seen, postgresql_where=seen
    )
    return found


@lru_cache(maxsize=8)
def opened(use_case: str, database_url: str, lock: Path) -> tuple[sa.Engine, sa.Table]:
    """The database and the table, made if it isn't there; `lock`: a file to wait for while it is made."""
    import sqlalchemy as sa

    url = sa.engine.make_url(database_url)
    lite = url.get_backend_name() == "sqlite"
    if lite and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # what people wrote never reaches an error's text, nor a log with it
    engine = sa.create_engine(
        url, pool_pre_ping=True, hide_parameters=True, **({"connect_args": {"timeout": 30}} if lite else {})
    )
    target = table(use_case, sa.MetaData())
    with alone(lock):  # SQLite makes table and index one after the other
        target.metadata.create_all(engine)
    return engine, target
