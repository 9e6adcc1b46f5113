"""The cursor of a database source: how far its query was read, and which of the newest rows were imported.

A row may be committed after a row with a larger cursor value. So each read starts at the newest cursor value minus a
declared overlap. Rows that an earlier read imported are recognized by their hash and skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import canonical_json, digest

SECONDS_PER_DAY = 86400
CursorValue = Any  # a value of the cursor column; the keys of PARSERS name its types
ParseValue = Callable[[str], CursorValue]
PARSERS: dict[str, ParseValue] = {  # functions that parse a stored cursor value, by the name of the value's type
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "str": str,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


class CursorTypeError(SixtyfortyError):
    """The cursor column has a type that can't be used for a cursor."""


@dataclass
class QueryCursor:
    """How far the query of a source was read.

    - newest: the largest cursor value so far; None before the first read.
    - taken: the cursor value of each imported row that the next read returns again, by the hash of the row.
    - extract_count: the number of extracts written so far.
    - last_extract: the name of the extract that was written last.
    """

    newest: CursorValue = None
    taken: dict[str, CursorValue] = field(default_factory=dict)
    extract_count: int = 0
    last_extract: str | None = None

    def to_json(self) -> bytes:
        """Return this cursor as the content of the cursor file."""
        taken = {row: _to_pair(cursor_value) for row, cursor_value in self.taken.items()}
        return canonical_json(vars(self) | {"newest": _to_pair(self.newest), "taken": taken}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> QueryCursor:
        """Return the cursor that the content of a cursor file describes."""
        fields = json.loads(content)
        taken = {row: _from_pair(pair) for row, pair in fields["taken"].items()}
        return cls(**fields | {"newest": _from_pair(fields["newest"]), "taken": taken})

    def start(self, overlap: float) -> CursorValue:
        """Return the cursor value at which the next read starts; None if the next read must read all rows.

        overlap: in seconds, or in units of a numeric cursor column.
        """
        return None if self.newest is None else subtract_overlap(self.newest, overlap)


def _to_pair(cursor_value: CursorValue) -> list[str] | None:
    if cursor_value is None:
        return None
    text = cursor_value.isoformat() if isinstance(cursor_value, date) else str(cursor_value)
    return [type(cursor_value).__name__, text]


def _from_pair(pair: Sequence[str] | None) -> CursorValue:
    return None if pair is None else PARSERS[pair[0]](pair[1])


def subtract_overlap(cursor_value: CursorValue, overlap: float) -> CursorValue:
    """Return a cursor value minus the overlap.

    overlap: seconds for a time, which may be text in ISO format; otherwise units of a number. A text that is not a time
    is returned unchanged. Raises CursorTypeError for a type that can't be used for a cursor.
    """
    type_name = type(cursor_value).__name__
    if type_name not in PARSERS:
        raise CursorTypeError(
            f"the cursor column has the type {type_name}. Declare a cursor column whose values only grow: numbers,"
            " times or texts"
        )
    if isinstance(cursor_value, str):  # SQLite stores times as text
        try:
            start = datetime.fromisoformat(cursor_value) - timedelta(seconds=overlap)
        except ValueError:
            return cursor_value
        return start.isoformat(sep="T" if "T" in cursor_value else " ")
    if isinstance(cursor_value, datetime):
        return cursor_value - timedelta(seconds=overlap)
    if isinstance(cursor_value, date):
        return cursor_value - timedelta(days=-(-overlap // SECONDS_PER_DAY))  # rounded up to whole days
    return cursor_value - type(cursor_value)(overlap)


def advance_cursor(
    cursor: QueryCursor, rows: Iterable[tuple[CursorValue, str]], overlap: float
) -> tuple[QueryCursor, list[str]]:
    """Return the cursor after some rows were read, and the CSV lines that are new, in order and without repetition.

    rows: (cursor value, CSV line) of each row. overlap: in seconds, or in units of a numeric cursor column.
    """
    taken, newest, new_lines = dict(cursor.taken), cursor.newest, []
    for cursor_value, line in rows:
        row_hash = digest(line.encode())
        if row_hash not in taken:
            new_lines.append(line)
        taken[row_hash] = cursor_value
        if cursor_value is not None and (newest is None or cursor_value > newest):
            newest = cursor_value
    start = None if newest is None else subtract_overlap(newest, overlap)
    in_overlap = {row: value for row, value in taken.items() if value is None or start is None or value >= start}
    return QueryCursor(newest, in_overlap, cursor.extract_count, cursor.last_extract), new_lines
