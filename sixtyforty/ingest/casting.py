"""Cast the text columns of raw rows to the types of the data contract, and give a reason for each row that doesn't fit.

A raw partition has the contract's columns as text, and five more columns:

- `_extract`: the id of the extract;
- `_row`: the number of the line in the extract;
- `_seq`: the arrival number of the extract;
- `_broken`: why the line can't be read as a row, or null;
- `_text`: the text of a line that can't be read as a row, otherwise null.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from sixtyforty.ingest.exact_casts import attempt_sql, exact_sql, require_type
from sixtyforty.ingest.written_forms import plain_text_sql
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LINEAGE = ("_extract", "_row")
RAW_COLUMNS = ("_row", "_broken", "_text", "_extract", "_seq")
STATUSES = ("row", "quarantined", "duplicate", "superseded", "compared")  # `moved_keys` sets the last one
TEXTUAL = ("text", "json")  # the kinds of types that DuckDB stores as texts
EMPTY_KEY = "is empty, but it is part of the key"
MAX_SHOWN = 100  # a quarantine reason shows at most this many characters of a wrong text


def raw_schema(source: Source) -> pa.Schema:
    """Return the Arrow schema of a source's raw partitions."""
    import pyarrow as pa

    columns = [*source.columns, *RAW_COLUMNS]
    return pa.schema([(column, pa.int64() if column in ("_row", "_seq") else pa.string()) for column in columns])


def cleaned_columns_sql(source: Source, columns: Collection[str]) -> str:
    """Return a SELECT list that trims some text columns of a source, and turns empty texts into NULL.

    Numbers and dates get the form that the casts accept, if the source declares another form. The declared `null_text`
    of CSV files is NULL already, because it is replaced when a file is read. In other formats it is an ordinary text.
    """
    return ", ".join(
        f"{plain_text_sql(source, column, _cleaned_sql(column))} as {identifier(column)}" for column in columns
    )


def _cleaned_sql(column: str) -> str:
    """Return SQL for a text without spaces at either end; NULL if nothing is left.

    `trim` is slow, because Unicode has further spaces. So an ASCII text without spaces at its ends doesn't get there.
    """
    name = identifier(column)
    is_clean = f"strlen({name}) = length({name}) and {name} >= '!' and not suffix({name}, ' ')"
    return f"case when {is_clean} then {name} else nullif(trim({name}), '') end"


def select_typed(source: Source, columns: Sequence[str], rows: str, others: Sequence[str] = ()) -> str:
    """Return a SQL query that casts some text columns of rows to the types of the data contract.

    A text without an exact value becomes NULL. rows: SQL of a table. others: further columns to select.
    """
    types = {column: require_type(source.columns[column]) for column in columns}
    names = {column: (identifier(column), f"_value_{number}") for number, column in enumerate(columns)}
    values = ", ".join(f"{attempt_sql(name, types[c])} as {typed}" for c, (name, typed) in names.items())
    exact = ", ".join(f"{exact_sql(name, typed, types[c])} as {name}" for c, (name, typed) in names.items())
    rest = "".join(f", {identifier(column)}" for column in others)
    cleaned = f"select {cleaned_columns_sql(source, columns)}{rest} from {rows}"
    return f"select {exact}{rest} from (select *, {values} from ({cleaned}))"


def _cast_rows_sql(source: Source, rows: str) -> str:
    """Return a SQL query that casts raw rows. Its column `_reason` says why a row must be quarantined, or is null.

    rows: see `type_rows`.

    Each step is a subquery of its own. Otherwise DuckDB would repeat a step for each place that reads its result.
    """
    columns = {column: (f"_text_{n}", f"_value_{n}", f"_exact_{n}") for n, column in enumerate(source.columns)}
    types = {column: require_type(declared) for column, declared in source.columns.items()}
    cleaned = ", ".join(f"{_cleaned_sql(c)} as {text}" for c, (text, _, _) in columns.items())
    plain = {c: plain_text_sql(source, c, text) for c, (text, _, _) in columns.items()}
    values = ", ".join(f"{attempt_sql(plain[c], types[c])} as {typed}" for c, (_, typed, _) in columns.items())
    exact = ", ".join(f"{exact_sql(plain[c], typed, types[c])} as {name}" for c, (_, typed, name) in columns.items())
    typed = ", ".join(f"{name} as {identifier(c)}" for c, (_, _, name) in columns.items())
    lineage = "_extract, _row, _seq, _partition"
    return f"""
        with cleaned as (select {cleaned}, {lineage}, _broken from {rows}),
        attempted as (select *, {values} from cleaned),
        checked as (select *, {exact} from attempted)
        select {typed}, {lineage}, {_text_bytes_sql(source, columns)} as _text_bytes,
            {_reason_sql(source, columns)} as _reason
        from checked"""


def _text_bytes_sql(source: Source, columns: Mapping[str, tuple[str, str, str]]) -> str:
    """Return a SQL expression for the bytes of a row's texts. columns: see `_reason_sql`."""
    texts = [exact for column, (_, _, exact) in columns.items() if require_type(source.columns[column]).kind in TEXTUAL]
    return f"({' + '.join(['0', *(f'coalesce(strlen({text}), 0)' for text in texts)])})::uinteger"


def _reason_sql(source: Source, columns: Mapping[str, tuple[str, str, str]]) -> str:
    """Return a SQL expression for the reason why a row is quarantined; NULL if it fits the data contract.

    The reason names each wrong column, and shows its text unless the column is declared personal.
    columns: for each column of the contract, the names of three SQL columns, which hold its text, the attempted cast of
    the text, and the exact value.
    """
    problems: list[tuple[str, str]] = []
    for column, (text, _, exact) in columns.items():
        declared = source.columns[column].upper()
        if column in source.key:
            problems.append((f"{_is_blank_sql(text)} and _broken is null", literal(f"{column} {EMPTY_KEY}")))
        if require_type(declared).kind != "text":
            problems.append((f"{text} is not null and {exact} is null", _misfit_sql(source, column, text, declared)))
    if not problems:
        return "_broken"
    reasons = ", ".join(f"case when {condition} then {reason} end" for condition, reason in problems)
    is_bad = " or ".join(["_broken is not null", *(f"({condition})" for condition, _ in problems)])
    return f"case when {is_bad} then concat_ws('; ', _broken, {reasons}) end"


def _is_blank_sql(text: str) -> str:
    """Return a SQL condition: a cleaned text is null, or nobody could see it, such as a tab or a zero-width space.

    Spaces at the ends of a text are gone already, so an invisible text starts with a character that isn't printable
    ASCII. The other texts don't need the slow regular expression.
    """
    is_invisible = rf"regexp_full_match({text}, '[\s\v\x1c-\x1f\x85\p{{Z}}\p{{Cf}}]*')"
    return f"({text} is null or (({text} < '!' or {text} > '~') and {is_invisible}))"


def _misfit_sql(source: Source, column: str, text: str, declared: str) -> str:
    if column in source.personal:
        return literal(f"{column} is personal and not shown, expected {declared}")
    start, end = literal(f"{column} is '"), literal(f"', expected {declared}")
    return f"{start} || left({text}, {MAX_SHOWN}) || {end}"


def type_rows(
    db: duckdb.DuckDBPyConnection, source: Source, rows: str, newest_full: Mapping[str, int] | None = None
) -> None:
    """Create the temporary table `typed`, with typed columns and a status for each row.

    rows: SQL of a table with the columns of raw partitions and `_partition`. `typed` has the contract's columns with
    their types, `_extract`, `_row`, `_seq`, `_partition`, and three more columns. `_text_bytes` is the length of the
    row's texts. `_reason` is why a row doesn't fit, or NULL. `_extract`, `_partition` and `_status` are enumerations.
    `_status` is one of these words. Only `mark_repeated_keys` sets `duplicate`, and most of `superseded`:

    - `quarantined`: the line can't be read as a row, a text isn't an exact value of its type, or a part of the key is
      empty;
    - `duplicate`: an earlier row of the partition is equal in all columns;
    - `superseded`: a later extract has a row with the same key and other values, in this partition or another one.
      A row that doesn't fit its types is superseded if a later extract has a valid row with its key, in any partition.
      So a row that people correct and land again leaves the quarantine;
    - `row`: a valid row, to which no other status applies.

    If an extract corrects a row and a third extract repeats the original row, the original row is valid again. If a key
    occurs in several partitions, only its rows of the newest extract are valid. If these rows differ, they have the
    status `row` here, and are quarantined later, because they contradict each other (see `repeated_keys`).

    newest_full: for a source whose extracts are full, the number of the newest extract of each partition. Rows of
    earlier extracts are superseded.
    """
    typed = _typed_rows_sql(source, rows, newest_full or {})
    repeated = _repeated_texts_sql(db, rows)
    db.execute(f"create or replace temp table typed as select * {repeated} from ({typed})")


def add_typed_rows(
    db: duckdb.DuckDBPyConnection, source: Source, rows: str, newest_full: Mapping[str, int] | None = None
) -> None:
    """Add rows to the table `typed`. See `type_rows` for the arguments."""
    for column in ("_extract", "_partition"):  # the rows may have other ones than the rows of the table
        db.execute(f"alter table typed alter {column} set data type varchar")
    db.execute(f"insert into typed {_typed_rows_sql(source, rows, newest_full or {})}")


def _repeated_texts_sql(db: duckdb.DuckDBPyConnection, rows: str) -> str:
    """Return a REPLACE clause that turns the few texts of `_extract` and `_partition` into enumerations.

    A text would take 4 bytes and its length in each row. The order of the texts stays the same. rows: see `type_rows`.
    """
    texts = db.execute(f"select list(distinct _extract), list(distinct _partition) from {rows}").fetchall()[0]
    kinds = {
        column: f"enum({', '.join(map(literal, sorted(listed)))})"
        for column, listed in zip(("_extract", "_partition"), texts, strict=True)
        if listed
    }
    return f"replace ({', '.join(f'{c}::{kind} as {c}' for c, kind in kinds.items())})" if kinds else ""


def _typed_rows_sql(source: Source, rows: str, newest_full: Mapping[str, int]) -> str:
    status = f"enum({', '.join(map(literal, STATUSES))})"
    return f"""
        select *, case
            when {_is_gone_sql(newest_full)} then 'superseded'::{status}
            when _reason is not null then 'quarantined'::{status}
            else 'row'::{status} end as _status
        from ({_cast_rows_sql(source, rows)})"""


def _is_gone_sql(newest_full: Mapping[str, int]) -> str:
    """Return a SQL condition that is true if a row's extract is older than the newest full extract of its partition."""
    if not newest_full:
        return "false"
    cases = " ".join(f"when {literal(partition)} then {seq}" for partition, seq in newest_full.items())
    return f"(_seq < case _partition {cases} else 0 end)"
