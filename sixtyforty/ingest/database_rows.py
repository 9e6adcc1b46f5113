"""Write database rows as lines of CSV extracts, from which a scan reads every value and every null unchanged."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from typing import Any

from sixtyforty.ingest.binary_texts import binary_text

NEEDS_QUOTES = re.compile('^$|[,"\r\n]')


def csv_line(cells: Iterable[Any]) -> str:
    """Return a row of a database as a CSV line with a line break at its end.

    A missing value is an empty field without quotes. An empty text has quotes, so the two differ in the file.
    Times with a UTC offset are converted to UTC and written without the offset. Lists and objects are JSON.
    """
    line = ",".join([FREQUENT_TYPES.get(type(cell), _rare_field)(cell) for cell in cells])
    return (line or '""') + "\n"  # a reader skips an empty line, so an empty text is quoted


def _empty_field(_: None) -> str:
    return ""


def _rare_field(cell: Any) -> str:
    return _quoted(cell_text(cell))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text


def cell_text(cell: Any) -> str:
    """Return a database value as text. The value must not be null."""
    match cell:
        case str():
            return cell
        case bool():
            return str(cell).lower()
        case int() | float():
            return str(cell)
        case datetime():
            utc = cell.astimezone(UTC).replace(tzinfo=None) if cell.tzinfo else cell
            return utc.isoformat(sep=" ")
        case Decimal():
            return f"{cell:f}"
        case bytes() | bytearray() | memoryview():
            return binary_text(bytes(cell))
        case dict() | list() | tuple():
            return _json_text(cell)
        case _:
            return str(cell)


def _json_text(cell: Any) -> str:
    """Return the value of a JSON or array column as JSON."""
    match cell:
        case dict():
            return (
                "{"
                + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_json_text(v)}" for key, v in cell.items())
                + "}"
            )
        case list() | tuple():
            return "[" + ",".join(map(_json_text, cell)) + "]"
        case None | bool() | str() | int():
            return json.dumps(cell, ensure_ascii=False)
        case float() | Decimal():
            return cell_text(cell) if math.isfinite(cell) else json.dumps(cell_text(cell))
        case _:
            return json.dumps(cell_text(cell), ensure_ascii=False)


# Each cell of a database passes here, so the frequent types are looked up instead of matched. Numbers need no quotes.
FREQUENT_TYPES: dict[type, Callable[[Any], str]] = {NoneType: _empty_field, str: _quoted, int: str, float: str}
