"""Tables of units that may be too large for memory, and portions of such tables.

A `TableStore` keeps small tables in memory, and writes large ones to scratch files. Both kinds have `num_rows`,
`schema` and `slice`, so that a stage works on portions of either kind.
"""

from __future__ import annotations

import secrets
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from sixtyforty.storage.files import access_errors, run_in_parallel
from sixtyforty.storage.partition_stream import write_partitions

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
PORTION_ROWS = 50_000
MEMORY_BYTES = 1 << 26  # a TableStore holds tables of at most this size together in memory

AddedColumns: TypeAlias = "tuple[tuple[str, pa.DataType, Callable[[int, int], pa.Array]], ...]"


@dataclass(frozen=True)
class StoredTable:
    """A table in a Parquet file. Only the row groups that are read are in memory.

    added: further columns at the end, each with its name, its type and a function that returns its values. The
    arguments of the function are the position of the first row, and the number of rows.
    """

    path: Path
    added: AddedColumns = ()

    @cached_property
    def _group_ends(self) -> list[int]:
        """For each row group, the row position in the table at which it ends."""
        import pyarrow.parquet as pq

        metadata = pq.read_metadata(self.path)
        return list(accumulate(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)))

    @cached_property
    def num_rows(self) -> int:
        """The number of rows of the stored table."""
        return self._group_ends[-1] if self._group_ends else 0

    @cached_property
    def schema(self) -> pa.Schema:
        """The names and types of the table's columns, including the added columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pq.read_schema(self.path)
        for name, column_type, _ in self.added:
            schema = schema.append(pa.field(name, column_type))
        return schema

    def slice(self, start: int, count: int) -> pa.Table:
        """Read some rows of the table, at most up to its end. start: the position of the first row."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        count = min(count, self.num_rows - start)
        first = bisect_right(self._group_ends, start)
        last = bisect_left(self._group_ends, start + count)
        with pq.ParquetFile(self.path) as file:
            before = self._group_ends[first - 1] if first else 0
            rows = file.read_row_groups(list(range(first, last + 1)) if count > 0 else []).slice(start - before, count)
        for name, column_type, read in self.added:
            rows = rows.append_column(pa.field(name, column_type), read(start, count))
        return rows

    def with_column(self, name: str, column_type: pa.DataType, read: Callable[[int, int], pa.Array]) -> StoredTable:
        """Return this table with one more column at the end. read: reads the column's values; see `added`."""
        return replace(self, added=(*self.added, (name, column_type, read)))


Rows: TypeAlias = "pa.Table | StoredTable"


def with_column(rows: Rows, name: str, column_type: pa.DataType, read: Callable[[int, int], pa.Array]) -> Rows:
    """Return a table with one more column at the end. read: reads the column's values; see `StoredTable.added`."""
    import pyarrow as pa

    if isinstance(rows, StoredTable):
        return rows.with_column(name, column_type, read)
    return rows.append_column(pa.field(name, column_type), read(0, rows.num_rows))


def portions(rows: Rows, start: int = 0, count: int | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a table as tables of PORTION_ROWS rows; the last may have fewer.

    Without rows, one empty table is yielded.

    start, count: the position of the first row and the number of rows. By default, all rows are yielded.
    """
    end = rows.num_rows if count is None else start + count
    for first in range(start, max(end, start + 1), PORTION_ROWS):
        yield rows.slice(first, min(PORTION_ROWS, end - first))


def pool(tables: Mapping[str, Rows]) -> Iterator[pa.Table]:
    """Yield the rows of several partitions as tables of at most PORTION_ROWS rows, with the column `_partition`.

    Small partitions share a table. The partitions must have equal columns.
    """
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for partition, rows in tables.items():
        for portion in portions(rows):
            named = portion.append_column("_partition", pa.repeat(pa.scalar(partition), portion.num_rows))
            if waiting and sum(table.num_rows for table in waiting) + named.num_rows > PORTION_ROWS:
                yield pa.concat_tables(waiting)
                waiting = []
            waiting.append(named)
    if waiting:
        yield pa.concat_tables(waiting)


def to_reader(rows: Rows) -> pa.RecordBatchReader:
    """Return a table as a stream of Arrow record batches."""
    import pyarrow as pa

    batches = (batch for portion in portions(rows) for batch in portion.to_batches())
    return pa.RecordBatchReader.from_batches(rows.schema, batches)


def run_for_tables(work: Callable[[str], T], tables: Mapping[str, Rows]) -> dict[str, T]:
    """Apply `work` to the name of each table, and return the results by name, in the order of the tables.

    `work` is applied to tables in memory in parallel, and to other tables one after the other.
    """
    in_memory = [name for name, rows in tables.items() if not isinstance(rows, StoredTable)]
    results = dict(zip(in_memory, run_in_parallel(work, in_memory), strict=True))
    return {name: results[name] if name in results else work(name) for name in tables}


class TableStore:
    """Stores tables until the process ends: up to MEMORY_BYTES in memory, and further tables in scratch files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._free = MEMORY_BYTES
        self._lock = threading.Lock()

    def keep(self, rows: pa.Table | pa.RecordBatchReader) -> Rows:
        """Store a table, or a stream of record batches, and return the stored table."""
        import pyarrow as pa

        if isinstance(rows, pa.Table):
            with self._lock:
                self._free -= rows.nbytes
                if self._free >= 0:
                    return rows
        return self._write(rows)

    def open(self, file: Path) -> Rows:
        """Return the rows of a Parquet file: in memory if there is room, otherwise as a StoredTable of this file."""
        import pyarrow.parquet as pq

        table = StoredTable(file)
        if table.num_rows > PORTION_ROWS or self._free <= 0:
            return table
        rows = pq.read_table(file)
        with self._lock:
            self._free -= rows.nbytes
        return rows

    def keep_partitions(self, rows: pa.RecordBatchReader) -> dict[str, Rows]:
        """Store rows as one table for each partition, and return the tables by partition.

        The rows must be sorted by the column `_partition`, which is left out. Partitions without rows are absent.
        """
        return write_partitions(rows, "_partition", lambda _, part: self.keep(part))

    def _write(self, rows: pa.Table | pa.RecordBatchReader) -> StoredTable:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._scratch / f"{secrets.token_hex(8)}.parquet"
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        with (
            access_errors(path),
            pq.ParquetWriter(path, rows.schema, compression="lz4", write_statistics=False) as file,
        ):
            for portion in cut(batches, rows.schema):
                file.write_table(portion, row_group_size=PORTION_ROWS)
        return StoredTable(path)


def cut(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of record batches as tables of PORTION_ROWS rows; the last may have fewer. No rows: no table."""
    import pyarrow as pa

    waiting, count = [], 0
    for batch in batches:
        while batch.num_rows:
            part = batch.slice(0, PORTION_ROWS - count)
            waiting.append(part)
            count, batch = count + part.num_rows, batch.slice(part.num_rows)
            if count == PORTION_ROWS:
                yield pa.Table.from_batches(waiting, schema)
                waiting, count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema)
