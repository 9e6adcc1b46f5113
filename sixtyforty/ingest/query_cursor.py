"""The cursor of a database source: how far its query was read, and which of the newest rows were imported.

A row may be committed after a row with a larger cursor value. So each read starts at the newest cursor value minus a
declared overlap. Rows that an earlier read imported are recognized by their hash and skipped.

A cursor value in the future never moves the start of the next read, because the reads would then skip all rows until
that time. Neither does a cursor value of another kind than the declared one. A text in a column of times, for example,
sorts behind all times.

A row that is committed with a cursor value before the start is never read. To notice such rows, the cursor counts the
table's rows before the start.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from sixtyforty.spec.contract_types import Kind
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import canonical_json, digest

SECONDS_PER_DAY = 86400
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TIMES: tuple[Kind, ...] = ("date", "timestamp", "zoned")
NUMBERS: tuple[Kind, ...] = ("whole", "decimal", "float")
NUMBER_TYPES = (int, float, Decimal)
AHEAD = timedelta(days=1)  # a cursor value later than this after now is in the future in every time zone
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


class DamagedCursorError(SixtyfortyError):
    """The content of a cursor file describes no cursor, as after an edit or a power cut."""


@dataclass
class QueryCursor:
    """How far the query of a source was read.

    - newest: the largest cursor value so far; None before the first read.
    - taken: the cursor value of each imported row that the next read returns again, by the hash of the row.
    - extract_count: the number of extracts written so far.
    - last_extract: the name of the extract that was written last.
    - settled_before, settled_rows: the start of the next read when the rows were counted last, and the number of rows
      of the table before it.
    - late_rows: the number of rows that were later added before that start, and so were never read.
    """

    newest: CursorValue = None
    taken: dict[str, CursorValue] = field(default_factory=dict)
    extract_count: int = 0
    last_extract: str | None = None
    settled_before: CursorValue = None
    settled_rows: int = 0
    late_rows: int = 0

    def to_json(self) -> bytes:
        """Return this cursor as the content of the cursor file."""
        taken = {row: _to_pair(cursor_value) for row, cursor_value in self.taken.items()}
        pairs = {"newest": _to_pair(self.newest), "settled_before": _to_pair(self.settled_before), "taken": taken}
        return canonical_json(vars(self) | pairs).encode()

    @classmethod
    def from_json(cls, content: bytes) -> QueryCursor:
        """Return the cursor that the content of a cursor file describes. Raises DamagedCursorError if there is none."""
        try:
            fields = json.loads(content)
            taken = {row: _from_pair(pair) for row, pair in fields["taken"].items()}
            times = {name: _from_pair(fields.get(name)) for name in ("newest", "settled_before")}
            return TypeAdapter(cls).validate_python(fields | times | {"taken": taken})
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            raise DamagedCursorError(f"the file describes no cursor ({type(error).__name__})") from error

    def without_wrong_start(self, kind: Kind | None, now: datetime) -> QueryCursor:
        """Return this cursor, or one that reads all rows again if the next read can't start at the newest cursor value.

        kind: see `can_start`. now: UTC, naive. The newest value is wrong if the clock was wrong, or if the file was
        edited. Rows that are read again are counted as duplicates, and no row is late any more.
        """
        if self.newest is None or can_start(self.newest, kind, now):
            return self
        return replace(self, newest=None, settled_before=None, settled_rows=0, late_rows=0)

    def start(self, overlap: float) -> CursorValue:
        """Return the cursor value at which the next read starts; None if the next read must read all rows.

        overlap: in seconds, or in units of a numeric cursor column.
        """
        return None if self.newest is None else subtract_overlap(self.newest, overlap)

    def count_settled(self, start: CursorValue, count_before: Callable[[CursorValue], int]) -> QueryCursor:
        """Return this cursor of a query with a new count of the settled rows and of the late rows (see QueryCursor).

        start: where the next read starts. count_before: counts the rows of the table with a smaller cursor value.
        """
        settled_rows = 0 if start is None else count_before(start)
        late_rows = 0
        if self.settled_before is not None:
            rows = settled_rows if self.settled_before == start else count_before(self.settled_before)
            late_rows = max(0, rows - self.settled_rows)
        return replace(self, settled_before=start, settled_rows=settled_rows, late_rows=self.late_rows + late_rows)

    def describe_problems(self, column: str, kind: Kind | None, file: str, now: datetime) -> list[str]:
        """Return a text for each problem with the cursor column: wrong kinds, times in the future, and late rows.

        column: the cursor column. kind: see `can_start`. file: the path of the cursor file. now: UTC, naive.
        """
        problems = []
        known = [cursor_value for cursor_value in self.taken.values() if cursor_value is not None]
        if other_rows := sum(not _is_of_kind(cursor_value, kind) for cursor_value in known):
            noun = "time" if kind in TIMES else "number"
            problems.append(
                f"{format_plural(other_rows, 'row')} with a {column} that is no {noun}. They were imported, and don't"
                " move the start of the next read. Correct them in the database."
            )
        if future_rows := sum(is_future(cursor_value, now) for cursor_value in self.taken.values()):
            problems.append(
                f"{column} is in the future, after {now + AHEAD:%Y-%m-%d}, in {format_plural(future_rows, 'row')}. The"
                f" import of these rows doesn't move the start of the next read. Correct {column} in the database."
            )
        if self.late_rows:
            problems.append(
                f"{column} is earlier than cursor_overlap allows in {format_plural(self.late_rows, 'new row')}, so the"
                f" query didn't import them. Declare a larger cursor_overlap, and delete {file} to read all rows again."
            )
        return problems


def can_start(cursor_value: CursorValue, kind: Kind | None, now: datetime) -> bool:
    """Return whether the next read can start at a cursor value: it is of the declared kind, and not in the future.

    kind: what the declared type of the cursor column holds; None if the column isn't declared. now: UTC, naive.
    """
    return _is_of_kind(cursor_value, kind) and not is_future(cursor_value, now)


def _is_of_kind(cursor_value: CursorValue, kind: Kind | None) -> bool:
    if kind in NUMBERS:
        return isinstance(cursor_value, NUMBER_TYPES) and math.isfinite(cursor_value)
    if kind not in TIMES or isinstance(cursor_value, date):
        return True
    try:
        datetime.fromisoformat(cursor_value)  # SQLite stores times as text
    except (TypeError, ValueError):
        return False
    return True


def is_future(cursor_value: CursorValue, now: datetime) -> bool:
    """Return whether a cursor value is a time more than AHEAD after `now` (UTC, naive). Numbers are never future."""
    if isinstance(cursor_value, str):
        try:
            cursor_value = datetime.fromisoformat(cursor_value)
        except ValueError:
            return False
    if isinstance(cursor_value, datetime):
        return (
            cursor_value.astimezone(UTC).replace(tzinfo=None) if cursor_value.tzinfo else cursor_value
        ) > now + AHEAD
    return isinstance(cursor_value, date) and cursor_value > (now + AHEAD).date()


def _to_pair(cursor_value: CursorValue) -> list[str] | None:
    if cursor_value is None:
        return None
    text = cursor_value.isoformat() if isinstance(cursor_value, date) else str(cursor_value)
    return [type(cursor_value).__name__, text]


def _from_pair(pair: Sequence[str] | None) -> CursorValue:
    return None if pair is None else PARSERS[pair[0]](pair[1])


def subtract_overlap(cursor_value: CursorValue, overlap: float) -> CursorValue:
    """Return a cursor value minus the overlap: the cursor value at which the next read starts.

    overlap: seconds for a time, which may be text in ISO format; otherwise units of a number. A text that is not a time
    is returned unchanged. Raises CursorTypeError for a type that can't be used for a cursor.
    """
    type_name = type(cursor_value).__name__
    if type_name not in PARSERS:
        raise CursorTypeError(
            f"the cursor column has the type {type_name}. Declare a cursor column whose values only grow: numbers,"
            " times or texts"
        )
    if isinstance(cursor_value, str):  # a database such as SQLite stores times as text
        if not overlap:
            return cursor_value
        try:
            if ISO_DATE.fullmatch(cursor_value):  # as a text, a date sorts before its midnight
                return subtract_overlap(date.fromisoformat(cursor_value), overlap).isoformat()
            start = datetime.fromisoformat(cursor_value) - timedelta(seconds=overlap)
        except ValueError:
            return cursor_value
        return start.isoformat(sep="T" if "T" in cursor_value else " ")
    if isinstance(cursor_value, datetime):
        return cursor_value - timedelta(seconds=overlap)
    if isinstance(cursor_value, date):
        return cursor_value - timedelta(days=-(-overlap // SECONDS_PER_DAY))  # the overlap, rounded up to whole days
    return cursor_value - type(cursor_value)(overlap)


def advance_cursor(
    cursor: QueryCursor, rows: Iterable[tuple[CursorValue, str]], kind: Kind | None, overlap: float, now: datetime
) -> tuple[QueryCursor, list[str]]:
    """Return the cursor after some rows were read, and the CSV lines that are new, in order and without repetition.

    rows: (cursor value, CSV line) of each row. kind: see `can_start`. overlap: in seconds, or in units of a numeric
    cursor column. now: UTC, naive.
    """
    taken, newest, new_lines = dict(cursor.taken), cursor.newest, []
    for cursor_value, line in rows:
        row_hash = digest(line.encode())
        if row_hash not in taken:
            new_lines.append(line)
        taken[row_hash] = cursor_value
        if cursor_value is None or not can_start(cursor_value, kind, now):
            continue
        if newest is None or cursor_value > newest:
            newest = cursor_value
    advanced = replace(cursor, newest=newest)
    start = advanced.start(overlap)
    advanced.taken = {
        row: cursor_value
        for row, cursor_value in taken.items()
        if cursor_value is None or start is None or not _is_of_kind(cursor_value, kind) or cursor_value >= start
    }
    return advanced, new_lines
