"""What must become of each line of the extracts, by the words of docs/concepts/quarantine.md, in plain Python."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.fuzz.layout import COLUMNS, FIRST, LAST, Record

DAY = r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})"


@dataclass
class Line:
    """A line with its extract. status: row, quarantined, duplicate or superseded. cells: the exact values."""

    extract: str
    seq: int
    number: int
    partition: str
    cells: dict[str, Any] = field(default_factory=dict)
    status: str = "row"


def exact_cell(column: str, text: str | None) -> tuple[bool, Any]:
    """Return whether a text has an exact value in a column, and the value; (True, None) if it is missing."""
    if text is not None:
        text = _trim(text)
    if not text:
        return True, None
    try:
        return True, PARSERS[column](text)
    except (ValueError, ArithmeticError):
        return False, None


def _trim(text: str) -> str:
    while text and unicodedata.category(text[0]) == "Zs":
        text = text[1:]
    while text and unicodedata.category(text[-1]) == "Zs":
        text = text[:-1]
    return text


def _match(form: str, text: str) -> re.Match[str]:
    match = re.fullmatch(form, text, re.ASCII)
    if not match:
        raise ValueError(text)
    return match


def _whole(text: str) -> int:
    number = int(_match(r"([+-]?\d{1,38})(\.0*)?", text)[1])
    if not -(2**63) <= number < 2**63:
        raise ValueError(text)
    return number


def _money(text: str) -> Decimal:
    _match(r"[+-]?(\d+(\.\d{0,2}0*)?|\.\d{1,2}0*)", text)
    number = Decimal(text).quantize(Decimal("0.01")) + 0  # zero has no sign
    if abs(number) >= 10**10:
        raise ValueError(text)
    return number


def _double(text: str) -> float:
    _match(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _truth(text: str) -> bool:
    _match(r"true|True|TRUE|false|False|FALSE|t|T|f|F|1|0|(?i:yes|no|y|n)", text)
    return text.lower() in ("true", "t", "1", "yes", "y")


def _day(text: str) -> date:
    match = _match(DAY + r"([ T]00:00(:00(\.0*)?)?)?", text)
    return date(int(match[1]), int(match[3]), int(match[4]))


def _time(text: str) -> datetime:
    clock = r"(?:[ T](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{0,6})0*)?)?"
    offset = r"(?: ?Z| UTC| GMT| ?(?P<sign>[+-])(?P<hours>0\d|1[0-5])(?::?(?P<minutes>[0-5]\d))?)?)?"
    match = _match(DAY + clock + offset, text)
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    is_day_after = (hour, minute, second, (match["fraction"] or "").strip("0")) == (24, 0, 0, "")
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    day = date(int(match[1]), int(match[3]), int(match[4])) + timedelta(days=is_day_after)
    moment = datetime(day.year, day.month, day.day, 0 if is_day_after else hour, minute, second, fraction)
    shift = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    return moment + (shift if match["sign"] == "-" else -shift)


PARSERS: dict[str, Callable[[str], Any]] = {
    "id": _whole,
    "day": _day,
    "amount": _money,
    "ratio": _double,
    "paid": _truth,
    "at": _time,
    "note": str,
}


def place_lines(extract: str, seq: int, name: str, records: Sequence[Record]) -> list[Line]:
    """Return the lines of one extract in their partitions. A line without a usable date gets the fallback partition."""
    in_name = re.search(r"2024-03-0[1-5]", name)
    dated = {record.number: _usable_day(record) for record in records}
    usable = [day for day in dated.values() if day]
    fallback = in_name[0] if in_name else min(usable, default=str(FIRST))
    lines = []
    for record in records:
        line = Line(extract, seq, record.number, dated[record.number] or fallback)
        if record.texts is not None:
            cells = {column: exact_cell(column, text) for column, text in record.texts.items()}
            line.cells = {column: cell for column, (_, cell) in cells.items()}
            is_sound = all(is_exact for is_exact, _ in cells.values()) and line.cells["id"] is not None
            line.status = "row" if is_sound and dated[record.number] else "quarantined"
        else:
            line.status = "quarantined"
        lines.append(line)
    return lines


def _usable_day(record: Record) -> str | None:
    _, day = exact_cell("day", record.texts["day"]) if record.texts else (True, None)
    return str(day) if day and FIRST <= day <= LAST else None


def settle(lines: Sequence[Line]) -> None:
    """Give each line its final status: the newest extract decides on a key, and a repeated key is quarantined.

    The lines before a quarantined one compete again, and the newest of them is in force. A line with an error leaves
    the quarantine if a later extract has a line with its key and no error, whatever the partition.
    """
    by_key: dict[int, list[Line]] = {}
    for line in lines:
        if line.cells.get("id") is not None:
            by_key.setdefault(line.cells["id"], []).append(line)
    for same_key in by_key.values():
        sound = [line for line in same_key if line.status == "row"]
        for line in same_key:
            if line.status == "quarantined":
                line.status = "superseded" if any(other.seq > line.seq for other in sound) else "quarantined"
        _settle_key(sorted(sound, key=lambda line: (line.seq, line.number)))


def _settle_key(sound: Sequence[Line]) -> None:
    """Give the sound lines with one key their status, in order of arrival."""
    by_seq: dict[int, list[Line]] = {}
    for line in sound:
        by_seq.setdefault(line.seq, []).append(line)
    if not by_seq:
        return
    *_, newest = by_seq.values()
    if _agree(newest):
        _settle_sound(sound)
        return
    _mark_copies(newest, "quarantined")
    older = sound[: -len(newest)]
    _mark_copies(older, "superseded")
    agreeing = [lines for seq, lines in by_seq.items() if seq < newest[0].seq and _agree(lines)]
    if agreeing:
        content = _content(agreeing[-1][0])
        next(line for line in older if _content(line) == content).status = "row"


def _agree(lines: Sequence[Line]) -> bool:
    return len({_content(line) for line in lines}) == 1


def _mark_copies(lines: Sequence[Line], status: str) -> None:
    """Give a status to the first of equal lines. The others are duplicates."""
    contents = set[tuple[Any, ...]]()
    for line in lines:
        line.status = "duplicate" if _content(line) in contents else status
        contents.add(_content(line))


def _content(line: Line) -> tuple[Any, ...]:
    return (line.partition, *(line.cells[column] for column in COLUMNS))


def _settle_sound(sound: Sequence[Line]) -> None:
    """Give the lines with one key their status, in order of arrival."""
    copies: dict[tuple[Any, ...], list[Line]] = {}
    for line in sound:
        copies.setdefault(_content(line), []).append(line)
    for first, *others in copies.values():
        for other in others:
            other.status = "duplicate"
        newest = max([first.seq, *(other.seq for other in others)])
        if newest < sound[-1].seq:
            first.status = "superseded"
