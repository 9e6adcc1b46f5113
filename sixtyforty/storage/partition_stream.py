"""Write a sorted stream of rows partition by partition, without holding it in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, groupby
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, TypeVar

from sixtyforty.storage.files import PARALLEL_THREADS, read_ahead

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
SMALL_PARTITION_BYTES = 1 << 24  # a partition of up to this size waits in memory until a thread writes it
WAITING_PARTITIONS = 2 * PARALLEL_THREADS


def write_partitions(
    rows: pa.RecordBatchReader, column: str, write: Callable[[str, pa.Table | pa.RecordBatchReader], T]
) -> dict[str, T]:
    """Call `write` with the key and the rows of each partition. Return what `write` has returned, by partition.

    rows: must be sorted by `column`, which holds the partition keys. The rows of a partition don't have this column.
    write: several threads call it for small partitions, so that they wait for the disk at the same time.
    """
    import pyarrow as pa

    schema = rows.schema.remove(rows.schema.get_field_index(column))
    results: dict[str, Future[T]] = {}
    waiting = BoundedSemaphore(WAITING_PARTITIONS)
    with ThreadPoolExecutor(PARALLEL_THREADS) as pool:
        for partition, parts in groupby(_runs(rows, column), key=lambda run: run[0]):
            tables = (table for _, table in parts)
            head, is_complete = _read_head(tables)
            if is_complete:
                waiting.acquire()
                results[partition] = pool.submit(write, partition, pa.concat_tables(head))
                results[partition].add_done_callback(lambda _: waiting.release())
            else:
                batches = (batch for table in chain(head, tables) for batch in table.to_batches())
                results[partition] = Future()
                results[partition].set_result(write(partition, pa.RecordBatchReader.from_batches(schema, batches)))
    return {partition: result.result() for partition, result in results.items()}


def _runs(rows: pa.RecordBatchReader, column: str) -> Iterator[tuple[str, pa.Table]]:
    """Yield (key, rows) for each run of consecutive rows with the same key. The rows lack the column of the key."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in read_ahead(rows):
        runs = pc.run_end_encode(batch.column(column))
        table = pa.Table.from_batches([batch]).drop_columns([column])
        start = 0
        for end, key in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
            yield key, table.slice(start, end - start)
            start = end


def _read_head(tables: Iterable[pa.Table]) -> tuple[list[pa.Table], bool]:
    """Return a partition's first tables, up to SMALL_PARTITION_BYTES, and whether the partition has no more tables."""
    head: list[pa.Table] = []
    size = 0
    for table in tables:
        head.append(table)
        size += table.nbytes
        if size > SMALL_PARTITION_BYTES:
            return head, False
    return head, True
