"""Reading Parquet: each value as the text that the contract's type reads back equal. Times become UTC, lists JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sixtyforty.ingest import extract
from sixtyforty.ingest.extract import Reading, missing
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"


def read(data: bytes, source: Source) -> Reading:
    """Reads a Parquet extract; `_row` counts from 1. What is cut off, lacks columns or is too large is a `problem`."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(source.columns)
    if len(data) < 12 or not data.endswith(MAGIC):
        return Reading(problem="cut off, or no Parquet file: it has no end; have the sender send it again", lines=1)
    try:
        text = [f.name for f in pq.read_schema(pa.BufferReader(data)) if _is_text(f.type)]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=text)
        count = file.metadata.num_rows
        names = file.schema_arrow.names
        lost = missing(columns, names)
        if lost:
            return Reading(problem=f"columns missing from the file: {lost}", lines=max(1, count))
        if len(set(names)) < len(names):
            return Reading(problem="a column name stands twice in the file", lines=max(1, count))
        if _stored(file, columns) > extract.LARGEST:
            return Reading(problem=extract.TOO_LARGE, lines=max(1, count))
        table = file.read(columns)
        if sum(_length(table[c]) for c in columns if c in text) > extract.LARGEST:
            return Reading(problem=extract.TOO_LARGE, lines=max(1, count))
        return Reading(table=_as_text(table, columns), lines=count)
    except (pa.ArrowException, OSError, duckdb.Error) as error:
        return Reading(problem=f"not readable as Parquet: {str(error).splitlines()[0]}", lines=1)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _stored(file: pq.ParquetFile, columns: list[str]) -> int:
    """Bytes its pages unpack to, or eight a value if that is more: a value repeated takes next to none."""
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    chunks = [g.column(i) for g in groups for i in range(g.num_columns)]
    sizes = [c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] in columns]
    return max(sum(sizes), 8 * file.metadata.num_rows * len(columns))


def _length(column: pa.ChunkedArray) -> int:
    """Bytes of its texts, each counted as often as it stands there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for chunk in column.chunks:
        dictionary = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        sizes: Any = pc.cast(pc.binary_length(dictionary), pa.int64())
        if dictionary is not chunk:
            sizes = sizes.take(chunk.indices)
        total += pc.sum(sizes).as_py() or 0
    return total


def _as_text(table: pa.Table, columns: list[str]) -> pa.Table:
    import pyarrow as pa

    with connect("UTC") as db:
        db.register("stored", table)
        kinds = dict(row[:2] for row in db.execute("describe stored").fetchall())
        texts = ", ".join(f'{_rendered(c, kinds[c])} as "{c}"' for c in columns)
        found = db.sql(f"select {texts} from stored").to_arrow_table()
    found = found.cast(pa.schema([(c, pa.string()) for c in columns]))
    return found.append_column("_row", pa.array(range(1, table.num_rows + 1), pa.int64()))


def _rendered(column: str, kind: str) -> str:
    """SQL text."""
    named = f'"{column}"'
    if kind == "BLOB":  # text by another name, or it stays as bytes are written
        return f"coalesce(try(decode({named})), {named}::varchar)"
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        return f"({named} at time zone 'UTC')::varchar"
    if kind == "TIMESTAMPTZ_NS":  # the session thinks in UTC
        return f"replace({named}::varchar, '+00', '')"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return f"to_json({named})::varchar"
    return f"{named}::varchar"
