"""Decisions into the business process: a dated CSV and Parquet, and a SQL table keyed by decision id.

Delivering again adds what is missing and changes nothing: a delivered decision is history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.files import canonical_json, run_in_parallel, write_atomic
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa


class DeliveryError(ValueError):
    """What was decided can't be vouched for."""


@dataclass(frozen=True)
class DeliveredPartition:
    """One partition: `rows` of decisions in its files, `new` of them put in the table now."""

    rows: int
    new: int
    files: list[str]
    table: str


def delivery_table_name(use_case: str, track: str) -> str:
    """Live decisions go to `<use case>_decisions`, replayed ones to `<use case>_replay_decisions`."""
    return f"{use_case}_decisions" if track == "live" else f"{use_case}_{track}_decisions"


def delivery_table(ws: Workspace, track: str, metadata: sa.MetaData) -> sa.Table:
    """The delivery table: the decision, its unit's key, and when it was delivered (UTC)."""
    import sqlalchemy as sa

    columns = ws.use_case.unit_columns
    numbers = {"INTEGER", "BIGINT"}
    key = [
        sa.Column(c, sa.BigInteger if columns[c].upper() in numbers else sa.String, nullable=False)
        for c in ws.use_case.decision.key
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
    )


def deliver_decisions(ws: Workspace, entries: dict[str, Entry], track: str) -> dict[str, DeliveredPartition]:
    """Delivers the decisions of these partitions, once each; returns what each got."""
    import sqlalchemy as sa

    url = sa.engine.make_url(ws.database_url)
    if url.database and url.get_backend_name() == "sqlite":
        (ws.home / "data").mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url)
    target = delivery_table(ws, track, sa.MetaData())
    rows = dict(zip(entries, run_in_parallel(lambda p: _vouched(ws, entries[p]), entries), strict=True))
    try:
        target.metadata.create_all(engine)
        with engine.begin() as connection:  # all arrive, each of them whole, or none does
            new = {p: _insert(connection, target, p, rows[p]) for p in entries}
    finally:
        engine.dispose()

    waiting = find_undelivered(ws, track, entries)

    def written(partition: str) -> DeliveredPartition:
        files = _files(ws, track, partition, rows[partition])
        if partition in waiting:
            said = canonical_json({"decisions": entries[partition].version}).encode()
            write_atomic(_receipt(ws, track, partition), said)
        return DeliveredPartition(rows[partition].num_rows, new[partition], files, target.name)

    return dict(zip(entries, run_in_parallel(written, entries), strict=True))


def _receipt(ws: Workspace, track: str, partition: str) -> StoragePath:
    return ws.deliveries / track / f".{partition}.delivered"


def find_undelivered(ws: Workspace, track: str, entries: Mapping[str, Entry]) -> set[str]:
    """The partitions that weren't delivered as they are now; a receipt is written last, so never before it was."""
    names = {_receipt(ws, track, p).name: p for p in entries}
    folder = ws.deliveries / track
    if isinstance(folder, ObjectPath):
        there = folder.read_listed(".delivered", list(names))
    else:
        there = {n: (folder / n).read_bytes() for n in names if (folder / n).exists()}
    done = {names[n] for n, said in there.items() if json.loads(said)["decisions"] == entries[names[n]].version}
    return entries.keys() - done


def _vouched(ws: Workspace, decisions: Entry) -> pa.Table:
    """A partition's rows, if governance accepted what each was decided on. Raises DeliveryError otherwise.

    Dagster's checks stop their own run only; a later one that selects nothing but the delivery comes by here.
    """
    import pyarrow.parquet as pq

    partition, rows = decisions.partition, pq.read_table(ws.lake.local_file(decisions))
    now = ws.lake.entry("features", partition)
    for version in rows["data_version"].unique().to_pylist():
        entry = now if now is not None and now.version == version else ws.lake.replaced_entry(version)
        if entry is None or not entry.facts["verdict"]["accepted"]:
            raise DeliveryError(f"{partition}: decisions rest on features {version}, which governance didn't accept")
    return rows


def _insert(connection: sa.Connection, target: sa.Table, partition: str, rows: pa.Table) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql, sqlite

    lite = connection.dialect.name == "sqlite"
    statement = (sqlite if lite else postgresql).insert(target).on_conflict_do_nothing()
    have = connection.scalars(sa.select(target.c.decision_id).where(target.c.partition == partition)).all()
    new = rows.filter(pc.invert(pc.is_in(rows["decision_id"], pa.array(have, pa.string())))) if have else rows
    if not new.num_rows:
        return 0
    columns = {c: new[c].to_pylist() for c in new.column_names if c in target.c}
    columns["partition"] = [partition] * new.num_rows
    now = datetime.now(UTC).replace(tzinfo=None)
    columns["delivered_at"] = [now.isoformat(" ", "microseconds") if lite else now] * new.num_rows
    if lite:  # which keeps moments as text
        columns["decided_at"] = new["decided_at"].cast(pa.string()).to_pylist()
    # the driver's own executemany: SQLAlchemy's row handling costs ten times as much
    compiled = statement.compile(dialect=connection.dialect)
    names = compiled.positiontup or target.columns.keys()
    values = zip(*(columns[n] for n in names), strict=True)
    rows_ = list(values) if compiled.positiontup else [dict(zip(names, v, strict=True)) for v in values]
    connection.exec_driver_sql(str(compiled), rows_)
    return new.num_rows


def _files(ws: Workspace, track: str, partition: str, rows: pa.Table) -> list[str]:
    import io

    import pyarrow.parquet as pq
    from pyarrow import csv

    folder = ws.deliveries / track
    shown = rows.select([c for c in rows.column_names if c not in ("use_case", "track", "policy")])
    text, binary = io.BytesIO(), io.BytesIO()
    csv.write_csv(escape_formulas(shown), text)
    pq.write_table(rows, binary, compression="zstd")
    for suffix, data in ((".csv", text), (".parquet", binary)):
        path, blob = folder / f"{partition}{suffix}", data.getvalue()
        if not path.exists() or path.read_bytes() != blob:
            write_atomic(path, blob)
    return [f"{track}/{partition}{s}" for s in (".csv", ".parquet")]


def escape_formulas(rows: pa.Table) -> pa.Table:
    """The rows as a spreadsheet may open them: text that would be run as a formula is shown, after an apostrophe."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            said = pc.replace_substring_regex(rows[i], r"\A([=+\-@\t\r\n])", r"'\1")
            rows = rows.set_column(i, field, said)
    return rows


def read_delivery(ws: Workspace, track: str, decision_id: str) -> dict[str, Any] | None:
    """The delivered row of a decision, or None when it wasn't delivered."""
    import sqlalchemy as sa

    engine = sa.create_engine(ws.database_url)
    target = delivery_table(ws, track, sa.MetaData())
    try:
        if not sa.inspect(engine).has_table(target.name):
            return None
        with engine.connect() as connection:
            row = connection.execute(sa.select(target).where(target.c.decision_id == decision_id)).mappings().first()
            return dict(row) if row else None
    finally:
        engine.dispose()
