"""Open a DuckDB session that holds a use case's sources and units, now or as they were known at an earlier time.

The use case's SQL reads one table for each source, with the contract's columns and `known_at` (UTC). The table covers
the lookback window. The SQL also reads `units`, the units to decide about, with `decided_at` (UTC). A source without
data is an empty table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.modeling.lineage import feature_window
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb


def open_inputs(
    use_case: DecisionChain, lake: Lake, entries: Mapping[str, Mapping[str, Entry]], partitions: Sequence[str]
) -> duckdb.DuckDBPyConnection:
    """Open a session with a table for each source and the table `units`. The caller closes the session.

    entries: the manifests of the validated data to read, as {source: {partition: manifest}}. partitions: the partitions
    whose units go into the table `units`.
    """
    db = lake.open_session(use_case.timezone)
    for name, source in use_case.inputs.items():
        db.execute(f"create temp table {identifier(name)} as {_source_sql(lake, source, entries[name])}")
    create_units(db, use_case, partitions)
    return db


def _source_sql(lake: Lake, source: Source, entries: Mapping[str, Entry]) -> str:
    known_at = f"({source.known_at})" if source.known_at else "timestamp '-infinity'"
    if entries:
        columns, rows = identifiers(source.columns), select_validated_rows(lake, source, entries.values())
        return f"select {columns}, {known_at} as known_at, _partition from {rows}"
    nulls = ", ".join(f"null::{kind} as {identifier(column)}" for column, kind in source.columns.items())
    return f"select {nulls}, null::timestamp as known_at, null::varchar as _partition where false"


def create_units(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, partitions: Sequence[str], condition: str = "true"
) -> None:
    """Create the table `units`, with the units of some partitions, from the source tables of the session.

    If units are not the rows of a partitioned source, create the table `decision_partitions` too, with `_partition` and
    `starts_at` (UTC). condition: a SQL condition that every unit in the table must fulfill.
    """
    decision, partitions = use_case.decision, use_case.partitions_with_units(partitions)
    if decision.unit_source and decision.unit_source in use_case.partitioned:
        columns = "* exclude known_at"
        rows = f"{identifier(decision.unit_source)} where _partition in ({sql_list(partitions)})"
    else:
        _create_decision_partitions(db, use_case, partitions)
        columns = "*"
        if decision.unit_source:
            snapshot = f"(select * exclude (known_at, _partition) from {identifier(decision.unit_source)})"
            rows = f"{snapshot} cross join decision_partitions"
        else:
            rows = f"({use_case.sql('units')}) join decision_partitions using (_partition)"
    db.execute(
        "create or replace temp table units as"
        f" select * from (select {columns}, {decision.decided_at} as decided_at from {rows}) where {condition}"
    )


def _create_decision_partitions(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, partitions: Sequence[str]
) -> None:
    db.execute("create or replace temp table decision_partitions (_partition varchar, starts_at timestamp)")
    if partitions:
        rows = ", ".join(f"({literal(p)}, {literal(use_case.opens_at(p))})" for p in partitions)
        db.execute(f"insert into decision_partitions values {rows}")


def sql_list(texts: Sequence[str]) -> str:
    """Return texts as a SQL list for `in (…)`. Without texts, return `null`, which matches nothing."""
    return ", ".join(literal(text) for text in texts) or "null"


@contextmanager
def as_known_at(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, partition: str, decision_time: datetime
) -> Iterator[None]:
    """During a `with` block, reduce the session's tables to the data known at one decision time (UTC) of a partition.

    The source tables contain only rows of the partition and its lookback that were known at that time. The table
    `units` contains only the units of that time. After the block, all tables are restored.
    """
    time = f"timestamp {literal(decision_time)}"
    with _reduced_to(db, use_case, partition, f"known_at <= {time}", f"decided_at = {time}"):
        yield


@contextmanager
def within_lookback(db: duckdb.DuckDBPyConnection, use_case: DecisionChain, partition: str) -> Iterator[None]:
    """During a `with` block, reduce the session's tables to one partition and its lookback.

    The source tables then contain only rows of these partitions, and `units` only units of the one partition. After the
    block, all tables are restored.
    """
    with _reduced_to(db, use_case, partition, "true", "true"):
        yield


@contextmanager
def _reduced_to(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, partition: str, row_condition: str, unit_condition: str
) -> Iterator[None]:
    window = sql_list([*feature_window(use_case, [partition]), SNAPSHOT])
    db.execute("begin")
    try:
        for name in use_case.inputs:
            kept = f"{row_condition} and _partition in ({window})"
            db.execute(f"delete from {identifier(name)} where ({kept}) is not true")
        create_units(db, use_case, [partition], unit_condition)
        yield
    finally:
        db.execute("rollback")
