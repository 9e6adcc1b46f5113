"""The data contract at work: from text rows to typed ones, each bad row with its reason.

The lines kept in `raw` carry `_extract` (the file), `_row` (the line in it), `_seq` (order of arrival) and
`_broken` (why the line isn't a row: then `_text` holds it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sixtyforty.duck import connect
from sixtyforty.extracts import promised
from sixtyforty.lake import split
from sixtyforty.partitions import SNAPSHOT
from sixtyforty.reading import Reading
from sixtyforty.sources import Source
from sixtyforty.use_case import UseCase

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
    return ", ".join(f"nullif(nullif(trim(\"{c}\"), ''), '{source.null}') as \"{c}\"" for c in source.columns)


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


def placed(reading: Reading, use_case: UseCase, source: str, name: str) -> dict[str, pa.Table]:
    """An extract's lines by partition, all columns text.

    A line whose partition can't be told from its content goes with the line before it, the first ones where the
    file's name says, else to the first partition the file has: it will be quarantined there, not lost.
    """
    import pyarrow as pa

    contract = use_case.sources[source]
    table = reading.table
    if table is None:
        return {}
    lines = pa.table(
        {
            "_row": [n for n, _, _ in reading.broken],
            "_broken": [why for _, why, _ in reading.broken],
            "_text": [text for _, _, text in reading.broken],
        },
        schema=pa.schema([("_row", pa.int64()), ("_broken", pa.string()), ("_text", pa.string())]),
    )
    where = use_case.key_sql(contract.partition) if contract.partition else f"'{SNAPSHOT}'"
    first, last = use_case.limits
    with connect(use_case.timezone) as db:
        db.register("rows_read", table)
        db.register("lines_broken", lines)
        db.execute(
            f"""create temp table dated as select _line, try({where}) as _day
            from (select {typed(contract)}, _row as _line from (select {cleaned(contract)}, _row from rows_read))"""
        )
        inside = f"(_day between '{first}' and '{last}' or _day = '{SNAPSHOT}')"
        seen = db.execute(f"select _day, {inside} from dated group by 1 order by 1").fetchall()
        days = [day for day, fits in seen if fits]
        if len(days) == len(seen) and not lines.num_rows:  # most files: sound
            nothing = pa.nulls(table.num_rows, pa.string())
            sound = table.append_column("_broken", nothing).append_column("_text", nothing)
            if len(days) == 1:
                return {days[0]: sound}
            where_to = db.sql("select _day from dated order by _line").to_arrow_table()["_day"]
            order = [("_partition", "ascending"), ("_row", "ascending")]
            return split(sound.append_column("_partition", where_to).sort_by(order), "_partition", days)
        home = next((d for d in [*promised(name, use_case), *days] if first <= d <= last), first)
        text = ", ".join(f'"{c}"' for c in contract.columns)
        found = db.sql(
            f"""with lines as (
                select {text}, _row, case when _day is null then 'its day can''t be told'
                    when not {inside} then 'its date ' || _day || ' is outside the use case''s partitions' end
                    as _broken, null::varchar as _text
                from rows_read join dated on _line = _row
                union all by name select * from lines_broken)
            select coalesce(_day, $home) as _partition, lines.*
            from lines asof left join (select * from dated where {inside}) d on _line <= _row
            order by _partition, _row""",
            params={"home": home if contract.partition else SNAPSHOT},
        ).to_arrow_table()
    return split(found, "_partition", sorted(set(found["_partition"].to_pylist())))


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
