"""Read raw and validated partitions with the columns of the current data contract.

A partition may have been written when an earlier contract was declared. A column that an old partition lacks is null in
its rows. A column that the partition has under a former name is read under the name in the contract. A column of
another type is cast to the type in the contract. A value that this type can't represent exactly is null until the
partition is validated again from its raw rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import RAW_COLUMNS
from sixtyforty.ingest.exact_casts import cast_sql
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.partition_columns import Columns, stored_type
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = "string"  # the Arrow type of every column of a raw partition


def select_landed_rows(lake: Lake, source: Source, entries: Iterable[Entry]) -> str:
    """Return a SQL subquery for the rows of raw partitions.

    Its columns are those of the contract as text, RAW_COLUMNS, and `_partition`. entries: the manifests of the
    partitions, at least one.
    """
    types = dict.fromkeys(source.columns, ("VARCHAR", TEXT))
    return _union(lake, source, entries, types, (*RAW_COLUMNS, "_partition"))


def select_validated_rows(lake: Lake, source: Source, entries: Iterable[Entry]) -> str:
    """Return a SQL subquery for the rows of validated partitions.

    Its columns are those of the contract with their types, and `_partition`. entries: the manifests of the partitions,
    at least one.
    """
    types = {column: (kind, stored_type(kind)) for column, kind in source.columns.items()}
    return _union(lake, source, entries, types, ("_partition",))


def find_retyped(lake: Lake, source: Source, entry: Entry) -> list[str]:
    """Return the columns of a validated partition whose type differs from the contract's, sorted."""
    stored = lake.columns(entry)
    types = {name: stored_type(kind) for column, kind in source.columns.items() for name in source.names_of(column)}
    return sorted(name for name, kind in types.items() if stored.get(name, kind) != kind)


def lacks_columns(lake: Lake, source: Source, raw: Entry, offered: Sequence[str]) -> bool:
    """Return whether a raw partition lacks a column of the contract that one of its extracts contains.

    offered: the columns of the extract that the contract didn't name when the extract was read.
    """
    for column in source.columns:
        names = set(source.names_of(column))
        if not names.isdisjoint(offered) and names.isdisjoint(lake.columns(raw)):
            return True
    return False


def align_raw_rows(table: pa.Table, source: Source, schema: pa.Schema) -> pa.Table:
    """Return the rows of an older raw partition with the columns of the current data contract.

    schema: the schema of raw partitions by the current contract.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    def align(field: pa.Field) -> pa.ChunkedArray | pa.Array:
        names = source.names_of(field.name) if field.name in source.columns else [field.name]
        present = [table[name] for name in names if name in table.column_names]
        return pc.coalesce(*present) if present else pa.nulls(table.num_rows, field.type)

    return pa.table([align(field) for field in schema], schema=schema)


def _union(
    lake: Lake, source: Source, entries: Iterable[Entry], types: Mapping[str, tuple[str, str]], others: Sequence[str]
) -> str:
    """Return a SQL subquery: one SELECT for each group of partitions with equal columns, joined by UNION ALL.

    types: the DuckDB and the Arrow type of each column of the contract. others: further columns to select.
    """
    selects = []
    for group in lake.group_by_columns(entries):
        stored = lake.columns(group[0])
        columns = [_column_sql(source, column, types[column], stored) for column in types]
        columns += map(identifier, others)
        selects.append(f"select {', '.join(columns)} from {lake.select_rows(group)}")
    return f"({' union all '.join(selects)})"


def _column_sql(source: Source, column: str, types: tuple[str, str], stored: Columns) -> str:
    kind, arrow_type = types
    parts = [_cast_stored(name, kind, arrow_type, stored[name]) for name in source.names_of(column) if name in stored]
    value = {0: f"null::{kind}", 1: "".join(parts)}.get(len(parts), f"coalesce({', '.join(parts)})")
    return f"{value} as {identifier(column)}"


def _cast_stored(name: str, kind: str, arrow_type: str, current_type: str) -> str:
    """Return SQL that casts a stored column to its type in the contract. A value that doesn't fit becomes null."""
    if current_type == arrow_type:
        return identifier(name)
    if kind.upper() == "VARCHAR":
        return f"{identifier(name)}::varchar"
    if current_type == TEXT:
        return cast_sql(identifier(name), kind)
    converted = f"try_cast({identifier(name)} as {kind})"
    return f"case when {converted} = {identifier(name)} then {converted} end"
