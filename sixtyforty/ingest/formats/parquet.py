"""The file format Parquet. Each value becomes text, and casting this text to the contract's type gives an equal value.

Times with a time zone become UTC. Lists and structures become JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sixtyforty.ingest.binary_texts import binary_text_sql, digits_sql
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
    empty_rows,
    match_columns,
)
from sixtyforty.ingest.formats.base import ExtractFormat
from sixtyforty.ingest.formats.parquet_times import ExactTimes, find_int96_columns
from sixtyforty.ingest.formats.parquet_types import (
    contract_type_of,
    convert_types,
    find_intervals,
    leaf_columns,
    require_valid,
)
from sixtyforty.spec.file_endings import ENDINGS
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAGIC = b"PAR1"  # the first and the last bytes of every Parquet file
SMALLEST_FILE = 12  # the size of the smallest possible Parquet file, in bytes
BYTES_PER_VALUE = 8  # the estimated least memory of a value, in bytes
MAX_NESTED_BYTES = 1 << 29  # limit of the memory for a row group's lists, as one row may hold all of them
FIXED_BYTES = "BYTES"  # the type of bytes of a fixed number, such as keys and hashes, which are never texts
TOO_LONG = f"the row is longer than {MAX_RECORD_BYTES >> 20} MB"


class Parquet(ExtractFormat):
    """The format Parquet. `_row` is the number of the row in the file, counted from 1."""

    kind = "parquet"
    title = "Parquet"
    endings = ENDINGS["parquet"]
    is_typed = True
    is_bounded = False  # a Parquet file of 2 KB may hold 10 GB, and the sizes that it states may be wrong

    def recognizes(self, head: bytes) -> bool:
        """Return whether the file starts with Parquet's magic bytes."""
        return head.startswith(MAGIC)

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open a Parquet extract. See ExtractFormat.

        A file that is cut off, damaged or lacks columns is refused. A packed file is unpacked to a temporary file.
        """
        copy = copy_unpacked(file, CHUNK_BYTES) if is_packed(file) else None
        path = Path(copy.name) if copy else file
        try:
            with _damage_refused():
                parquet_file = _open(path)
                matched = _match(parquet_file, source)
        except BaseException:
            if copy:
                copy.close()
            raise
        chunks = _read_chunks(parquet_file, path, matched, copy)
        types = {field.name: contract_type_of(field.type) for field in parquet_file.schema_arrow}
        return OpenedExtract(matched.undeclared, chunks, matched.absent, types=types)


@contextmanager
def _damage_refused() -> Iterator[None]:
    """Refuse a Parquet file if Arrow or DuckDB can't read it in the `with` block.

    A lack of memory, or an error of the operating system, says nothing about the file. It is raised as MemoryError or
    OSError, so that the next scan reads the file again.
    """
    import duckdb
    import pyarrow as pa

    try:
        yield
    except MemoryError:
        raise
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(str(error)) from error
    except duckdb.IOException as error:
        raise OSError(str(error)) from error
    except (pa.ArrowNotImplementedError, duckdb.NotImplementedException) as error:
        raise RefusedExtractError(
            f"the file has a column of a type that can't be read: {_first_line(error)}. Ask the sender for a simpler"
            " type, or leave the column out of the data contract.",
            lines=1,
        ) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError, duckdb.Error) as error:
        if isinstance(error, OSError) and error.errno:  # for damaged data, Arrow raises an OSError without errno
            raise
        raise RefusedExtractError(
            f"the file is not readable as Parquet: {_first_line(error)}. Ask the sender to send it again.", lines=1
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _open(file: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - len(MAGIC)))
        if size < SMALLEST_FILE or stream.read() != MAGIC:
            raise RefusedExtractError(
                "the file is cut off, or it is not a Parquet file. Ask the sender to send it again."
            )
    return _open_with(pq.read_metadata(file), file, "us")


def _open_with(metadata: pq.FileMetaData, file: Path, unit: str) -> pq.ParquetFile:
    """Open a Parquet file whose metadata was read already. unit: the time unit in which INT96 timestamps are read."""
    import pyarrow.parquet as pq

    # A file stores a repeated text only once. Arrow's dictionary type stores it only once in memory, too.
    texts = [column.path for column in leaf_columns(metadata) if _is_text(column)]
    return pq.ParquetFile(
        file,
        metadata=metadata,
        read_dictionary=texts,
        buffer_size=1 << 20,
        coerce_int96_timestamp_unit=unit,
        pre_buffer=False,
    )


def _is_text(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL")


def _match(file: pq.ParquetFile, source: Source) -> MatchedColumns:
    """Return the columns of a file, matched with the data contract. Raises RefusedExtractError if they don't fit."""
    names, row_count = file.schema_arrow.names, max(1, file.metadata.num_rows)
    matched = match_columns(source, names)
    if matched.missing:
        raise RefusedExtractError(f"columns missing from the file: {matched.missing}", row_count)
    repeated = [name for name in matched.file_columns if names.count(name) > 1]
    if repeated:
        raise RefusedExtractError(
            f"the column '{repeated[0]}' occurs twice in the file. Ask the sender for unique column names.", row_count
        )
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
    """Estimate, for each row group of a file, how many bytes of memory some columns need.

    The estimate is too low for text that repeats, because it is stored once.
    """
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks_by_group = [[group.column(number) for number in range(group.num_columns)] for group in groups]
    # Values of a fixed length that repeat are stored once in the file, but Arrow holds each of them.
    widths = [max(BYTES_PER_VALUE, leaf.length) for leaf in leaf_columns(file.metadata)]
    return [
        sum(
            max(chunk.total_uncompressed_size, width * chunk.num_values)
            for chunk, width in zip(chunks, widths, strict=True)
            if any(chunk.path_in_schema == c or chunk.path_in_schema.startswith(f"{c}.") for c in columns)
        )
        for chunks in chunks_by_group
    ]


def _rows_per_batch(file: pq.ParquetFile, columns: Sequence[str]) -> int:
    """Return how many rows need about CHUNK_BYTES of memory, but at least one and at most CHUNK_ROWS."""
    row_counts = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    widths = [size / max(1, rows) for size, rows in zip(_group_bytes(file, columns), row_counts, strict=True)]
    return max(1, min(CHUNK_ROWS, int(CHUNK_BYTES / max(1, *widths, 1))))


def _read_chunks(file: pq.ParquetFile, path: Path, matched: MatchedColumns, copy: IO[bytes] | None) -> Iterator[Chunk]:
    """Yield the rows of a Parquet file as text. path: the file's path. copy: a temporary file to close at the end."""
    import pyarrow as pa

    columns, row_count = list(dict.fromkeys(matched.file_columns)), 0
    try:
        rows_per_batch = _rows_per_batch(file, columns)
        batches = file.iter_batches(rows_per_batch, columns=columns, use_threads=False)
        intervals = find_intervals(file.metadata)
        times: ExactTimes | None = None
        if old := find_int96_columns(file.metadata, columns):
            times = ExactTimes(_open_with(file.metadata, path, "ns"), old, rows_per_batch)
        while True:
            with _damage_refused():
                batch = next(batches, None)
                table = pa.table(batch).select(columns) if batch is not None else None
                if table is None:
                    return
                require_valid(table)  # a damaged file may have wrong indices, which would crash this process
                table = convert_types(times.restore_digits(table) if times else table, intervals)
                portions = list(_portions(table))
            for start, part in portions:
                yield _read_portion(part, matched, row_count + start + 1)
            row_count += table.num_rows
    finally:
        file.close()
        if copy:
            copy.close()


def _portions(table: pa.Table, start: int = 0) -> Iterator[tuple[int, pa.Table]]:
    """Cut a table in halves until each part has about CHUNK_BYTES of text, or one row.

    Yield the parts in order, each with the position of its first row. start: the position of the table's first row.
    """
    if table.num_rows < 2 or sum(map(_text_bytes, table.columns)) <= CHUNK_BYTES:
        yield start, table
        return
    half = table.num_rows // 2
    yield from _portions(table.slice(0, half), start)
    yield from _portions(table.slice(half), start + half)


def _text_bytes(array: pa.Array | pa.ChunkedArray) -> int:
    """Estimate how many bytes the texts of a column have. A text that repeats counts each time it occurs."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if isinstance(array, pa.ChunkedArray):
        return sum(map(_text_bytes, array.chunks))
    if types.is_dictionary(array.type):
        if not (types.is_binary(array.type.value_type) or types.is_string(array.type.value_type)):
            return int(array.nbytes)
        lengths = pc.cast(pc.binary_length(array.dictionary), pa.int64())
        return pc.sum(lengths.take(array.indices)).as_py() or 0
    if types.is_struct(array.type):
        return sum(map(_text_bytes, array.flatten()))
    if types.is_map(array.type):
        start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        parts = [part.slice(start, end - start) for part in (array.keys, array.items)]
        return int(array.nbytes) + sum(map(_text_bytes, parts))
    is_list = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    if any(check(array.type) for check in is_list):
        return int(array.nbytes) + _text_bytes(array.flatten())
    return int(array.nbytes)


def _read_portion(table: pa.Table, matched: MatchedColumns, first_row: int) -> Chunk:
    """Return the rows of a table as text. A row that is too long is a broken line.

    So is a row with different values in two columns that are names of one column of the contract.

    first_row: the number of the first row.
    """
    import numpy as np
    import pyarrow as pa

    if table.num_rows == 1 and sum(map(_text_bytes, table.columns)) > MAX_RECORD_BYTES:
        return Chunk(empty_rows(list(matched.names)), [BrokenLine(first_row, TOO_LONG, "")])
    with _damage_refused():
        texts = _text_table(table, table.column_names)
    numbers = np.arange(first_row, first_row + table.num_rows)
    is_sound, broken = np.ones(len(numbers), bool), list[BrokenLine]()
    for reason, has_conflict in matched.find_conflicts(texts):
        broken += [BrokenLine(number, reason, "") for number in numbers[is_sound & has_conflict].tolist()]
        is_sound &= ~has_conflict
    rows = matched.to_contract(texts).append_column("_row", pa.array(numbers, pa.int64()))
    return Chunk(rows.filter(pa.array(is_sound)) if broken else rows, sorted(broken))


def _text_table(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return a table in which the values of some columns are replaced by their texts."""
    import pyarrow as pa

    fixed = [field.name for field in table.schema if pa.types.is_fixed_size_binary(field.type)]

    with connect("UTC", threads=1) as db:  # one query needs one thread; more threads would only take memory
        db.register("stored", table)
        types = dict(row[:2] for row in db.execute("describe stored").fetchall())
        types |= dict.fromkeys(fixed, FIXED_BYTES)
        texts = ", ".join(f"{_text_sql(column, types[column])} as {identifier(column)}" for column in columns)
        text_rows = db.sql(f"select {texts} from stored").to_arrow_table()
    return text_rows.cast(pa.schema([(column, pa.string()) for column in columns]))


def _text_sql(column: str, duckdb_type: str) -> str:
    """Return a SQL expression that converts a column of a DuckDB type to text."""
    quoted = identifier(column)
    if duckdb_type in ("BLOB", FIXED_BYTES):
        return binary_text_sql(quoted) if duckdb_type == "BLOB" else digits_sql(quoted)
    if duckdb_type in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        return f"({quoted} at time zone 'UTC')::varchar"
    if duckdb_type == "TIMESTAMPTZ_NS":  # DuckDB can't convert this type, but writes it as text in UTC
        return f"replace({quoted}::varchar, '+00', '')"
    if duckdb_type.endswith("]") or duckdb_type.startswith(("STRUCT", "MAP", "UNION")):
        return f"to_json({quoted})::varchar"
    return f"{quoted}::varchar"
