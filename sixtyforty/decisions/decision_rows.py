"""Sort decisions that were taken in portions, and merge them with the decisions that a partition already has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from sixtyforty.storage import stored_tables
from sixtyforty.storage.lake import split_by_partition
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.stored_tables import Rows, TableStore, portions
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


def keep_sorted(ws: Workspace, tables: Iterator[pa.Table]) -> dict[str, Rows]:
    """Return decisions by partition, sorted by decision time and id.

    tables: sorted portions, with the column `_partition`. Several portions may hold units of the same partition and
    decision time.
    """
    first = next(tables, None)
    if first is None:
        return {}
    second = next(tables, None)
    if second is None:
        return {**split_by_partition(first, "_partition", first["_partition"].unique().to_pylist())}
    return _sort(ws, chain([first, second], tables), first.schema)


def merge_decisions(ws: Workspace, before: Entry, new: Rows) -> Rows:
    """Return a partition's earlier and new decisions in one table, sorted by decision time and id.

    before: the manifest of the earlier decisions. new: the new decisions.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = ws.lake.local_file(before)
    if before.rows + new.num_rows <= stored_tables.PORTION_ROWS:
        table = pa.concat_tables([pq.read_table(file), new.slice(0, new.num_rows)])
        return table.sort_by([("decided_at", "ascending"), ("decision_id", "ascending")])
    with pq.ParquetFile(file) as taken:
        batches = taken.iter_batches(stored_tables.PORTION_ROWS)
        earlier = (pa.Table.from_batches([batch], new.schema) for batch in batches)
        named = (
            table.append_column("_partition", pa.repeat(pa.scalar(before.partition), table.num_rows))
            for table in chain(earlier, portions(new))
        )
        schema = new.schema.append(pa.field("_partition", pa.string()))
        return _sort(ws, named, schema)[before.partition]


def _sort(ws: Workspace, tables: Iterator[pa.Table], schema: pa.Schema) -> dict[str, Rows]:
    """Sort decisions in DuckDB, which writes to scratch files what doesn't fit into memory."""
    with ws.lake.open_session(ws.use_case.timezone) as db:
        db.register("portion", schema.empty_table())
        db.execute("create temp table decided as from portion")
        for table in tables:
            db.register("portion", table)
            db.execute("insert into decided from portion")
        db.unregister("portion")
        rows = db.sql("from decided order by _partition, decided_at, decision_id")
        reader = rows.to_arrow_reader(stored_tables.PORTION_ROWS).cast(schema)
        return TableStore(ws.lake.scratch).keep_partitions(reader)
