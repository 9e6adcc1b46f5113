"""Infer the types of text columns from all of their values.

A type is chosen only if every value fits it exactly, so that the drafted contract accepts each row of the files. Codes
stay text: a number with leading zeros (`00123`), or digits around an E (`10E2`), would change if it became a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.ingest.exact_casts import cast_sql
from sixtyforty.ingest.written_forms import form_pattern
from sixtyforty.storage.sql import bare_identifier, literal

if TYPE_CHECKING:
    import duckdb

# Regular expressions that a whole text must match.
INTEGER = r"[-+]?[0-9]+"
LEADING_ZERO = r"[-+]?0[0-9].*"
FIXED_POINT = r"[-+]?[0-9]+\.[0-9]+"
PLAIN_NUMBER = r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
FLOATING_POINT = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
CODE_WITH_E = r"[-+]?[0-9]+[eE][0-9]+"
ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
ISO_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[-+][0-9]{2}(:?[0-9]{2})?)?"
COMPACT_DATE = r"(19|20)[0-9]{6}"
CODE_NAME = re.compile(r"zip|postal|post_?code|plz|phone|\bsku\b|\bean\b|gtin|isbn|iban", re.I)
DATE_NAME = re.compile(r"date|day|datum|tag|jour|fecha", re.I)

DECIMAL_WIDTHS = (18, 38)  # DuckDB and Parquet hold up to 18 digits in 8 bytes, and up to 38 in 16 bytes
DOUBLE_DIGITS = 17
DECIMAL_SCALES = range(2, 7)  # amounts of money and quantities usually have one of these numbers of decimals

DATE_FORMATS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%m.%d.%Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
)
TIME_FORMATS = (" %H:%M:%S", " %H:%M", "T%H:%M:%S", " %I:%M:%S %p", " %I:%M %p")


@dataclass(frozen=True)
class InferredType:
    """The type that fits all values of a text column, with the SQL that converts them.

    - kind: the column's type in a data contract.
    - sql: a SQL expression that converts the column's text exactly.
    - parsing_sql: equal to `sql` for a date in a form that a cast can't read, otherwise None. A data contract declares
      such a column as text.
    - other_parsing_sql: other ways to read the dates, if their form is ambiguous, such as `03/04/2024`.
    """

    kind: str
    sql: str
    parsing_sql: str | None = None
    other_parsing_sql: tuple[str, ...] = ()


def infer_type(db: duckdb.DuckDBPyConnection, table: str, name: str, declared: Collection[str] = ()) -> InferredType:
    """Return the type that all values of a text column have.

    table: a table or view whose texts are trimmed, and null where a value is missing. declared: the contract types that
    the files themselves declare for the column. If they agree, their type is returned, or text if a value doesn't fit.
    """
    column = bare_identifier(name)
    db.execute(
        f"create or replace temp table _values as select distinct {column}::varchar as t from {table}"
        f" where {column} is not null"
    )
    count = _count(db, "true")
    text = InferredType("VARCHAR", column)
    if len(declared) == 1:
        kinds = [*declared, *("TIMESTAMP_NS" for kind in declared if kind == "TIMESTAMP")]
        fitting = (kind for kind in kinds if not _count(db, f"{cast_sql('t', kind)} is null"))
        return next((InferredType(kind, cast_sql(column, kind)) for kind in fitting), text)
    if not count or CODE_NAME.search(name):
        return text
    inferred = _infer(db, name, column, count) or text
    is_exact = inferred.parsing_sql or not _count(db, f"{cast_sql('t', inferred.kind)} is null")
    return inferred if is_exact else text


def _infer(db: duckdb.DuckDBPyConnection, name: str, column: str, count: int) -> InferredType | None:
    if number := _infer_number(db, name, column, count):
        return number
    if _count(db, "lower(t) in ('true', 'false')") == count:
        return InferredType("BOOLEAN", f"{column}::boolean")
    return _infer_time(db, column, count)


def _count(db: duckdb.DuckDBPyConnection, condition: str) -> int:
    return int(db.execute(f"select count(*) from _values where {condition}").fetchall()[0][0])


def _matches(pattern: str) -> str:
    return f"regexp_full_match(t, {literal(pattern)})"


def _infer_number(db: duckdb.DuckDBPyConnection, name: str, column: str, count: int) -> InferredType | None:
    if _count(db, _matches(FLOATING_POINT)) < count:
        return None
    text = InferredType("VARCHAR", column)
    if _count(db, f"{_matches(LEADING_ZERO)} or {_matches(CODE_WITH_E)}"):
        return text
    if _count(db, _matches(INTEGER)) == count:
        if DATE_NAME.search(name) and _count(db, f"{_matches(COMPACT_DATE)} and {_parses('%Y%m%d')}") == count:
            return _parsed(column, ["%Y%m%d"], "DATE")
        if _count(db, "try_cast(t as bigint) is null"):
            return text
        return InferredType("BIGINT", f"{column}::bigint")
    if kind := _fixed_decimal(db, count) or _long_decimal(db, count):
        return InferredType(kind, f"{column}::{kind}")
    if _count(db, "isinf(try_cast(t as double)) is not false"):
        return text
    return InferredType("DOUBLE", f"{column}::double")


def _fixed_decimal(db: duckdb.DuckDBPyConnection, count: int) -> str | None:
    """Return a DECIMAL type if all values have equally many decimals, as amounts of money do; otherwise None.

    Trailing zeros show that the number of decimals is fixed.
    """
    if _count(db, _matches(FIXED_POINT)) < count or not _count(db, "t like '%0'"):
        return None
    scales, digits = db.execute(
        "select list(distinct length(t) - instr(t, '.')), max(length(regexp_replace(t, '[^0-9]', '', 'g')))"
        " from _values"
    ).fetchall()[0]
    width = next((width for width in DECIMAL_WIDTHS if digits <= width), None)
    return f"DECIMAL({width},{scales[0]})" if width and len(scales) == 1 and scales[0] in DECIMAL_SCALES else None


def _long_decimal(db: duckdb.DuckDBPyConnection, count: int) -> str | None:
    """Return the type for numbers of which one has too many digits for a DOUBLE; None if a DOUBLE holds all of them.

    The type is VARCHAR if no DECIMAL holds all numbers. A DOUBLE has at most 17 significant digits.
    """
    if _count(db, _matches(PLAIN_NUMBER)) < count:
        return None
    longest, whole, decimals = db.execute(
        """select max(length(ltrim(replace(digits, '.', ''), '0'))), max(length(split_part(digits, '.', 1))),
            max(length(split_part(digits, '.', 2)))
        from (select ltrim(t, '+-') as digits from _values)"""
    ).fetchall()[0]
    if longest <= DOUBLE_DIGITS:
        return None
    return f"DECIMAL({max(DECIMAL_WIDTHS)},{decimals})" if whole + decimals <= max(DECIMAL_WIDTHS) else "VARCHAR"


def _infer_time(db: duckdb.DuckDBPyConnection, column: str, count: int) -> InferredType | None:
    if _count(db, f"{_matches(ISO_DATE)} and try_cast(t as date) is not null") == count:
        return InferredType("DATE", f"{column}::date")
    is_time = f"({_matches(ISO_TIME)} or {_matches(ISO_DATE)}) and try_cast(t as timestamptz) is not null"
    if _count(db, is_time) == count:
        return InferredType("TIMESTAMP", f"({column}::timestamptz at time zone 'UTC')")
    for suffix in ("", *TIME_FORMATS):
        formats = [form + suffix for form in DATE_FORMATS if _count(db, _parses(form + suffix)) == count]
        if formats:
            return _parsed(column, _by_span(db, formats), "TIMESTAMP" if suffix else "DATE")
    return None


def _parses(form: str) -> str:
    """Return a SQL condition that is true if the text `t` is a date or time in a form such as `%d.%m.%Y`."""
    return f"({_matches(form_pattern(form))} and try_strptime(t, {literal(form)}) is not null)"


def _by_span(db: duckdb.DuckDBPyConnection, formats: list[str]) -> list[str]:
    """Sort date formats by the time from the earliest to the latest date that they read in a column, shortest first.

    A wrong format spreads the dates over the year. Of formats that read all values alike, only one is returned.
    """
    spans: dict[str, tuple[float, str]] = {}
    for form in formats:
        span, content = db.execute(
            f"select epoch(max(p) - min(p)), md5(string_agg(p::varchar, ',' order by t))"
            f" from (select t, strptime(t, {literal(form)}) as p from _values)"
        ).fetchall()[0]
        spans.setdefault(str(content), (float(span), form))
    return [form for _, form in sorted(spans.values(), key=lambda pair: pair[0])]


def _parsed(column: str, formats: list[str], kind: str) -> InferredType:
    cast = "::date" if kind == "DATE" else ""
    first, *others = (f"strptime({column}, {literal(form)}){cast}" for form in formats)
    return InferredType(kind, first, first, tuple(others))
