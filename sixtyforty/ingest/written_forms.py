"""SQL that rewrites numbers and dates from the forms that a source declares to the forms that the casts accept.

A source declares its forms with `decimal`, `thousands` and `date_format`. A text that doesn't have the declared form
becomes NULL, so that it is quarantined: with a decimal comma, `1.500` is no number.
"""

from __future__ import annotations

import re

from sixtyforty.ingest.exact_casts import require_type
from sixtyforty.spec.sources import Source
from sixtyforty.storage.sql import literal

NUMBERS = ("whole", "decimal", "float")
TIMES = ("date", "timestamp", "zoned")
SHORT_NUMBERS = ("%d", "%m", "%H", "%I", "%M", "%S")  # may have one digit if a text separates them from other numbers
NUMBER_PARTS = {"%Y", "%y", *SHORT_NUMBERS}
TWO_DIGITS = "[0-9]{2}"
FORM_PARTS = {
    **dict.fromkeys(SHORT_NUMBERS, "[0-9]{1,2}"),
    **{"%Y": "[0-9]{4}", "%y": TWO_DIGITS, "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]+", "%p": "[AaPp][Mm]", " ": " +"},
}


def plain_text_sql(source: Source, column: str, text: str) -> str:
    """Return SQL for a column's text in the form that the casts accept; the text itself if no other form is declared.

    text: SQL of the text, without spaces at either end.
    """
    kind = require_type(source.columns[column]).kind
    if kind in NUMBERS and (source.decimal != "." or source.thousands):
        return _plain_number_sql(text, source.decimal, source.thousands or "")
    if kind in TIMES and source.date_format:
        return _plain_time_sql(text, source.date_format)
    return text


def _plain_number_sql(text: str, decimal: str, thousands: str) -> str:
    point = re.escape(decimal)
    # A number with groups never starts with a zero: where dots group digits, 0.123 has another decimal point.
    grouped = rf"[1-9][0-9]{{0,2}}({re.escape(thousands)}[0-9]{{3}})+|" if thousands else ""
    form = rf"[+-]?(({grouped}[0-9]+)({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?"
    digits = f"replace({text}, {literal(thousands)}, '')" if thousands else text
    plain = f"replace({digits}, {literal(decimal)}, '.')"
    return f"case when regexp_full_match({text}, {literal(form)}) then {plain} end"


def form_pattern(form: str) -> str:
    """Return a regular expression that matches dates in a form such as `%d.%m.%Y`.

    DuckDB alone would read `24` as a year with four digits. If no text separates two numbers, as in `%Y%m%d`, each
    needs all of its digits: `2024113` could be 13 January or 3 November.
    """
    parts = [part.replace("%-", "%") for part in re.findall(r"%-?\w|.", form)]
    neighbours = zip(["", *parts], parts, [*parts[1:], ""], strict=False)
    return "".join(
        _part_pattern(part, has_number_next=bool({before, after} & NUMBER_PARTS)) for before, part, after in neighbours
    )


def _part_pattern(part: str, has_number_next: bool) -> str:
    if part in SHORT_NUMBERS and has_number_next:
        return TWO_DIGITS
    return FORM_PARTS.get(part, re.escape(part))


def _plain_time_sql(text: str, date_format: str) -> str:
    """Return SQL that rewrites a date from the declared form to ISO format. A time of day after it stays unchanged."""
    date_form = rf"^({form_pattern(date_format)})(?: (.*))?$"
    date = f"try_strptime(regexp_extract({text}, {literal(date_form)}, 1), {literal(date_format)})"
    time = f"regexp_extract({text}, {literal(date_form)}, 2)"
    day = f"strftime({date}::date, '%Y-%m-%d')"
    return f"case when {time} = '' then {day} else {day} || ' ' || {time} end"
