"""Decide between the rows of a source that share a key: which are valid, duplicate, superseded or contradictory.

Rivals are the rows of the table `typed` (see `casting`) that share a key. They are compared by their numbers, not by
their values: equal rows have an equal number `_content`. So any number of rivals, of any width, takes bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sixtyforty.ingest.casting import TEXTUAL
from sixtyforty.ingest.exact_casts import require_type
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb

# DuckDB works on this number of rows at once, so it holds as many texts of a column in memory.
ROWS_AT_ONCE = 2048
ROWS_PER_UPDATE = 1 << 20
PORTION_BYTES = 1 << 25  # texts that a query may hold in memory at once
SHOWN_LINES = 5  # the reason of a contradictory row names at most this number of lines


def row_portions(db: duckdb.DuckDBPyConnection, rows: str = "typed", number: str = "rowid") -> list[tuple[int, int]]:
    """Return the first and the last row number of each portion of rows whose texts fit into memory together.

    Most tables are a single portion. rows: a table with the column `_text_bytes`. number: its column with row numbers.
    """
    first, last, largest = db.execute(f"select min({number}), max({number}), max(_text_bytes) from {rows}").fetchall()[
        0
    ]
    if first is None:
        return []
    if largest * ROWS_AT_ONCE <= PORTION_BYTES:
        return [(first, last)]
    return db.execute(
        f"""select min(_number), max(_number) from (
            select {number} as _number, sum(_text_bytes) over (order by {number}) // {PORTION_BYTES} as _portion
            from {rows})
        group by _portion order by 1"""
    ).fetchall()


def select_in_portions(db: duckdb.DuckDBPyConnection) -> str:
    """Return a SQL query for the rows of `typed` and their `_rowid`, which DuckDB reads portion by portion.

    So a calculation with long texts, such as an aggregate, needs memory for the texts of one portion only.
    """
    rows = "select *, rowid as _rowid from typed"
    portions = row_portions(db)
    if len(portions) <= 1:
        return rows
    return " union all ".join(f"{rows} where rowid between {first} and {last}" for first, last in portions)


def prepare_repeated_keys(db: duckdb.DuckDBPyConnection, file_names: Mapping[int, str]) -> None:
    """Create the table `extract_names`, and three empty tables about contradictory rows.

    file_names: the file names of the extracts by `_seq`, for the reasons of contradictory rows.
    """
    db.execute(
        """create or replace temp table contradictory (id bigint, _key uhugeint);
        create or replace temp table contradictions (_key uhugeint, _contradiction varchar);
        create or replace temp table contradicting_extracts (_key uhugeint, _seq bigint);
        create or replace temp table extract_names (_seq bigint, _name varchar)"""
    )
    if file_names:
        rows = ", ".join(f"({seq}, {literal(name)})" for seq, name in file_names.items())
        db.execute(f"insert into extract_names values {rows}")


def mark_repeated_keys(db: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Mark the duplicate and superseded rows in the table `typed`, and list the contradictory ones.

    Before the call, the rows have the status `row` or `quarantined`, or `superseded` if a full extract removed them.
    Contradictory rows keep the status `row`. `list_contradictory` adds them to the table `contradictory`.
    """
    key = identifiers(source.key)
    shared = f"select {key} from typed where _status <> 'superseded' group by all having count(*) > 1"
    list_rivals(db, source, shared, "_status <> 'superseded'")
    judge_rivals(db, "from rivals")
    list_contradictory(db, source)
    ((row_count,),) = db.execute("select count(*) from typed").fetchall()
    for first in range(0, row_count, ROWS_PER_UPDATE):  # DuckDB holds all rows of an update in memory
        db.execute(
            f"""update typed set _status = j._status from judged j where typed.rowid = j._id and j._status <> 'row'
            and j._id between {first} and {first + ROWS_PER_UPDATE - 1}"""
        )


def list_rivals(db: duckdb.DuckDBPyConnection, source: Source, keys: str, condition: str) -> None:
    """Create the table `rivals`: `_id` (the rowid in `typed`), `_partition`, `_seq`, `_row`, and three more columns.

    `_key` and `_content`: numbers that are equal only for rows with an equal key, or with equal values. `_is_sound`:
    whether the row has no `_reason`.

    keys: SQL query for the keys whose rows compete. condition: SQL condition for the rows of `typed`.
    """
    key = identifiers(source.key)
    key_number, content = (_number_sql(source, columns) for columns in (source.key, source.columns))
    db.execute(f"create or replace temp table shared_keys as select distinct {key} from ({keys})")
    create = "create or replace temp table rivals as"
    for first, last in row_portions(db) or [(0, 0)]:
        columns = f"rowid as _id, _partition, _seq, _row, {key_number} as _key, {content} as _content"
        db.execute(
            f"""{create} select {columns}, _reason is null as _is_sound from typed semi join shared_keys using ({key})
            where ({condition}) and rowid between {first} and {last}"""
        )
        create = "insert into rivals"


def _number_sql(source: Source, columns: Iterable[str]) -> str:
    """Return SQL for a number of 128 bits that two rows share only if all values in some columns are equal.

    Each text has its length before it, so that no two rows give the same text. Zero has no sign.
    """
    parts = []
    for column in columns:
        kind, name = require_type(source.columns[column]).kind, identifier(column)
        text = name if kind in TEXTUAL else f"({name}{' + 0.0' if kind == 'float' else ''})::varchar"
        parts.append(f"coalesce(strlen({text})::varchar || ':' || {text}, '-')")
    return f"md5_number({' || '.join(parts)})"


def judge_rivals(db: duckdb.DuckDBPyConnection, rivals: str) -> None:
    """Create the table `judged`, with the columns of `rivals`, the `_status` of each row, and `_is_contradictory`.

    `_key_newest` is the newest extract with a sound row of the key. If its rows contradict each other, an equal row of
    an earlier extract is superseded like any earlier row, so that it can be restored.

    rivals: SQL query for rows of the table `rivals`. Only these rows compete for a key.
    """
    db.execute(
        f"""create or replace temp table judged as
        with rows as ({rivals}),
        contents as (
            select _key, _partition, _is_sound, _content, max(_seq) as _newest,
                arg_min(_id, (_seq, _row)) as _first, arg_min(_id, (-_seq, _row)) as _first_of_newest
            from rows group by all),
        newest as (select _key, _newest, count(*) as _count from contents where _is_sound group by all),
        keys as (
            select _key, max(_newest) as _key_newest, arg_max(_count, _newest) > 1 as _is_contradictory
            from newest group by all)
        select rows.*, case
            when not _is_sound and _seq >= coalesce(_key_newest, _seq) then 'quarantined'
            when not _is_sound then 'superseded'
            when _is_contradictory and _seq = _key_newest and _id <> _first_of_newest then 'duplicate'
            when _is_contradictory and _seq = _key_newest then 'row'
            when _id <> _first then 'duplicate'
            when _newest < _key_newest or _is_contradictory then 'superseded'
            else 'row' end as _status, _key_newest, coalesce(_is_contradictory, false) as _is_contradictory
        from rows left join contents using (_key, _partition, _is_sound, _content) left join keys using (_key)"""
    )
    db.execute("drop table rivals")


def list_contradictory(db: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Add the contradictory rows of `judged` to the table `contradictory`: their `id` in `typed`, and their `_key`.

    Rows are contradictory if the newest extract with their key has several rows with this key and different values. The
    table `contradictions` has the reason for each `_key`. It names the columns of the key, the file and the lines, and
    no value. The table `contradicting_extracts` has the `_seq` of the extract for each `_key`.
    """
    columns = literal(f"several different rows have the same key ({', '.join(source.key)}): ")
    db.execute(
        f"""insert into contradictions
        with lines as (
            select _key, _key_newest as _seq, min(_row, {SHOWN_LINES}) as _lines, count(*) as _count
            from judged where _is_contradictory and _is_sound and _seq = _key_newest
                and _key not in (select _key from contradictions) group by all)
        select _key, {columns} || coalesce(_name || ', ', '') || 'lines ' || array_to_string(_lines, ', ')
            || case when _count > {SHOWN_LINES} then format(' and {{:,}} more', _count - {SHOWN_LINES}) else '' end
        from lines left join extract_names using (_seq);
        insert into contradictory select _id, _key from judged where _status = 'row' and _is_contradictory;
        insert into contradicting_extracts select distinct _key, _key_newest from judged where _is_contradictory"""
    )
