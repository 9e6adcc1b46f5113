"""The columns of partitions: their names and types, and the hash by which partitions with equal columns are recognized.

Partitions of one dataset may differ in their columns, because a declaration changes and old partitions stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.storage.bounded_cache import BoundedCache
from sixtyforty.storage.duckdb_session import connect_for_types
from sixtyforty.storage.files import digest, parquet_bytes

if TYPE_CHECKING:
    import pyarrow as pa

KNOWN_TYPES = 200  # the number of SQL types whose Arrow type stays in memory
Columns = Mapping[str, str]  # Arrow types by column name, in the order of the columns

_columns: BoundedCache[str, Columns] = BoundedCache(2000)


def columns_of(schema: pa.Schema) -> dict[str, str]:
    """Return the Arrow types of a schema by column name."""
    return {field.name: str(field.type) for field in schema}


def schema_hash(schema: pa.Schema) -> str:
    """Return the hash of the names and types of a schema, in their order."""
    return digest(list(columns_of(schema).items()))


def read_columns(file: Path, cache_key: str) -> Columns:
    """Return the names and types of the columns of a Parquet file. Only one file of each `cache_key` is read."""
    import pyarrow.parquet as pq

    columns = _columns.get(cache_key)
    if columns is None:
        columns = columns_of(pq.read_schema(file))
        _columns.put(cache_key, columns)
    return columns


@lru_cache(maxsize=KNOWN_TYPES)
def stored_type(sql_type: str) -> str:
    """Return the Arrow type in which a stored partition holds the values of a SQL type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with connect_for_types() as db:
        table = db.sql(f"select null::{sql_type} as x").to_arrow_table()
    return columns_of(pq.read_schema(pa.BufferReader(parquet_bytes(table))))["x"]
