"""Assignment of an extract's lines to partitions. The lines stay text.

If a line has no usable partition, for example because its date can't be read, it is assigned to the partition of the
line before it. If no earlier line has a partition, the line is assigned to the first partition in the file name, or
otherwise to the earliest partition of the extract. It is quarantined there, so it is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import cleaned_columns_sql, typed_columns_sql
from sixtyforty.ingest.extract import ParsedExtract
from sixtyforty.ingest.file_names import partitions_in_name
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake, split_by_partition
from sixtyforty.storage.sql import identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def partition_lines(
    extracts: Sequence[tuple[str, ParsedExtract]], use_case: DecisionChain, source: str, lake: Lake
) -> list[dict[str, pa.Table]]:
    """Return the lines of each extract by partition, in the order of the extracts. All columns are text.

    extracts: (file name, parsed content) of each extract. One query serves all extracts, because a query for one small
    file takes as long as a query for a hundred.
    """
    import pyarrow as pa

    tables = [parsed.table for _, parsed in extracts if parsed.table is not None]
    if not tables:
        return [{} for _ in extracts]
    contract = use_case.sources[source]
    lines_by_extract: list[dict[str, pa.Table]] = []
    with lake.open_session(use_case.timezone) as db:
        keys = _partition_keys(db, use_case, contract, pa.concat_tables(tables))
        start = 0
        for name, parsed in extracts:
            if parsed.table is None:
                lines_by_extract.append({})
                continue
            extract_keys = keys.slice(start, parsed.table.num_rows)
            start += parsed.table.num_rows
            lines_by_extract.append(_partition_extract(db, use_case, contract, name, parsed, extract_keys))
    return lines_by_extract


def _partition_keys(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, contract: Source, lines: pa.Table
) -> pa.ChunkedArray:
    """Return the partition key of each line, in the order of the lines; null if the line has no readable date."""
    import numpy as np
    import pyarrow as pa

    key = use_case.partition_sql(contract.partition) if contract.partition else literal(SNAPSHOT)
    db.register("lines", lines.append_column("_position", pa.array(np.arange(lines.num_rows))))
    return db.sql(
        f"""select try({key}) as _key from (select {typed_columns_sql(contract)}, _position from
        (select {cleaned_columns_sql(contract)}, _position from lines)) order by _position"""
    ).to_arrow_table()["_key"]


def _partition_extract(
    db: duckdb.DuckDBPyConnection,
    use_case: DecisionChain,
    contract: Source,
    name: str,
    parsed: ParsedExtract,
    keys: pa.ChunkedArray,
) -> dict[str, pa.Table]:
    """Return the lines of one extract by partition.

    name: the file name. keys: the partition key of each row of the extract, in the order of the rows, or null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = parsed.table
    assert table is not None
    partitions = sorted(key for key in pc.unique(keys).to_pylist() if _is_inside(key, use_case))
    all_inside = pc.all(pc.is_in(keys, pa.array(partitions, pa.string()))).as_py() is not False
    if not parsed.broken and all_inside:  # the fast path, for nearly every extract
        return _split_sound_rows(table, keys, partitions)
    first, last = use_case.limits
    candidates = [*partitions_in_name(name, use_case), *partitions]
    fallback = next((key for key in candidates if first <= key <= last), first) if contract.partition else SNAPSHOT
    db.register("sound_rows", table)
    db.register("broken_lines", _broken_table(parsed))
    db.register("keyed", pa.table({"_line": table["_row"], "_key": keys}))
    return _split_all_lines(db, use_case, contract, fallback)


def _is_inside(key: str | None, use_case: DecisionChain) -> bool:
    first, last = use_case.limits
    return key is not None and (first <= key <= last or key == SNAPSHOT)


def _split_sound_rows(table: pa.Table, keys: pa.ChunkedArray, partitions: list[str]) -> dict[str, pa.Table]:
    import pyarrow as pa

    nulls = pa.nulls(table.num_rows, pa.string())
    rows = table.append_column("_broken", nulls).append_column("_text", nulls)
    if len(partitions) < 2:
        return dict.fromkeys(partitions, rows)
    order = [("_partition", "ascending"), ("_row", "ascending")]
    return split_by_partition(rows.append_column("_partition", keys).sort_by(order), "_partition", partitions)


def _broken_table(parsed: ParsedExtract) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "_row": pa.array([line.number for line in parsed.broken], pa.int64()),
            "_broken": pa.array([line.reason for line in parsed.broken], pa.string()),
            "_text": pa.array([line.text for line in parsed.broken], pa.string()),
        }
    )


def _split_all_lines(
    db: duckdb.DuckDBPyConnection, use_case: DecisionChain, contract: Source, fallback: str
) -> dict[str, pa.Table]:
    """Return the lines by partition, including broken lines.

    A line without a usable key gets the partition of the line before it. Lines before the first usable key get the
    partition `fallback`. The tables `sound_rows`, `broken_lines` and `keyed` must be registered in `db`.
    """
    first, last = use_case.limits
    is_inside = f"(_key between {literal(first)} and {literal(last)} or _key = {literal(SNAPSHOT)})"
    lines = db.sql(
        f"""with lines as (
            select {identifiers(contract.columns)}, _row, case
                when _key is null then 'the line has no readable date, so its partition is unknown'
                when not {is_inside} then 'the date ' || _key || ' is outside the partitions of the use case'
                end as _broken, null::varchar as _text
            from sound_rows join keyed on _line = _row
            union all by name select * from broken_lines)
        select coalesce(_key, $fallback) as _partition, lines.*
        from lines asof left join (select * from keyed where {is_inside}) k on _line <= _row
        order by _partition, _row""",
        params={"fallback": fallback},
    ).to_arrow_table()
    return split_by_partition(lines, "_partition", sorted(set(lines["_partition"].to_pylist())))
