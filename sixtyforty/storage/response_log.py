"""The response log: what people did with decisions, in one append-only SQL table per use case.

The table is in the database to which decisions are delivered. A decision has one answer in force at most, from the
first person who answers. A withdrawal is a row of its own, and the answer's row stays. Then another answer may follow,
as the next attempt. A unique index ensures one answer and one withdrawal for each attempt, even if two people answer at
the same time.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.databases import (
    add_missing_columns,
    create_database_folder,
    is_sqlite,
    open_engine,
    parse_database_url,
)
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.response_seals import (
    create_key,
    define_seal_table,
    find_seal_problems,
    read_key,
    seal_table_name,
    write_key,
    write_seals,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

Event = Literal["seen", "accepted", "overridden", "rated", "withdrawn"]
Role = Literal["decider", "expert"]
EVENTS, ROLES = get_args(Event), get_args(Role)
ANSWERS = ("accepted", "overridden")
ANSWER_EVENTS = (*ANSWERS, "withdrawn")  # the events that determine which action of a decision is in force
OPEN_LOGS = 8  # the largest number of response logs whose database engine a process keeps open
SQLITE_TIMEOUT = 30  # seconds to wait for another process that writes to a SQLite database


@dataclass(frozen=True)
class Response:
    """One response of a person to a decision.

    - event: what the person did. `accepted` and `overridden` are answers; `withdrawn` takes an answer back.
    - action: the action that the person chose in an answer.
    - rating: 1 to 5, for the event `rated`.
    - at: the time of the response, UTC, naive.
    - attempt: of an answer, 1 plus the number of withdrawn answers before it; of a withdrawal, the attempt of the
      withdrawn answer. It is 1 for other events.
    - simulated: whether a simulation made the response.

    `person` and `reason` are personal data.
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
    attempt: int = field(default=1, kw_only=True)


class ResponseKeyError(SixtyfortyError):
    """The key that seals responses is missing, or can't be replaced."""


def table_name(use_case: str) -> str:
    """Return the name of the table with a use case's responses to live and to replayed decisions."""
    return f"{use_case}_responses"


def define_table(use_case: str, metadata: sa.MetaData) -> sa.Table:
    """Return the SQLAlchemy table of responses, with its indexes, and register it in `metadata`.

    Each new row has a larger `number`, so a source can use `number` as its cursor column to read only new rows.
    """
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
        sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
    )
    answered, withdrawn = table.c.event.in_(ANSWERS), table.c.event == "withdrawn"
    _unique_index(f"{name}_attempt_answered_once", [table.c.decision_id, table.c.attempt], answered)
    _unique_index(f"{name}_attempt_withdrawn_once", [table.c.decision_id, table.c.attempt], withdrawn)
    _unique_index(f"{name}_seen_once", [table.c.person, table.c.decision_id], table.c.event == "seen")
    return table


def _unique_index(name: str, columns: Sequence[sa.Column[Any]], condition: sa.ColumnElement[bool]) -> None:
    """Add an index to the table of some columns, which are unique in the rows that meet a condition."""
    import sqlalchemy as sa

    sa.Index(name, *columns, unique=True, sqlite_where=condition, postgresql_where=condition)


def open_response_log(use_case: str, database_url: str, lock: StoragePath) -> tuple[sa.Engine, sa.Table]:
    """Return the database engine and the table of a use case's responses. Create the table if it is missing.

    database_url: SQLAlchemy URL. lock: path of the lock that is held while the table is created. The process keeps up
    to OPEN_LOGS engines open.
    """
    key = (use_case, database_url)
    log = _OPEN_LOGS.get(key)
    if log is None:
        log = _create_log(use_case, database_url, lock)
        _OPEN_LOGS.put(key, log)
    return log


def _create_log(use_case: str, database_url: str, lock: StoragePath) -> tuple[sa.Engine, sa.Table]:
    import sqlalchemy as sa

    url = parse_database_url(database_url)
    create_database_folder(url)
    engine = open_engine(url, pool_pre_ping=True, connect_args={"timeout": SQLITE_TIMEOUT} if is_sqlite(url) else {})
    table = define_table(use_case, sa.MetaData())
    seals = define_seal_table(use_case, table.metadata)
    # SQLite creates the table and its indexes in separate steps, so two processes must not do it at once.
    with exclusive_lock(lock, f"create the table {table.name}"):
        table.metadata.create_all(engine)
        _allow_attempts(engine, table)
        if read_key(key_path(lock)) is None:  # the responses of an early release have no seals
            with engine.begin() as connection:
                if connection.scalar(sa.select(seals.c.seal).limit(1)) is not None:
                    raise _missing_key(lock)  # a new key would seal forged responses
                write_seals(connection, table, seals, create_key(key_path(lock)))
    return engine, table


def _allow_attempts(engine: sa.Engine, table: sa.Table) -> None:
    """Let a table of an earlier release hold an answer after a withdrawn one. Each step may run again.

    Such a release refused a second answer. Two simultaneous requests could withdraw an answer twice: the second
    withdrawal, which has no effect, gets an attempt of its own below zero.
    """
    import sqlalchemy as sa

    inspector, earlier = sa.inspect(engine), f"{table.name}_answered_once"
    present = {index["name"] for index in inspector.get_indexes(table.name)}
    if earlier not in present and "attempt" in {column["name"] for column in inspector.get_columns(table.name)}:
        return
    first = table.alias()
    is_second = sa.exists().where(
        first.c.decision_id == table.c.decision_id, first.c.event == "withdrawn", first.c.number < table.c.number
    )
    with engine.begin() as connection:
        add_missing_columns(connection, table, ["attempt"])
        repeated = sa.update(table).where(table.c.event == "withdrawn", table.c.attempt == 1, is_second)
        connection.execute(repeated.values(attempt=-table.c.number))
        for index in (index for index in table.indexes if index.name not in present):
            index.create(connection, checkfirst=True)
        name = connection.dialect.identifier_preparer.quote(earlier)
        connection.exec_driver_sql(f"drop index if exists {name}")


def key_path(lock: StoragePath) -> StoragePath:
    """Return the path of the key of the seals. lock: see `open_response_log`."""
    return lock.with_suffix(".key")


def _missing_key(lock: StoragePath) -> ResponseKeyError:
    return ResponseKeyError(
        f"{key_path(lock)}: the key that seals responses is missing. Restore the file from a backup."
    )


def find_seals(table: sa.Table, lock: StoragePath) -> tuple[sa.Table, bytes]:
    """Return the table of seals and their key. table, lock: see `open_response_log`, which creates both.

    Raises ResponseKeyError if somebody deleted the key.
    """
    key = read_key(key_path(lock))
    if key is None:
        raise _missing_key(lock)
    use_case = table.name.removesuffix(table_name(""))
    return table.metadata.tables[seal_table_name(use_case)], key


def replace_seal_key(engine: sa.Engine, table: sa.Table, lock: StoragePath) -> int:
    """Replace the key of the seals, and seal every response again. Return the number of responses.

    engine, table, lock: see `open_response_log`. Processes that record a response wait meanwhile. The earlier key is
    kept until the new seals are stored, so that a second call finishes a call that was killed. Raises ResponseKeyError,
    and changes nothing, if a response doesn't match its seal.
    """
    import sqlalchemy as sa

    seals, key = find_seals(table, lock)
    earlier_path = key_path(lock).with_suffix(".earlier_key")
    with exclusive_lock(lock, "replace the key of the seals"), engine.begin() as connection:
        _lock_responses(connection, table)
        keys = [key, *filter(None, [read_key(earlier_path)])]
        problems = [next(filter(None, find_seal_problems(connection, table, seals, each)), "") for each in keys]
        if all(problems):
            raise ResponseKeyError(
                f"The key of the seals was not replaced, because {problems[0]}. Run `sixtyforty verify`, and find out"
                " who changed the responses."
            )
        write_key(earlier_path, keys[problems.index("")])
        connection.execute(sa.delete(seals))
        write_seals(connection, table, seals, create_key(key_path(lock)))
        count = connection.scalar(sa.select(sa.func.count()).select_from(seals))
    earlier_path.unlink(missing_ok=True)
    return count or 0


def _lock_responses(connection: sa.Connection, table: sa.Table) -> None:
    """Let other processes wait that add a response, until the transaction ends."""
    is_on_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("begin immediate" if is_on_sqlite else f"lock table {table.name} in exclusive mode")


def _dispose(log: tuple[sa.Engine, sa.Table]) -> None:
    log[0].dispose()


_OPEN_LOGS: BoundedCache[tuple[str, str], tuple[sa.Engine, sa.Table]] = BoundedCache(OPEN_LOGS, on_evict=_dispose)
atexit.register(_OPEN_LOGS.clear)


def close_response_logs() -> None:
    """Close the database engines that this process keeps open, before their tables are renamed or dropped."""
    _OPEN_LOGS.clear()
