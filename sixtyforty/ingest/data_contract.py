"""The data contract at work: from text rows to typed ones, each bad row with its reason.

The lines kept in `raw` carry `_extract` (the file), `_row` (the line in it), `_seq` (order of arrival) and
`_broken` (why the line isn't a row: then `_text` holds it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixtyforty.ingest.extract import Reading
from sixtyforty.ingest.extract_reader import promised
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import split

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LINEAGE = ("_extract", "_row")


def raw_schema(source: Source) -> pa.Schema:
    """Columns of a raw partition."""
    import pyarrow as pa

    columns = [*source.columns, "_row", "_broken", "_text", "_extract", "_seq"]
    return pa.schema([(c, pa.int64() if c in ("_row", "_seq") else pa.string()) for c in columns])


def cleaned(source: Source) -> str:
    """SELECT list of a source's text columns, trimmed, with NULL for what stands for nothing."""
    return ", ".join(f"nullif(nullif(trim(\"{c}\"), ''), '{source.null_text}') as \"{c}\"" for c in source.columns)


def typed(source: Source) -> str:
    """SELECT list that casts cleaned columns to their contract types; what doesn't fit becomes NULL."""
    return ", ".join(f'{_cast(c, kind)} as "{c}"' for c, kind in source.columns.items())


def _cast(column: str, kind: str) -> str:
    text, kind = f'"{column}"', kind.upper()
    if kind in ("DOUBLE", "FLOAT"):  # "nan" would pass every range
        return f"nullif(try_cast({text} as {kind}), 'nan')"
    if kind == "TIMESTAMP":  # with an offset, which a plain cast would drop: rare and slow, so looked for first
        plain = f"strlen({text}) = 19 and {text}[17] = ':'"
        return f"case when {plain} then try_cast({text} as timestamp) else {_moment(text)} end"
    return text if kind == "VARCHAR" else f"try_cast({text} as {kind})"


def _moment(text: str) -> str:
    return f"(try_cast({text} as timestamptz) at time zone 'UTC')"


def miscast(source: Source) -> str:
    """SQL text: which cleaned columns of a row don't fit their type, or NULL. It names columns, never values."""
    checks = [
        f"case when \"{c}\" is not null and {_cast(c, kind)} is null then '{c} is not {kind.upper()}' end"
        for c, kind in source.columns.items()
        if kind.upper() != "VARCHAR"
    ]
    return f"nullif(concat_ws('; ', {', '.join(checks)}), '')" if checks else "null"


def placed(extracts: Sequence[tuple[str, Reading]], use_case: UseCase, source: str) -> list[dict[str, pa.Table]]:
    """Each extract's lines by partition, all columns text. extracts: a file's name, and what was read of it.

    A line whose partition can't be told from its content goes with the line before it, the first ones where the
    file's name says, else to the first partition the file has: it will be quarantined there, not lost.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = [reading.table for _, reading in extracts if reading.table is not None]
    if not tables:
        return [{} for _ in extracts]
    contract, whole = use_case.sources[source], pa.concat_tables(tables)
    where = use_case.key_sql(contract.partition) if contract.partition else f"'{SNAPSHOT}'"
    found: list[dict[str, pa.Table]] = []
    with connect(use_case.timezone) as db:
        db.register("lines", whole.append_column("_n", pa.array(np.arange(whole.num_rows))))
        # one query for all of them: for one small file it takes as long as for a hundred
        told = db.sql(
            f"""select try({where}) as _day from (select {typed(contract)}, _n from
            (select {cleaned(contract)}, _n from lines)) order by _n"""
        ).to_arrow_table()["_day"]
        start = 0
        for name, reading in extracts:
            if reading.table is None:
                found.append({})
                continue
            days = told.slice(start, reading.table.num_rows)
            start += reading.table.num_rows
            fit = {d for d in pc.unique(days).to_pylist() if _inside(d, use_case)}
            found.append(_cut(db, use_case, contract, name, reading, days, fit))
    return found


def _inside(day: str | None, use_case: UseCase) -> bool:
    first, last = use_case.limits
    return day is not None and (first <= day <= last or day == SNAPSHOT)


def _cut(
    db: duckdb.DuckDBPyConnection,
    use_case: UseCase,
    contract: Source,
    name: str,
    reading: Reading,
    days: pa.ChunkedArray,
    fit: set[str],
) -> dict[str, pa.Table]:
    """An extract's lines by partition; `days`: what each line's is, if that can be told, and those that are ours."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = reading.table
    assert table is not None
    if not reading.broken and pc.all(pc.is_in(days, pa.array(fit, pa.string()))).as_py() is not False:  # most: sound
        nothing = pa.nulls(table.num_rows, pa.string())
        sound = table.append_column("_broken", nothing).append_column("_text", nothing)
        if len(fit) < 2:
            return dict.fromkeys(fit, sound)
        order = [("_partition", "ascending"), ("_row", "ascending")]
        return split(sound.append_column("_partition", days).sort_by(order), "_partition", sorted(fit))
    numbers, why, texts = zip(*reading.broken, strict=True) if reading.broken else ((), (), ())
    broken = {"_row": pa.array(numbers, pa.int64())} | {
        c: pa.array(v, pa.string()) for c, v in (("_broken", why), ("_text", texts))
    }
    first, last = use_case.limits
    home = next((d for d in [*promised(name, use_case), *sorted(fit)] if first <= d <= last), first)
    db.register("rows_read", table)
    db.register("lines_broken", pa.table(broken))
    db.register("dated", pa.table({"_line": table["_row"], "_day": days}))
    inside = f"(_day between '{first}' and '{last}' or _day = '{SNAPSHOT}')"
    columns = ", ".join(f'"{c}"' for c in contract.columns)
    cut = db.sql(
        f"""with lines as (
            select {columns}, _row, case when _day is null then 'its day can''t be told'
                when not {inside} then 'its date ' || _day || ' is outside the use case''s partitions' end
                as _broken, null::varchar as _text
            from rows_read join dated on _line = _row
            union all by name select * from lines_broken)
        select coalesce(_day, $home) as _partition, lines.*
        from lines asof left join (select * from dated where {inside}) d on _line <= _row
        order by _partition, _row""",
        params={"home": home if contract.partition else SNAPSHOT},
    ).to_arrow_table()
    return split(cut, "_partition", sorted(set(cut["_partition"].to_pylist())))


def type_rows(db: duckdb.DuckDBPyConnection, contract: Source) -> None:
    """From the view `landed` (raw partitions, with `_partition`) makes the table `typed`.

    Columns: the contract's, typed; lineage; `_partition`; `_reason` (why a row is quarantined, or NULL) and
    `_fate`: `row`, `duplicate` (all columns equal an earlier row), `superseded` (a later extract has its key, with
    other values) or `quarantined` (broken, or a type doesn't fit). Of a correction taken back, the first row counts
    again. One key twice in a single extract is left for the rules.
    """
    everything = ", ".join(f'"{c}"' for c in contract.columns)
    key = ", ".join(f'"{c}"' for c in contract.key)
    db.execute(
        f"""create or replace temp table typed as
        with cleaned as (  -- apart: text that is cleaned where it is cast is planned many times over
            select {cleaned(contract)}, _extract, _row, _seq, _partition, _broken from landed),
        cast_rows as (
            select {typed(contract)}, _extract, _row, _seq, _partition,
                nullif(concat_ws('; ', _broken, {miscast(contract)}), '') as _reason
            from cleaned),
        shared as (  -- only rows that share a key can be copies of one another: few, so the rest stays cheap
            select *, count(*) over (partition by _partition, {key}) > 1 as contested from cast_rows),
        copies as (
            select *, row_number() over (same order by _seq, _row) as copy, max(_seq) over same as said_seq
            from shared where contested
            window same as (partition by _partition, _reason is null, {everything})
            union all select *, 1, _seq from shared where not contested),
        latest as (
            select *, max(_seq) filter (_reason is null)
                over (partition by _partition, {key}) as last_seq from copies where contested
            union all select *, _seq from copies where not contested)
        select * exclude (contested, copy, said_seq, last_seq), case
            when _reason is not null then 'quarantined'
            when copy > 1 then 'duplicate'
            when said_seq < last_seq then 'superseded'
            else 'row' end as _fate
        from latest order by _partition, _seq, _row"""
    )
