"""The file format Parquet. Each value becomes text, and casting this text to the contract's type gives an equal value.

Times with a time zone become UTC. Lists and structures become JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.ingest import extract
from sixtyforty.ingest.decompression import decompress
from sixtyforty.ingest.extract import Chunk, MatchedColumns, OpenedExtract, RefusedExtractError, match_columns
from sixtyforty.ingest.formats.base import ExtractFormat, LoadedFiles, load_with_reader
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"  # the first and the last bytes of every Parquet file
SMALLEST_FILE = 12  # the size of the smallest possible Parquet file, in bytes
BYTES_PER_CELL = 8  # the least memory that a value needs


class Parquet(ExtractFormat):
    """The format Parquet. `_row` is the number of the row in the file, counted from 1."""

    kind = "parquet"
    title = "Parquet"
    endings = ("parquet", "pq")

    def recognizes(self, head: bytes) -> bool:
        """Return whether the file starts with Parquet's magic bytes."""
        return head.startswith(MAGIC)

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open a Parquet extract. See ExtractFormat.

        A file that is cut off, lacks columns or is too large is refused.
        """
        import duckdb
        import pyarrow as pa

        content = decompress(file.read_bytes())
        if len(content) < SMALLEST_FILE or not content.endswith(MAGIC):
            problem = "the file is cut off, or it is not a Parquet file. Ask the sender to send it again."
            raise RefusedExtractError(problem)
        try:
            return _parse(content, source)
        except (pa.ArrowException, OSError, UnicodeDecodeError, duckdb.Error) as error:
            reason = str(error).splitlines()[0]
            raise RefusedExtractError(f"the file is not readable as Parquet: {reason}") from None

    def load_for_profiling(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> LoadedFiles:
        """Load Parquet files with DuckDB's Parquet reader. See ExtractFormat."""
        return load_with_reader(db, "read_parquet", files)


def _parse(content: bytes, source: Source) -> OpenedExtract:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text_columns = [field.name for field in pq.read_schema(pa.BufferReader(content)) if _is_text(field.type)]
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=text_columns)
    row_count = file.metadata.num_rows
    matched = match_columns(source, file.schema_arrow.names)
    columns = matched.file_columns
    problem = _file_problem(file, matched)
    if problem:
        raise RefusedExtractError(problem, max(1, row_count))
    table = file.read(columns)
    if sum(_text_bytes(table[column]) for column in columns if column in text_columns) > extract.MAX_UNPACKED_BYTES:
        raise RefusedExtractError(extract.TOO_LARGE, max(1, row_count))
    rows = matched.to_contract(_text_table(table, columns))
    rows = rows.append_column("_row", pa.array(range(1, row_count + 1), pa.int64()))
    return OpenedExtract(matched.undeclared, iter([Chunk(rows, [])]))


def _file_problem(file: pq.ParquetFile, matched: MatchedColumns) -> str | None:
    names = file.schema_arrow.names
    if matched.missing:
        return f"columns missing from the file: {matched.missing}"
    if len(set(names)) < len(names):
        return "a column name occurs twice in the file."
    if _unpacked_bytes(file, matched.file_columns) > extract.MAX_UNPACKED_BYTES:
        return extract.TOO_LARGE
    return None


def _is_text(arrow_type: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(arrow_type) or pa.types.is_binary(arrow_type))


def _unpacked_bytes(file: pq.ParquetFile, columns: list[str]) -> int:
    """Return an estimate of the memory that columns need: their uncompressed size, but at least 8 bytes per cell.

    The uncompressed size can be too low, because a repeated value takes almost no space in the file.
    """
    row_groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks = [group.column(number) for group in row_groups for number in range(group.num_columns)]
    sizes = [chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns]
    return max(sum(sizes), BYTES_PER_CELL * file.metadata.num_rows * len(columns))


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Return the total size of a column's texts in bytes. A repeated text is counted each time it occurs."""
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


def _text_table(table: pa.Table, columns: list[str]) -> pa.Table:
    import pyarrow as pa

    with connect("UTC") as db:
        db.register("stored", table)
        types = dict(row[:2] for row in db.execute("describe stored").fetchall())
        texts = ", ".join(f"{_text_sql(column, types[column])} as {identifier(column)}" for column in columns)
        text_rows = db.sql(f"select {texts} from stored").to_arrow_table()
    return text_rows.cast(pa.schema([(column, pa.string()) for column in columns]))


def _text_sql(column: str, duckdb_type: str) -> str:
    """Return a SQL expression that converts a column of a DuckDB type to text."""
    quoted = identifier(column)
    if duckdb_type == "BLOB":  # many tools store text as bytes; bytes that are not UTF-8 become DuckDB's \x notation
        return f"coalesce(try(decode({quoted})), {quoted}::varchar)"
    if duckdb_type in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        return f"({quoted} at time zone 'UTC')::varchar"
    if duckdb_type == "TIMESTAMPTZ_NS":  # DuckDB can't convert this type, but writes it in the session's time zone, UTC
        return f"replace({quoted}::varchar, '+00', '')"
    if duckdb_type.endswith("]") or duckdb_type.startswith(("STRUCT", "MAP", "UNION")):
        return f"to_json({quoted})::varchar"
    return f"{quoted}::varchar"
