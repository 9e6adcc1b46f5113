"""Parquet files whose row groups have a bounded size, and whose bytes depend only on the rows.

A writer holds one row group in memory, so a file of any length is written with bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import IO, TYPE_CHECKING, Any

from sixtyforty.storage.files import read_ahead

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 1 << 17
GROUP_TEXT_BYTES = 1 << 25
SMALL_GROUP_ROWS = 1 << 15  # in a smaller first row group, counting distinct values doesn't pay
PAGE_ROWS = 1 << 10
BUFFER_BYTES = 1 << 18
PAGE_BYTES = 1 << 20
MOST_REPEATED = 0.5  # the largest share of distinct values with which a column has a dictionary


def write_parquet(file: IO[bytes] | RawIOBase, rows: pa.RecordBatchReader) -> int:
    """Write rows as a Parquet file, and return the number of rows. The sizes of the batches don't change the bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    groups = row_groups(rows, rows.schema)
    first = next(groups)
    if first.num_rows >= SMALL_GROUP_ROWS:  # a thread for each of many small files would cost more than it saves
        groups = read_ahead(groups)
    # lz4 takes half the time of zstd and gives 20% larger files. No reader of the lake uses the statistics.
    options = {
        "compression": "lz4",
        "write_statistics": False,
        "use_dictionary": _dictionary_columns(first),
        "write_batch_size": _rows_per_page(first),
    }
    group: pa.Table | None = first
    count = 0
    # The buffer saves a call into Python for each page of each column.
    stream = pa.BufferedOutputStream(pa.PythonFile(file, "w"), BUFFER_BYTES)
    with pq.ParquetWriter(stream, rows.schema, **options) as writer:
        while group is not None:
            writer.write_table(group)
            count += group.num_rows
            _release_memory(group)
            group = next(groups, None)
    stream.detach()  # writes the rest of the buffer; closing it would close the file, too
    return count


def _release_memory(rows: pa.Table) -> None:
    """Return memory that Arrow no longer uses to the system, if rows are large. Arrow would hold it for later rows."""
    import pyarrow as pa

    if rows.nbytes > GROUP_TEXT_BYTES // 4:
        pa.default_memory_pool().release_unused()


def _dictionary_columns(group: pa.Table) -> list[str] | bool:
    """Return the columns that are written with a dictionary of their values; True for all columns.

    A dictionary makes a file smaller if values repeat. A column of keys or times takes three times as long to write
    with one, and becomes larger.

    group: the first row group of the file, so that the answer depends on the rows alone.
    """
    import pyarrow as pa

    if group.num_rows < SMALL_GROUP_ROWS or any(pa.types.is_nested(field.type) for field in group.schema):
        return True
    return [name for name, values in zip(group.column_names, group.columns, strict=True) if _do_repeat(values)]


def _rows_per_page(group: pa.Table) -> int:
    """Return how many rows the writer adds to a page before it looks at the size of the page.

    With long texts, a page of 1024 rows would be as large as the row group, and the writer copies it four times.
    group: see `_dictionary_columns`.
    """
    if PAGE_ROWS * group.nbytes <= PAGE_BYTES * group.num_rows:  # true for nearly all files, and much faster to check
        return PAGE_ROWS
    return max(1, min(PAGE_ROWS, PAGE_BYTES * group.num_rows // max(1, _text_bytes(group))))


def _do_repeat(values: pa.ChunkedArray) -> bool:
    """Return whether at most the share MOST_REPEATED of values is distinct, or the distinct values can't be counted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return bool(pc.count_distinct(values).as_py() <= MOST_REPEATED * len(values))
    except pa.ArrowNotImplementedError:  # such as values that have a dictionary already
        return True


def row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows as Arrow tables, each of which becomes one row group of a Parquet file. A table has one chunk.

    A row group has at most GROUP_ROWS rows, and texts of at most GROUP_TEXT_BYTES bytes, but at least one row. Without
    rows, there is one empty group.
    """
    import pyarrow as pa

    group = _Group(schema)
    is_first = True
    for batch in batches:
        rest = pa.Table.from_batches([batch], schema)
        while rest.num_rows:
            fitting = group.count_fitting(rest)
            if not fitting and group.row_count:
                yield group.combine()
                group, is_first = _Group(schema), False
                continue
            part = rest.slice(0, max(1, fitting))
            group.add(part)
            rest = rest.slice(part.num_rows)
    if group.row_count or is_first:
        yield group.combine()


class _Group:
    """The rows collected for one row group of a Parquet file.

    The bytes of the texts are counted only if the Arrow buffers of the rows are larger than a row group may be.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.row_count = 0
        self._schema = schema
        self._parts: list[pa.Table] = []
        self._counted, self._text_bytes = 0, 0  # how many parts have counted texts, and the bytes of these texts
        self._most_bytes = 0  # an upper limit of the bytes of all texts in the row group

    def count_fitting(self, rows: pa.Table) -> int:
        """Return how many of the rows, counted from the first one, still fit into the row group."""
        rows = rows.slice(0, GROUP_ROWS - self.row_count)
        if self._most_bytes + rows.nbytes <= GROUP_TEXT_BYTES:  # quick to check, and true for nearly all rows
            return int(rows.num_rows)
        self._text_bytes += sum(map(_text_bytes, self._parts[self._counted :]))
        self._counted, self._most_bytes = len(self._parts), self._text_bytes
        return _count_fitting(rows, GROUP_TEXT_BYTES - self._most_bytes)

    def add(self, rows: pa.Table) -> None:
        """Add rows to the end of this row group."""
        self._parts.append(rows)
        self.row_count += rows.num_rows
        self._most_bytes += rows.nbytes

    def combine(self) -> pa.Table:
        """Return the rows of the row group as an Arrow table of one chunk."""
        import pyarrow as pa

        if not self._parts:
            return self._schema.empty_table()
        return pa.concat_tables(self._parts).combine_chunks()


def _count_fitting(rows: pa.Table, room: int) -> int:
    """Return how many rows, counted from the first one, have texts of at most `room` bytes together."""
    import numpy as np

    if (
        rows.nbytes <= room
    ):  # the texts fit if all Arrow buffers fit, which is quick to check and true for nearly all rows
        return int(rows.num_rows)
    totals = np.zeros(rows.num_rows, "int64")
    for lengths in _text_lengths(rows):
        totals += lengths.fill_null(0).to_numpy()
    return int(np.searchsorted(totals.cumsum(), room, side="right"))


def _text_bytes(rows: pa.Table) -> int:
    import pyarrow.compute as pc

    return sum(pc.sum(lengths).as_py() or 0 for lengths in _text_lengths(rows))


def _text_lengths(rows: pa.Table) -> Iterator[Any]:
    """Yield, for each column of texts or bytes, the length of each value in bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text_types = (pa.string(), pa.binary(), pa.large_string(), pa.large_binary())
    for column in rows.columns:
        if column.type in text_types:
            yield pc.binary_length(column).cast(pa.int64())
