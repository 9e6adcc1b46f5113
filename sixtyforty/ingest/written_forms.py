"""SQL that turns numbers and dates, as a source writes them, into the forms that the casts accept.

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
FORM_OF_PART = {
    "d": "[0-9]{1,2}",
    "m": "[0-9]{1,2}",
    "b": "[A-Za-z]+",
    "B": "[A-Za-z]+",
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
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
    grouped = rf"[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+|" if thousands else ""
    form = rf"[+-]?(({grouped}[0-9]+)({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?"
    digits = f"replace({text}, {literal(thousands)}, '')" if thousands else text
    plain = f"replace({digits}, {literal(decimal)}, '.')"
    return f"case when regexp_full_match({text}, {literal(form)}) then {plain} end"


def _date_form(date_format: str) -> str:
    """Return a regular expression for dates of a format. DuckDB takes a year of any length, such as that of 3.2.24."""

    def form_of(part: re.Match[str]) -> str:
        if part[0] == " ":
            return " +"
        return FORM_OF_PART[part[1]] if part[1] else re.escape(part[0])

    return re.sub(r"%-?(.)|.", form_of, date_format)


def _plain_time_sql(text: str, date_format: str) -> str:
    """Return SQL for a date, which a time of day may follow, in ISO format."""
    date_form = f"^({_date_form(date_format)})(?: (.*))?$"
    date = f"try_strptime(regexp_extract({text}, {literal(date_form)}, 1), {literal(date_format)})"
    time = f"regexp_extract({text}, {literal(date_form)}, 2)"
    day = f"strftime({date}::date, '%Y-%m-%d')"
    return f"case when {time} = '' then {day} else {day} || ' ' || {time} end"
