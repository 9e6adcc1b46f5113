"""Read the header of a CSV file, and detect the delimiter of the file.

A first line such as `sep=;` names the delimiter. Without this line, the delimiter is the declared one. If none is
declared, it is the delimiter that splits the header into the columns of the data contract.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sixtyforty.ingest.extract import (
    EMPTY_FILE,
    MAX_COLUMNS,
    MAX_RECORD_BYTES,
    MatchedColumns,
    RefusedExtractError,
    match_columns,
)
from sixtyforty.ingest.formats.csv_records import RecordPatterns, split_fields
from sixtyforty.ingest.formats.text_blocks import NOT_TEXT
from sixtyforty.spec.sources import Source

USUAL_DELIMITER = ","
DELIMITERS = (USUAL_DELIMITER, ";", "\t", "|")
_SEPARATOR_LINE = re.compile(rb'"?sep=([\t -~])"?(?:\r\n|\n|\r)', re.I)  # a line that Excel reads and writes


class Header(NamedTuple):
    """The header of a CSV file.

    - delimiter: the delimiter of the file.
    - names: the name of each column of the file. It is empty for a column without a name.
    - matched: the columns, matched with the data contract.
    - rest: the text after the header, as far as it was read.
    - line: the number of the first line after the header.
    """

    delimiter: str
    names: list[str]
    matched: MatchedColumns
    rest: bytes
    line: int

    @property
    def named_count(self) -> int:
        """The number of columns up to the last column that has a name."""
        return max(position for position, name in enumerate(self.names, 1) if name)

    @property
    def left_out(self) -> list[int]:
        """The positions, from 1, of columns without a name before the last column that has one, such as an index.

        They are left out like columns that the contract doesn't declare.
        """
        return [position for position, name in enumerate(self.names[: self.named_count], 1) if not name]


class _Reading(NamedTuple):
    """The column names that a header has if it is split at one delimiter. end: the position after the header."""

    delimiter: str
    names: list[str]
    matched: MatchedColumns
    end: int

    @property
    def column_count(self) -> int:
        """The number of columns of the data contract that the header has."""
        return sum(bool(names) for names in self.matched.names.values())


def read_header(blocks: Iterator[bytes], source: Source) -> Header:
    """Read the header of a CSV file. blocks: the text of the file in UTF-8, of which only the first blocks are read.

    Raises RefusedExtractError if the file has no header or lacks columns of the contract.
    """
    text, readings, usual = b"", list[_Reading](), source.delimiter or USUAL_DELIMITER
    for block in chain(blocks, [b"\n"]):
        text += block
        start, separator = _skip_first_lines(text)
        usual = separator or source.delimiter or USUAL_DELIMITER
        readings = _read_alternatives(text, start, [separator] if separator else [usual, *DELIMITERS], source)
        if any(reading.end < len(text) for reading in readings) or len(text) > MAX_RECORD_BYTES:
            break
    if not text.strip():
        raise RefusedExtractError(EMPTY_FILE)
    reading = max(readings, key=lambda reading: _rank(reading, source.delimiter), default=None)
    # If the delimiter is wrong, a quote that seems out of place may be part of a field's text.
    is_certain = reading and (reading.column_count or any(other.delimiter == usual for other in readings))
    if reading is None or not is_certain:
        raise RefusedExtractError(
            f"the header is longer than {MAX_RECORD_BYTES >> 20} MB, or a quote in it is out of place or never closed."
            " Ask the sender for a header in the first line."
        )
    problem = _header_problem(reading, readings, source)
    if problem:
        raise RefusedExtractError(problem)
    line = 1 + len(text[: reading.end].splitlines())
    return Header(reading.delimiter, reading.names, reading.matched, text[reading.end :], line)


def _skip_first_lines(text: bytes) -> tuple[int, str | None]:
    """Return where the header starts, and the delimiter from a line such as `sep=;` before it, if any."""
    start = len(text) - len(text.lstrip(b"\r\n"))
    match = _SEPARATOR_LINE.match(text, start)
    return (match.end(), match.group(1).decode()) if match else (start, None)


def _read_alternatives(text: bytes, start: int, delimiters: Iterable[str], source: Source) -> list[_Reading]:
    """Return one split of the header for each delimiter. Stop after the first split that has all declared columns.

    If the source declares no columns, as in profiling, all delimiters are tried.
    """
    readings = list[_Reading]()
    for delimiter in dict.fromkeys(delimiters):
        reading = _read_names(text, start, delimiter, source)
        if reading:
            readings.append(reading)
            if source.columns and reading.column_count == len(source.columns):
                break
    return readings


def _read_names(text: bytes, start: int, delimiter: str, source: Source) -> _Reading | None:
    """Split the header at a delimiter. Return None if the header isn't complete or has a quote out of place."""
    match = RecordPatterns(delimiter.encode()).sound.match(text, start)
    if not match:
        return None
    zero = match.group().find(b"\0")
    if zero >= 0:
        raise RefusedExtractError(NOT_TEXT.format(match.start() + zero))
    try:
        match.group().decode()
    except UnicodeDecodeError as error:
        raise RefusedExtractError(
            f"the header is not UTF-8: byte {error.start} is invalid. Declare the `encoding` of the source, such as"
            " cp1252."
        ) from None
    names = [field.decode() for field in split_fields(match.group(), delimiter.encode())]
    return _Reading(delimiter, names, match_columns(source, filter(None, names)), match.end())


def _rank(reading: _Reading, declared: str | None) -> tuple[bool, bool, int, int]:
    """Rate how well the column names of a split header fit the data contract. A larger tuple is a better fit."""
    return reading.delimiter == declared, reading.matched.missing is None, reading.column_count, len(reading.names)


def _header_problem(reading: _Reading, others: Sequence[_Reading], source: Source) -> str | None:
    """Return why a CSV file is refused because of its header; None if it isn't refused.

    reading: the header, split at the best delimiter. others: the header, split at other delimiters.
    """
    if len(reading.names) > MAX_COLUMNS:
        return f"the header has more than {MAX_COLUMNS:,} columns. Ask the sender for fewer columns."
    counts = Counter(reading.names)
    repeated = [name for column in source.columns for name in source.names_of(column) if counts[name] > 1]
    if repeated:
        return f"the column '{repeated[0]}' occurs twice in the header. Ask the sender for unique column names."
    if not any(reading.names):
        return "the header names no column. Ask the sender for the names of the columns in the first line."
    if not reading.matched.missing:
        return None
    fitting = next((other.delimiter for other in others if not other.matched.missing), None)
    if fitting:
        return (
            f"the delimiter is {fitting!r}, but the source declares {reading.delimiter!r}."
            " Correct its `delimiter`, or ask the sender to use the declared one."
        )
    cut = "" if reading.delimiter == "," or not reading.column_count else f" The delimiter is {reading.delimiter!r}."
    return f"columns missing from the header: {reading.matched.missing}{cut}"
