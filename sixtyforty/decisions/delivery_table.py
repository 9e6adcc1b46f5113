"""Deliver decisions to a SQL table: one row for each decision, with the decision id as key.

If the use case has a webhook, each new or changed live row also goes into the webhook's outbox.

A live row changes only if a person's answer to the decision takes effect: then the row gets the action in force and a
new revision. The decision that was taken stays unchanged in the lake.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.answers_in_force import JudgedAnswer
from sixtyforty.decisions.decision_records import record_to_dict, records_from_rows
from sixtyforty.decisions.decision_table import DecidedBy
from sixtyforty.decisions.webhook_outbox import OutboxKey, enqueue, outbox_table
from sixtyforty.spec.track import Track
from sixtyforty.storage import stored_tables
from sixtyforty.storage.databases import add_missing_columns, create_database_folder, open_engine
from sixtyforty.storage.response_log import Role
from sixtyforty.storage.stored_tables import Rows, portions
from sixtyforty.value.decision_ids import hash_numbers
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa


COMPARED = ("action", "decided_by", "reason", "champion_version")  # if one differs, a replayed row is replaced
IDS_PER_STATEMENT = 500
REVISION_COLUMNS = ("decided_action", "revision", "answered_by", "answered_at")  # missing in an early release's table


@dataclass(frozen=True)
class DeliveredDecision:
    """A row of the delivery table. `unit` contains the key columns of the unit. The times are UTC.

    `action` is the action in force. `decided_action` is the decided action if an answer replaced it. `revision` counts
    the changes by answers. `answered_by` is the role of the person whose answer or withdrawal changed the row
    last, at `answered_at`. Two rows are equal even if they were delivered at different times.
    """

    decision_id: str
    partition: str
    unit: Mapping[str, object]
    decided_at: datetime
    action: str
    decided_by: DecidedBy
    reason: str
    champion_version: str | None
    delivered_at: datetime = field(compare=False)
    decided_action: str | None = None
    revision: int = 0
    answered_by: Role | None = None
    answered_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the delivered decision for JSON, with the columns in the order of the delivery table."""
        return record_to_dict(self)


def delivery_table_name(use_case: str, track: Track) -> str:
    """Return the name of the SQL table: `<use case>_decisions`, or `<use case>_replay_decisions` for the replay."""
    return f"{use_case}_decisions" if track == "live" else f"{use_case}_{track}_decisions"


def delivery_table(ws: Workspace, track: Track, metadata: sa.MetaData) -> sa.Table:
    """Define the delivery table: the decision, the key of its unit, `decided_at` (UTC) and `delivered_at` (UTC).

    metadata: the SQLAlchemy metadata to which the table is added.
    """
    import sqlalchemy as sa

    types = ws.use_case.unit_columns
    key = [
        sa.Column(
            column, sa.BigInteger if types[column].upper() in ("INTEGER", "BIGINT") else sa.String, nullable=False
        )
        for column in ws.use_case.decision.key
    ]
    return sa.Table(
        delivery_table_name(ws.use_case.name, track),
        metadata,
        sa.Column("decision_id", sa.String, primary_key=True),
        sa.Column("partition", sa.String, nullable=False, index=True),
        *key,
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("decided_by", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("champion_version", sa.String),
        sa.Column("delivered_at", sa.DateTime, nullable=False),
        sa.Column("decided_action", sa.String),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("answered_by", sa.String),
        sa.Column("answered_at", sa.DateTime),
    )


def insert_decisions(ws: Workspace, track: Track, tables: Mapping[str, Rows]) -> dict[str, int]:
    """Insert the decisions that the SQL table lacks, all in one transaction. Create the table if necessary.

    tables: the decisions of each partition. Return the number of new rows of each partition.
    """
    import sqlalchemy as sa

    create_database_folder(ws.database_url)
    engine = open_engine(ws.database_url)
    target = delivery_table(ws, track, sa.MetaData())
    outbox = _outbox_of(ws, track, target.metadata)
    try:
        target.metadata.create_all(engine)
        with engine.begin() as connection:
            add_missing_columns(connection, target, REVISION_COLUMNS)
            return {p: _insert(connection, target, outbox, p, rows) for p, rows in tables.items()}
    finally:
        engine.dispose()


def _outbox_of(ws: Workspace, track: Track, metadata: sa.MetaData) -> sa.Table | None:
    """Return the table of the webhook's outbox; None if no webhook gets the decisions of the track."""
    return outbox_table(ws.use_case.name, metadata) if ws.use_case.webhook and track == "live" else None


def revise_rows(ws: Workspace, track: Track, answers: Iterable[JudgedAnswer]) -> int:
    """Write the effect of answers into the delivered rows. Return the number of rows that changed.

    A decision that wasn't delivered has no row to change. Writing the same answers again changes nothing.
    """
    effective = {answer.decision_id: answer for answer in answers if answer.revision}
    if not effective:
        return 0
    with _open_delivered(ws, track) as delivered:
        if delivered is None:
            return 0
        revised = [a for a in effective.values() if _revise(delivered.connection, delivered.target, a)]
        if delivered.outbox is not None:
            keys = (OutboxKey(answer.decision_id, answer.revision) for answer in revised)
            enqueue(delivered.connection, delivered.outbox, keys)
        return len(revised)


@dataclass(frozen=True)
class _OpenDelivery:
    """A transaction that changes delivered rows. outbox: of the webhook; None if no webhook gets the decisions."""

    connection: sa.Connection
    target: sa.Table
    outbox: sa.Table | None


@contextmanager
def _open_delivered(ws: Workspace, track: Track) -> Iterator[_OpenDelivery | None]:
    """Open a transaction that changes delivered rows; None if nothing was delivered. A missing outbox is created."""
    import sqlalchemy as sa

    engine = open_engine(ws.database_url)
    target = delivery_table(ws, track, sa.MetaData())
    outbox = _outbox_of(ws, track, target.metadata)
    try:
        if not sa.inspect(engine).has_table(target.name):
            yield None
            return
        with engine.begin() as connection:
            add_missing_columns(connection, target, REVISION_COLUMNS)
            if outbox is not None:
                outbox.create(connection, checkfirst=True)
            yield _OpenDelivery(connection, target, outbox)
    finally:
        engine.dispose()


def _revise(connection: sa.Connection, target: sa.Table, answer: JudgedAnswer) -> int:
    import sqlalchemy as sa

    decided = sa.func.coalesce(target.c.decided_action, target.c.action)
    in_force = answer.effect == "in force"
    statement = (
        sa.update(target)
        .where(
            target.c.decision_id == answer.decision_id,
            sa.or_(
                target.c.revision != answer.revision,
                target.c.answered_at.is_distinct_from(answer.answered_at),
                target.c.action != answer.action,
            ),
        )
        .values(
            action=answer.action,
            decided_action=sa.case((decided != answer.action, decided)) if in_force else None,
            revision=answer.revision,
            answered_by=answer.answered_by,
            answered_at=answer.answered_at,
        )
    )
    return connection.execute(statement).rowcount


def delete_replaced(ws: Workspace, tables: Mapping[str, Rows]) -> None:
    """Delete the rows of the replay's SQL table that differ from the current decisions.

    tables: the current decisions of each partition, which can then be inserted. Live rows are never deleted, because
    live decisions are history.
    """
    import sqlalchemy as sa

    with _open_delivered(ws, "replay") as delivered:
        if delivered is None:
            return
        connection, target = delivered.connection, delivered.target
        for partition, rows in tables.items():
            replaced = _replaced_ids(connection, target, partition, rows)
            for start in range(0, len(replaced), IDS_PER_STATEMENT):
                ids = replaced[start : start + IDS_PER_STATEMENT]
                connection.execute(sa.delete(target).where(target.c.decision_id.in_(ids)))


def delete_delivered(ws: Workspace, track: Track, partitions: Collection[str]) -> int:
    """Delete the delivered rows of some partitions, whose retention has ended. Return the number of deleted rows."""
    import sqlalchemy as sa

    if not partitions:
        return 0
    with _open_delivered(ws, track) as delivered:
        if delivered is None:
            return 0
        target, outbox, deleted = delivered.target, delivered.outbox, 0
        for partition in partitions:
            expired = target.c.partition == partition
            if outbox is not None:
                ids = sa.select(target.c.decision_id).where(expired)
                delivered.connection.execute(sa.delete(outbox).where(outbox.c.decision_id.in_(ids)))
            deleted += delivered.connection.execute(sa.delete(target).where(expired)).rowcount
        return deleted


def _replaced_ids(connection: sa.Connection, target: sa.Table, partition: str, rows: Rows) -> list[str]:
    """Return the ids of a partition's delivered decisions that no longer exist or that have changed."""
    import sqlalchemy as sa

    decided = {"action": sa.func.coalesce(target.c.decided_action, target.c.action)}
    columns = [target.c.decision_id, *(decided.get(column, target.c[column]) for column in COMPARED)]
    selected = sa.select(*columns).where(target.c.partition == partition)
    if connection.execute(selected.limit(1)).first() is None:
        return []
    current: set[int] = set()  # hashes, because the decisions themselves may not fit into memory
    for portion in portions(rows):
        current.update(map(hash, zip(*(portion[name].to_pylist() for name in ("decision_id", *COMPARED)), strict=True)))
    with connection.execute(selected, execution_options={"yield_per": stored_tables.PORTION_ROWS}) as delivered:
        return [row[0] for row in delivered if hash(tuple(row)) not in current]


def _insert(connection: sa.Connection, target: sa.Table, outbox: sa.Table | None, partition: str, rows: Rows) -> int:
    """Insert the decisions of a partition that the SQL table lacks, in portions. Return their number."""
    import numpy as np
    import pyarrow as pa
    import sqlalchemy as sa

    selected = sa.select(target.c.decision_id).where(target.c.partition == partition)
    options = {"yield_per": stored_tables.PORTION_ROWS}
    delivered = hash_numbers(connection.scalars(selected, execution_options=options))
    count = 0
    for portion in portions(rows):
        new = portion
        if len(delivered):
            is_delivered = np.isin(hash_numbers(portion["decision_id"].to_pylist()), delivered)
            new = portion.filter(pa.array(~is_delivered))
        if new.num_rows:
            _execute_insert(connection, target, _table_columns(connection, target, partition, new))
            if outbox is not None:
                enqueue(connection, outbox, (OutboxKey(name, 0) for name in new["decision_id"].to_pylist()))
            count += new.num_rows
    return count


def _table_columns(connection: sa.Connection, target: sa.Table, partition: str, rows: pa.Table) -> dict[str, list[Any]]:
    import pyarrow as pa
    import sqlalchemy as sa

    columns = {column: rows[column].to_pylist() for column in rows.column_names if column in target.c}
    for column in columns:  # a column of text holds keys of other types as text, because drivers refuse some of them
        if isinstance(target.c[column].type, sa.String) and not pa.types.is_string(rows[column].type):
            columns[column] = [None if part is None else str(part) for part in columns[column]]
    columns["partition"] = [partition] * rows.num_rows
    columns |= {name: [None] * rows.num_rows for name in REVISION_COLUMNS} | {"revision": [0] * rows.num_rows}
    delivered_at = datetime.now(UTC).replace(tzinfo=None)
    if connection.dialect.name == "sqlite":  # SQLite stores times as text
        columns["delivered_at"] = [delivered_at.isoformat(" ", "microseconds")] * rows.num_rows
        columns["decided_at"] = rows["decided_at"].cast(pa.string()).to_pylist()
    else:
        columns["delivered_at"] = [delivered_at] * rows.num_rows
    return columns


def _execute_insert(connection: sa.Connection, target: sa.Table, columns: dict[str, list[Any]]) -> None:
    """Insert rows with the database driver's `executemany`, which is ten times as fast as SQLAlchemy's insert."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    compiled = dialect.insert(target).on_conflict_do_nothing().compile(dialect=connection.dialect)
    names = compiled.positiontup or target.columns.keys()
    rows = list(zip(*(columns[name] for name in names), strict=True))
    parameters = rows if compiled.positiontup else [dict(zip(names, row, strict=True)) for row in rows]
    connection.exec_driver_sql(str(compiled), parameters)


def read_delivery(ws: Workspace, track: Track, decision_id: str) -> DeliveredDecision | None:
    """Return the row of a decision in the delivery table, or None if the decision wasn't delivered."""
    return next(iter(read_deliveries(ws, track, [decision_id])), None)


def read_deliveries(ws: Workspace, track: Track, decision_ids: Sequence[str] | None = None) -> list[DeliveredDecision]:
    """Return the rows of the delivery table, or an empty list if the table doesn't exist.

    decision_ids: the decisions whose rows are returned, at most as many as a statement may have parameters; None
    returns all rows.
    """
    import sqlalchemy as sa

    engine = open_engine(ws.database_url)
    target = delivery_table(ws, track, sa.MetaData())
    try:
        if not sa.inspect(engine).has_table(target.name):
            return []
        present = {column["name"] for column in sa.inspect(engine).get_columns(target.name)}
        columns = [_column_or_default(column, present) for column in target.columns]
        selected = sa.select(*columns)
        if decision_ids is not None:
            selected = selected.where(target.c.decision_id.in_(decision_ids))
        with engine.connect() as connection:
            rows = connection.execute(selected).all()
    finally:
        engine.dispose()
    return records_from_rows(DeliveredDecision, target.columns.keys(), rows)


def _column_or_default(column: sa.Column[Any], present: Collection[str]) -> sa.ColumnElement[Any]:
    """Return a column of the delivery table, or its default value if the table has no such column."""
    import sqlalchemy as sa

    if column.name in present:
        return column
    default = sa.literal(0) if column.name == "revision" else sa.null()
    return default.label(column.name)
