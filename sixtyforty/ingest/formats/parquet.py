"""The file format Parquet. Each value becomes text, and casting this text to the contract's type gives an equal value.

Times with a time zone become UTC. Lists and structures become JSON.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sixtyforty.ingest.decompression import copy_unpacked, is_packed
from sixtyforty.ingest.extract import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    MAX_RECORD_BYTES,
    BrokenLine,
    Chunk,
    MatchedColumns,
    OpenedExtract,
    RefusedExtractError,
    match_columns,
)
from sixtyforty.ingest.formats.base import ExtractFormat
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"  # the first and the last bytes of every Parquet file
SMALLEST_FILE = 12  # the size of the smallest possible Parquet file, in bytes
BYTES_PER_VALUE = 8  # the least memory that a value needs
MAX_NESTED_BYTES = 1 << 29  # the lists of a row group may not need more memory, because one row may hold all of them
TOO_LONG = f"the row is longer than {MAX_RECORD_BYTES >> 20} MB"


class Parquet(ExtractFormat):
    """The format Parquet. `_row` is the number of the row in the file, counted from 1."""

    kind = "parquet"
    title = "Parquet"
    endings = ("parquet", "pq")
    typed_reader = "read_parquet"

    def recognizes(self, head: bytes) -> bool:
        """Return whether the file starts with Parquet's magic bytes."""
        return head.startswith(MAGIC)

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open a Parquet extract. See ExtractFormat.

        A file that is cut off, damaged or lacks columns is refused. A packed file is unpacked to a temporary file.
        """
        copy = copy_unpacked(file, CHUNK_BYTES) if is_packed(file) else None
        try:
            with _damage_refused():
                parquet_file = _open(Path(copy.name) if copy else file)
                matched = _match(parquet_file, source)
        except BaseException:
            if copy:
                copy.close()
            raise
        return OpenedExtract(matched.undeclared, _read_chunks(parquet_file, matched, copy))


@contextmanager
def _damage_refused() -> Iterator[None]:
    """Refuse the file if Arrow or DuckDB can't read it."""
    import duckdb
    import pyarrow as pa

    try:
        yield
    except MemoryError:
        raise  # says nothing about the file
    except (pa.ArrowException, OSError, UnicodeDecodeError, duckdb.Error) as error:
        reason = str(error).splitlines()[0]
        raise RefusedExtractError(f"the file is not readable as Parquet: {reason}", lines=1) from None


def _open(file: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - len(MAGIC)))
        if size < SMALLEST_FILE or stream.read() != MAGIC:
            raise RefusedExtractError(
                "the file is cut off, or it is not a Parquet file. Ask the sender to send it again."
            )
    text_columns = [field.name for field in pq.read_schema(file) if _is_text(field.type)]
    # A text that is repeated a million times is stored once in the file. As a dictionary it is so in memory, too.
    return pq.ParquetFile(
        file, read_dictionary=text_columns, buffer_size=1 << 20, coerce_int96_timestamp_unit="us", pre_buffer=False
    )


def _is_text(arrow_type: pa.DataType) -> bool:
    import pyarrow.types as types

    checks = (types.is_string, types.is_binary, types.is_large_string, types.is_large_binary)
    return any(check(arrow_type) for check in checks)


def _match(file: pq.ParquetFile, source: Source) -> MatchedColumns:
    """Return the columns of a file, matched with the data contract. Raises RefusedExtractError if they don't fit."""
    names, row_count = file.schema_arrow.names, max(1, file.metadata.num_rows)
    matched = match_columns(source, names)
    if matched.missing:
        raise RefusedExtractError(f"columns missing from the file: {matched.missing}", row_count)
    repeated = [name for name in matched.file_columns if names.count(name) > 1]
    if repeated:
        raise RefusedExtractError(f"the column '{repeated[0]}' occurs twice in the file.", row_count)
    for column in matched.file_columns:
        if _is_nested(file, column) and max(_group_bytes(file, [column]), default=0) > MAX_NESTED_BYTES:
            raise RefusedExtractError(
                f"the lists of the column '{column}' are too long to be read: a row group of the file needs more than"
                f" {MAX_NESTED_BYTES >> 20} MB. Ask the sender for smaller row groups.",
                row_count,
            )
    return matched


def _is_nested(file: pq.ParquetFile, column: str) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(file.schema_arrow.field(column).type))


def _group_bytes(file: pq.ParquetFile, columns: Sequence[str]) -> list[int]:
    """Return an estimate of the memory that columns need, for each row group.

    The estimate is too low for text that repeats, because it is stored once.
    """
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks_by_group = [[group.column(number) for number in range(group.num_columns)] for group in groups]
    return [
        sum(
            max(chunk.total_uncompressed_size, BYTES_PER_VALUE * chunk.num_values)
            for chunk in chunks
            if any(chunk.path_in_schema == c or chunk.path_in_schema.startswith(f"{c}.") for c in columns)
        )
        for chunks in chunks_by_group
    ]


def _rows_per_batch(file: pq.ParquetFile, columns: Sequence[str]) -> int:
    """Return the number of rows that need about CHUNK_BYTES, but at least one and at most CHUNK_ROWS."""
    row_counts = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    widths = [size / max(1, rows) for size, rows in zip(_group_bytes(file, columns), row_counts, strict=True)]
    return max(1, min(CHUNK_ROWS, int(CHUNK_BYTES / max(1, *widths, 1))))


def _read_chunks(file: pq.ParquetFile, matched: MatchedColumns, copy: IO[bytes] | None) -> Iterator[Chunk]:
    """Yield the rows of a file as text. copy: the temporary file to close at the end."""
    import numpy as np
    import pyarrow as pa

    columns, row_count = list(dict.fromkeys(matched.file_columns)), 0
    try:
        batches = file.iter_batches(_rows_per_batch(file, columns), columns=columns, use_threads=False)
        while True:
            with _damage_refused():
                batch = next(batches, None)
                if batch is None:
                    return
                table = pa.table(batch).select(columns)
                table.validate(full=True)  # wrong indices of a damaged file would crash this process
            numbers = np.arange(row_count + 1, row_count + 1 + table.num_rows)
            row_count += table.num_rows
            sizes = _row_sizes(table)
            for start, end in _portions(sizes):
                is_short = sizes[start:end] <= MAX_RECORD_BYTES
                with _damage_refused():
                    texts = _text_table(table.slice(start, end - start).filter(pa.array(is_short)), columns)
                row_numbers = pa.array(numbers[start:end][is_short], pa.int64())
                broken = [BrokenLine(int(number), TOO_LONG, "") for number in numbers[start:end][~is_short]]
                yield Chunk(matched.to_contract(texts).append_column("_row", row_numbers), broken)
    finally:
        file.close()
        if copy:
            copy.close()


def _row_sizes(table: pa.Table) -> np.ndarray:
    """Return about how many bytes of text each row holds. A repeated text counts each time it occurs."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = np.zeros(table.num_rows, "int64")
    for column in table.columns:
        texts = column.combine_chunks()
        if pa.types.is_dictionary(texts.type):
            lengths = pc.binary_length(texts.dictionary).take(texts.indices)
            sizes += pc.fill_null(pc.cast(lengths, pa.int64()), 0).to_numpy(zero_copy_only=False)
        else:
            sizes += texts.nbytes // max(1, len(texts))
    return sizes


def _portions(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield start and end of consecutive rows that hold about CHUNK_BYTES. sizes: the bytes of each row."""
    import numpy as np

    portions = np.cumsum(sizes) // CHUNK_BYTES
    cuts = np.flatnonzero(np.diff(portions)) + 1
    edges = [0, *cuts.tolist(), len(sizes)]
    yield from itertools.pairwise(edges)


def _text_table(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return a table in which each value is the text of itself."""
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
