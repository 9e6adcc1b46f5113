"""Infer the types of text columns from all of their values.

A type is chosen only if every value fits it exactly, so that the drafted contract accepts each row of the files. Codes
stay text: a number with leading zeros (`00123`), or digits around an E (`10E2`), would change if it became a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from sixtyforty.ingest.distinct_texts import (
    Inference,
    count_forms,
    count_where,
    if_matches,
    infer_all,
    list_portions,
    matches,
)
from sixtyforty.ingest.exact_casts import cast_sql
from sixtyforty.ingest.reading_doubts import TIME_UNITS, describe_forms, describe_time_unit
from sixtyforty.ingest.written_forms import form_pattern
from sixtyforty.progress import begin_work
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
TIME_NAME = re.compile(
    rf"{DATE_NAME.pattern}|time|zeit|heure|hora|stamp|epoch|created|changed|updated|modified|(^|[^a-z])at$", re.I
)
USUAL_TIMES = date(1980, 1, 1), date(2070, 1, 1)  # a number outside is hardly a time
NUMBER_TYPES = ("TINYINT", "SMALLINT", "INT", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL")

MIN_DATES = 0.5  # a column is described as one of mixed dates if at least this share of its texts are dates

DECIMAL_WIDTHS = (18, 38)  # DuckDB and Parquet hold up to 18 digits in 8 bytes, and up to 38 in 16 bytes
DOUBLE_DIGITS = 17
DECIMAL_SCALES = range(2, 7)  # amounts of money and quantities usually have one of these numbers of decimals

DATE_FORMATS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%m.%d.%Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
)
TIME_FORMATS = (" %H:%M:%S", " %H:%M", "T%H:%M:%S", " %I:%M:%S %p", " %I:%M %p")
# The formats of dates, and of times with each form of the time of day, with a condition that their texts meet.
FORMATS_BY_TIME = {time: tuple(form + time for form in DATE_FORMATS) for time in ("", *TIME_FORMATS)}
LIKE_FORMATS = {time: matches("|".join(map(form_pattern, formats))) for time, formats in FORMATS_BY_TIME.items()}


@dataclass(frozen=True)
class InferredType:
    """The type that fits all values of a text column, with the SQL that converts them.

    - kind: the column's type in a data contract.
    - sql: a SQL expression that converts the column's text exactly.
    - parsing_sql: equal to `sql` for a date in a form that a cast can't read, otherwise None. A data contract declares
      such a column as text.
    - other_parsing_sql: other ways to read the dates, if their form is ambiguous, such as `03/04/2024`.
    - doubt: a sentence on how else the texts could be read: dates in several forms, or numbers that may be times.
      Empty without a doubt.
    """

    kind: str
    sql: str
    parsing_sql: str | None = None
    other_parsing_sql: tuple[str, ...] = ()
    doubt: str = field(default="", kw_only=True)


def infer_types(
    db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], declared: Mapping[str, Collection[str]]
) -> dict[str, InferredType]:
    """Return the type that all values of a text column have, for each of some columns.

    table: a table or view whose texts are trimmed, and null where a value is missing. declared: by column, the contract
    types that the files themselves declare. If they agree, their type is returned, or text if a value doesn't fit.
    """
    types: dict[str, InferredType] = {}
    with begin_work("find types", "column", len(names)) as work:
        for portion in list_portions(db, table, names):
            types |= _infer_portion(db, portion, declared)
            work.advance(len(portion))
    return {name: types[name] for name in names}


def _infer_portion(
    db: duckdb.DuckDBPyConnection, portion: Sequence[str], declared: Mapping[str, Collection[str]]
) -> dict[str, InferredType]:
    """Return the types of the columns of a portion, see `list_portions`."""
    inferences = {n: _infer_with_doubt(name, declared.get(name, ())) for n, name in enumerate(portion)}
    return {portion[n]: inferred for n, inferred in infer_all(db, inferences).items()}


def _infer_with_doubt(name: str, declared: Collection[str]) -> Inference[InferredType]:
    inferred = yield from _infer(name, declared)
    if inferred.parsing_sql or not inferred.kind.startswith(NUMBER_TYPES) or not TIME_NAME.search(name):
        return inferred
    doubt = yield from _find_time_unit(bare_identifier(name))
    return replace(inferred, doubt=doubt)


def _find_time_unit(column: str) -> Inference[str]:
    """Return a sentence on the unit in which most numbers of a column are times of usual years; empty if none is."""
    number = "try_cast(t as double)"
    bounds = [(unit.number_of(USUAL_TIMES[0]), unit.number_of(USUAL_TIMES[1])) for unit in TIME_UNITS]
    usual = [f"{number} between {low!r} and {high!r}" for low, high in bounds]
    count, *counts = yield ["count(*)", *map(count_where, usual)]
    most = max(counts)
    if most < max(1, count * MIN_DATES):
        return ""
    position = counts.index(most)
    extremes = yield [f"{extreme}({number}) filter (where {usual[position]})" for extreme in ("min", "max")]
    return describe_time_unit(TIME_UNITS[position], column, (most, count), extremes)


def _infer(name: str, declared: Collection[str]) -> Inference[InferredType]:
    column = bare_identifier(name)
    text = InferredType("VARCHAR", column)
    if len(declared) == 1:
        kinds = [*declared, *("TIMESTAMP_NS" for kind in declared if kind == "TIMESTAMP")]
        misfits = yield [count_where(f"{cast_sql('t', kind)} is null") for kind in kinds]
        fitting = (kind for kind, count in zip(kinds, misfits, strict=True) if not count)
        return next((InferredType(kind, cast_sql(column, kind)) for kind in fitting), text)
    (count,) = yield ["count(*)"]
    if not count or CODE_NAME.search(name):
        return text
    inferred = (yield from _infer_plain(name, column, count)) or text
    (misfits,) = yield [count_where(f"{cast_sql('t', inferred.kind)} is null")]
    return inferred if inferred.parsing_sql or not misfits else text


def _infer_plain(name: str, column: str, count: int) -> Inference[InferredType | None]:
    if number := (yield from _infer_number(name, column, count)):
        return number
    truths, *_ = yield [count_where("lower(t) in ('true', 'false')")]
    if truths == count:
        return InferredType("BOOLEAN", f"{column}::boolean")
    return (yield from _infer_time(column, count))


def _infer_number(name: str, column: str, count: int) -> Inference[InferredType | None]:
    numbers, codes, integers = yield [
        count_where(matches(FLOATING_POINT)),
        count_where(f"{matches(LEADING_ZERO)} or {matches(CODE_WITH_E)}"),
        count_where(matches(INTEGER)),
    ]
    if numbers < count:
        return None
    text = InferredType("VARCHAR", column)
    if codes:
        return text
    if integers == count:
        dates, too_long = yield [
            count_where(if_matches(COMPACT_DATE, _parses("%Y%m%d"))),
            count_where("try_cast(t as bigint) is null"),
        ]
        if DATE_NAME.search(name) and dates == count:
            return _parsed(column, ["%Y%m%d"], "DATE")
        return text if too_long else InferredType("BIGINT", f"{column}::bigint")
    if kind := (yield from _fixed_decimal(count)) or (yield from _long_decimal(count)):
        return InferredType(kind, f"{column}::{kind}")
    (infinite,) = yield [count_where("isinf(try_cast(t as double)) is not false")]
    return text if infinite else InferredType("DOUBLE", f"{column}::double")


def _fixed_decimal(count: int) -> Inference[str | None]:
    """Return a DECIMAL type if all values have equally many decimals, as amounts of money do; otherwise None.

    Trailing zeros show that the number of decimals is fixed.
    """
    fixed, ending_in_zero, scales, digits = yield [
        count_where(matches(FIXED_POINT)),
        count_where("t like '%0'"),
        "list(distinct length(t) - instr(t, '.'))",
        "max(length(regexp_replace(t, '[^0-9]', '', 'g')))",
    ]
    if fixed < count or not ending_in_zero:
        return None
    width = next((width for width in DECIMAL_WIDTHS if digits <= width), None)
    return f"DECIMAL({width},{scales[0]})" if width and len(scales) == 1 and scales[0] in DECIMAL_SCALES else None


def _long_decimal(count: int) -> Inference[str | None]:
    """Return the type for numbers of which one has too many digits for a DOUBLE; None if a DOUBLE holds all of them.

    The type is VARCHAR if no DECIMAL holds all numbers. A DOUBLE has at most 17 significant digits.
    """
    digits = "ltrim(t, '+-')"
    plain, longest, whole, decimals = yield [
        count_where(matches(PLAIN_NUMBER)),
        f"max(length(ltrim(replace({digits}, '.', ''), '0')))",
        f"max(length(split_part({digits}, '.', 1)))",
        f"max(length(split_part({digits}, '.', 2)))",
    ]
    if plain < count or longest <= DOUBLE_DIGITS:
        return None
    return f"DECIMAL({max(DECIMAL_WIDTHS)},{decimals})" if whole + decimals <= max(DECIMAL_WIDTHS) else "VARCHAR"


def _infer_time(column: str, count: int) -> Inference[InferredType | None]:
    is_iso = if_matches(f"{ISO_TIME}|{ISO_DATE}", "try_cast(t as timestamptz) is not null")
    dates, times, *like_formats = yield [
        count_where(if_matches(ISO_DATE, "try_cast(t as date) is not null")),
        count_where(is_iso),
        *map(count_where, LIKE_FORMATS.values()),
    ]
    if dates == count:
        return InferredType("DATE", f"{column}::date")
    if times == count:
        return InferredType("TIMESTAMP", f"({column}::timestamptz at time zone 'UTC')")
    if times + sum(like_formats) < count * MIN_DATES:
        return None
    conditions = {"ISO 8601": is_iso} if times else {}
    for (time, forms), like_format in zip(FORMATS_BY_TIME.items(), like_formats, strict=True):
        counts = (yield [count_where(_parses(form)) for form in forms]) if like_format else (0,) * len(forms)
        counts_by_form = dict(zip(forms, counts, strict=True))
        if fitting := [form for form in forms if counts_by_form[form] == count]:
            sorted_forms = yield from _by_span(fitting)
            return _parsed(column, sorted_forms, "TIMESTAMP" if time else "DATE")
        conditions |= {form: _parses(form) for form in forms if counts_by_form[form]}
    counted = yield from count_forms(conditions)
    others = count - sum(counted.values())
    if others > count * (1 - MIN_DATES):
        return None
    all_forms = (*counted.items(), *([("", others)] if others else []))
    return InferredType("VARCHAR", column, doubt=describe_forms("date", all_forms))


def _parses(form: str) -> str:
    """Return a SQL condition that is true if the text `t` is a date or time in a form such as `%d.%m.%Y`."""
    return if_matches(form_pattern(form), f"try_strptime(t, {literal(form)}) is not null")


def _by_span(forms: Sequence[str]) -> Inference[list[str]]:
    """Sort date formats by the time from the earliest to the latest date that they read in a column, shortest first.

    A wrong format spreads the dates over the year. Of formats that read all values alike, only one is returned.
    """
    times = [f"try_strptime(t, {literal(form)})" for form in forms]
    spans = yield [f"epoch(max({time}) - min({time}))" for time in times]
    contents = yield [f"md5(string_agg({time}::varchar, ',' order by t))" for time in times]
    by_content: dict[str, tuple[float, str]] = {}
    for span, content, form in zip(spans, contents, forms, strict=True):
        by_content.setdefault(content, (span, form))
    return [form for _, form in sorted(by_content.values(), key=lambda pair: pair[0])]


def _parsed(column: str, formats: list[str], kind: str) -> InferredType:
    cast = "::date" if kind == "DATE" else ""
    first, *others = (f"strptime({column}, {literal(form)}){cast}" for form in formats)
    return InferredType(kind, first, first, tuple(others))
