"""Assign an extract's lines to partitions, chunk by chunk. The lines stay text.

Some lines have no usable partition: the line can't be read as a row, its date can't be read, or its date is outside the
partitions of the use case. Such lines are assigned to the first partition in the file name, or otherwise to the
earliest partition of the extract. They are quarantined there, so they are counted and not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import select_typed
from sixtyforty.ingest.extract import BrokenLine, Chunk
from sixtyforty.ingest.file_names import partitions_in_name
from sixtyforty.ingest.staged_lines import StagedLines
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

UNASSIGNED = ""  # stands for the partition of unusable lines until the extract's earliest partition is known
LONGEST_LEAD = timedelta(days=366)  # a row whose date is longer after the extract's arrival is unusable


class ExtractPartitions:
    """Collects the lines of one extract by partition. Chunks are added in the order of the file.

    - name: the name of the file.
    - seen_at: the UTC time at which the extract arrived, in ISO format; empty if it isn't known.
    - limits: the first and the last partition that the extract may have rows of.
    - fallback: the partition of unusable lines, which the file name shows; UNASSIGNED if the name shows none.

    For a snapshot, `limits` and `fallback` name the partition SNAPSHOT.
    """

    def __init__(self, name: str, use_case: DecisionChain, source: str, lines: StagedLines, seen_at: str = "") -> None:
        self.lines, self.limits, self.fallback = lines, (SNAPSHOT, SNAPSHOT), SNAPSHOT
        if use_case.sources[source].partition:
            first, last = use_case.limits
            if seen_at and use_case.partitions.end is None:
                last = use_case.partition_at(datetime.fromisoformat(seen_at) + LONGEST_LEAD)
            self.limits = (first, last)
            in_name = (key for key in partitions_in_name(name, use_case) if self.is_inside(key))
            self.fallback = next(in_name, UNASSIGNED)

    def is_inside(self, partition: str) -> bool:
        """Return whether a partition is within the extract's `limits`. Rows of other partitions are unusable."""
        first, last = self.limits
        # Only partition keys of equal length sort in the order of time. A year of five digits sorts too early.
        return len(partition) == len(first) and first <= partition <= last

    def finish(self) -> None:
        """Assign unusable lines without a partition to the extract's earliest partition, after all chunks are added."""
        known = [partition for partition in self.lines.counts if partition != UNASSIGNED]
        self.lines.move_first(UNASSIGNED, min(known, default=self.limits[0]))


def add_chunks(
    chunks: Sequence[tuple[ExtractPartitions, Chunk]], use_case: DecisionChain, source: str, lake: Lake
) -> None:
    """Add the lines of chunks to the partitions of their extracts.

    chunks: the chunks of one or several extracts, those of one extract in the order of the file. One query serves all
    of them, because a query for one small file takes as long as a query for a hundred.
    """
    import pyarrow as pa

    contract = use_case.sources[source]
    with lake.open_session(use_case.timezone) as db:
        keys = partition_keys(db, use_case, contract, pa.concat_tables([chunk.rows for _, chunk in chunks]))
        start = 0
        for extract, chunk in chunks:
            chunk_keys = keys.slice(start, chunk.rows.num_rows)
            start += chunk.rows.num_rows
            _add_chunk(db, contract, extract, chunk, chunk_keys)


def partition_columns(use_case: DecisionChain, contract: Source) -> list[str]:
    """Return the columns that a row's partition may depend on: those that the SQL of the partition key names.

    Without a column in the SQL, all columns are returned. DuckDB takes as long to plan the casts of all columns as to
    run those of a few.
    """
    expression = _key_sql(use_case, contract).lower()
    read = [c for c in contract.columns if c.lower() in expression or identifier(c).lower() in expression]
    return read or list(contract.columns)


def partition_keys(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, contract: Source, lines: pa.Table
) -> pa.ChunkedArray:
    """Return the partition key of each line, in the order of the lines; null if the line has no readable date.

    lines: a table with at least the `partition_columns`, as text.
    """
    import numpy as np
    import pyarrow as pa

    read = partition_columns(use_case, contract)
    positions = np.arange(lines.num_rows)
    db.register("lines", lines.select(read).append_column("_position", pa.array(positions)))
    typed = select_typed(contract, read, "lines", ["_position"])
    keys = db.sql(f"select try({_key_sql(use_case, contract)}) as _key, _position from ({typed})").to_arrow_table()
    # DuckDB usually returns the lines in their order. A check of the positions is much faster than a sort by position.
    if not np.array_equal(keys["_position"].to_numpy(), positions):
        keys = keys.sort_by("_position")
    return keys["_key"]


def _key_sql(use_case: DecisionChain, contract: Source) -> str:
    return use_case.partition_sql(contract.partition) if contract.partition else literal(SNAPSHOT)


def _add_chunk(
    db: duckdb.DuckDBPyConnection,
    contract: Source,
    extract: ExtractPartitions,
    chunk: Chunk,
    keys: pa.ChunkedArray,
) -> None:
    """Add a chunk's lines to the partitions of its extract. keys: the partition key of each row, or null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    partitions = sorted(key for key in pc.unique(keys).to_pylist() if key is not None and extract.is_inside(key))
    inside = pc.is_in(keys, pa.array(partitions, pa.string()))
    if not chunk.broken and pc.all(inside).as_py() is not False:  # a fast way for chunks without unusable lines
        lines_by_partition = _split_sound_rows(chunk.rows, keys, partitions)
    else:
        db.register("sound_rows", chunk.rows)
        db.register("broken_lines", _broken_table(chunk.broken))
        db.register("keyed", pa.table({"_line": chunk.rows["_row"], "_key": keys, "_is_inside": inside}))
        lines_by_partition = _split_all_lines(db, contract, extract)
    extract.lines.append(lines_by_partition)


def _split_sound_rows(table: pa.Table, keys: pa.ChunkedArray, partitions: list[str]) -> dict[str, pa.Table]:
    import pyarrow as pa

    nulls = pa.nulls(table.num_rows, pa.string())
    rows = table.append_column("_broken", nulls).append_column("_text", nulls)
    if len(partitions) < 2:
        return dict.fromkeys(partitions, rows)
    order = [("_partition", "ascending"), ("_row", "ascending")]
    return split_by_partition(rows.append_column("_partition", keys).sort_by(order), "_partition", partitions)


def _broken_table(lines: Sequence[BrokenLine]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "_row": pa.array([line.number for line in lines], pa.int64()),
            "_broken": pa.array([line.reason for line in lines], pa.string()),
            "_text": pa.array([line.text for line in lines], pa.string()),
        }
    )


def _split_all_lines(
    db: duckdb.DuckDBPyConnection, contract: Source, extract: ExtractPartitions
) -> dict[str, pa.Table]:
    """Return all lines of a chunk by partition. An unusable line is included, with the reason in `_broken`.

    The tables `sound_rows`, `broken_lines` and `keyed` must be registered in `db`.
    """
    place = "file name" if extract.fallback else "extract"
    counted = f": the line counts in the earliest partition of the {place}"
    undated = literal(f"the line has no readable date, so its partition is unknown{counted}")
    outside = literal(f" is outside the partitions of the use case{counted}")
    lines = db.sql(
        f"""with lines as (
            select {identifiers(contract.columns)}, _row, case when _is_inside then _key end as _key, case
                when _key is null then {undated}
                when not _is_inside then 'the date ' || _key || {outside}
                end as _broken, null::varchar as _text
            from sound_rows join keyed on _line = _row
            union all by name select * from broken_lines)
        select coalesce(_key, $fallback) as _partition, lines.* exclude (_key) from lines order by _partition, _row""",
        params={"fallback": extract.fallback},
    ).to_arrow_table()
    return split_by_partition(lines, "_partition", sorted(set(lines["_partition"].to_pylist())))
