"""Cut CSV text into records. A record is a row of the file, and may have line breaks within quoted values.

The rules are those of RFC 4180, and of Python's `csv` module where the RFC is silent:

- A quote opens a quoted value only at the start of a field. Two quotes within a quoted value are one quote.
- Any other quote is text.
- A record is broken if text follows a closing quote, or if a quote is never closed.
- All lines of a broken record are broken lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sixtyforty.ingest.extract import CHUNK_ROWS, MAX_RECORD_BYTES, BrokenLine, broken_line

if TYPE_CHECKING:
    import numpy as np

NEWLINE, RETURN, QUOTE = b'\n\r"'
LINE_ENDS = b"\r\n"
TOO_LONG = f"the record that starts in line {{}} is longer than {MAX_RECORD_BYTES >> 20} MB"
OPEN_QUOTE = "the record that starts in line {} has a quote that is never closed"
TEXT_AFTER_QUOTE = "the record that starts in line {} has text after a closing quote"


class RecordBatch(NamedTuple):
    """Consecutive records of a CSV file, at most CHUNK_ROWS.

    content: the readable records, with their line ends. Empty lines between them are no records.
    numbers: for each readable record, the number of its first line.
    broken: the lines of the broken records, in order.
    has_line_breaks: whether a quoted value may contain a line break.
    """

    content: bytes
    numbers: Sequence[int] | np.ndarray
    broken: list[BrokenLine]
    has_line_breaks: bool


class RecordPatterns:
    """Regular expressions, none of which backtracks, for the records of a CSV file with a certain delimiter.

    - field: a readable field, which may be empty.
    - sound: a readable record with its line end.
    - record: a record with its line end, readable or broken. It doesn't match if a quote is never closed.
    - after_field, after_quote: the rest of a record, from a position outside of quotes or within them.
    - closed: for each of the patterns `record`, `after_field` and `after_quote`, the same pattern without the line end.
    """

    def __init__(self, delimiter: bytes) -> None:
        comma, other = re.escape(delimiter), rb"[^" + re.escape(delimiter) + rb"\r\n]"
        within = rb'(?:[^"]++|"")*+"'
        plain = rb"[^" + re.escape(delimiter) + rb'"\r\n]' + other + rb"*+"
        sound_field = rb'(?:"' + within + rb"|" + plain + rb"|)"
        field = rb'(?:"' + within + other + rb"*+|" + plain + rb"|)"
        fields, end = rb"(?:" + comma + field + rb")*+", rb"(?:\r\n|\n|\r)"
        self.field = re.compile(sound_field)
        self.sound = re.compile(sound_field + rb"(?:" + comma + sound_field + rb")*+" + end)
        self.record = re.compile(field + fields + end)
        self.after_field = re.compile(other + rb"*+" + fields + end)
        self.after_quote = re.compile(within + other + rb"*+" + fields + end)
        self.closed = {
            self.record: re.compile(field + fields),
            self.after_field: re.compile(other + rb"*+" + fields),
            self.after_quote: re.compile(within + other + rb"*+" + fields),
        }


class _Layout(NamedTuple):
    """The positions of the complete records in a text. The text starts with the first byte of a record.

    - end: where the last complete record ends.
    - line_count: the number of lines before `end`.
    - starts, ends: where each record starts, and where its line end ends; None if each line is a record.
    - lines: how many lines are before each record; None if each line is a record.
    - is_filled: for each record, whether it is more than a line end; None if no record is only a line end.
    """

    end: int
    line_count: int
    starts: np.ndarray | None = None
    ends: np.ndarray | None = None
    lines: np.ndarray | None = None
    is_filled: np.ndarray | None = None

    @property
    def has_line_breaks(self) -> bool:
        """Whether a quoted value contains a line break."""
        return self.ends is not None and len(self.ends) < self.line_count

    def portions(self, line: int) -> Iterator[tuple[int, int, Sequence[int] | np.ndarray]]:
        """Yield portions of at most CHUNK_ROWS records: start and end in the text, and the records' line numbers.

        line: the number of the first line.
        """
        if self.starts is None or self.ends is None or self.lines is None or self.is_filled is None:
            yield 0, self.end, range(line, line + self.line_count)
            return
        for first in range(0, len(self.ends), CHUNK_ROWS):
            portion = slice(first, first + CHUNK_ROWS)
            start, end = int(self.starts[first]), int(self.ends[portion][-1])
            yield start, end, line + self.lines[portion][self.is_filled[portion]]


def split_records(blocks: Iterable[bytes], delimiter: bytes, line: int) -> Iterator[RecordBatch]:
    """Yield the records of a CSV text, in the order of the file.

    blocks: the text in UTF-8, cut anywhere. line: the number of the first line.
    """
    splitter = _Splitter(delimiter, line)
    for block in blocks:
        yield from splitter.feed(block)
    yield from splitter.finish()


def list_records(batch: RecordBatch, delimiter: bytes) -> list[bytes]:
    """Return the readable records of a batch with their line ends, in the order of the file."""
    pattern = RecordPatterns(delimiter).sound
    return [match.group() for match in pattern.finditer(batch.content) if match.group()[0] not in LINE_ENDS]


def split_fields(record: bytes, delimiter: bytes) -> list[bytes]:
    """Split a readable record, with or without its line end, into fields. Quoted fields lose their quotes."""
    fields, position = list[bytes](), 0
    pattern = RecordPatterns(delimiter).field
    while match := pattern.match(record, position):
        field, position = match.group(), match.end()
        fields.append(field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field)
        if record[position : position + 1] != delimiter:
            return fields
        position += 1
    raise ValueError("the record has text after a closing quote, or a quote that is never closed")


def break_record(record: bytes, number: int, reason: str) -> list[BrokenLine]:
    """Return the lines of a record as broken lines. Empty lines are left out.

    number: the number of the record's first line in the file.
    """
    lines = enumerate(record.splitlines(), number)
    return [broken_line(line_number, reason, line) for line_number, line in lines if line]


class _Splitter:
    """Cuts CSV text, which is read in blocks, into records.

    - _rest: the text that is not cut yet. It starts with a record, or within a record of over MAX_RECORD_BYTES.
    - _line: the number of the line that `_rest` starts with.
    - _pattern: the pattern for the start of `_rest`.
    - _reason: why the lines of a long record are broken; empty between two records.
    - _is_reported: whether the line that `_rest` starts with is among the broken lines already.
    """

    def __init__(self, delimiter: bytes, line: int) -> None:
        self._delimiter, self._line = delimiter, line
        self._patterns = RecordPatterns(delimiter)
        self._rest, self._reason, self._is_reported = b"", "", False
        self._pattern = self._patterns.record

    def feed(self, block: bytes) -> Iterator[RecordBatch]:
        """Add a block of CSV text, and yield the records that the block completes.

        A block is cut where the record before it would become too long, so that the length of a record decides, and not
        the size of the blocks.
        """
        room = max(1, MAX_RECORD_BYTES + 1 - len(self._rest))
        for piece in filter(None, (block[:room], block[room:])):
            yield from self._feed_piece(piece)

    def _feed_piece(self, piece: bytes) -> Iterator[RecordBatch]:
        text = self._rest + piece
        undecided = b"\r" if text.endswith(b"\r") else b""  # it may be the first half of `\r\n`
        yield from self._take(text.removesuffix(undecided))
        self._rest += undecided

    def finish(self) -> Iterator[RecordBatch]:
        """Yield the records that remain after the last block. The very last record may lack a line end."""
        text = self._rest
        if text and text[-1] not in LINE_ENDS:
            text += b"\n"
        yield from self._take(text)
        if self._rest:
            yield from self._break_lines(self._rest, self._reason or OPEN_QUOTE.format(self._line))

    def _take(self, text: bytes) -> Iterator[RecordBatch]:
        """Yield the complete records at the start of a text, and store the remaining text for the next block."""
        if not self._reason:
            layout = _find_records(text, self._delimiter[0]) if b'"' in text else _find_lines(text)
            if layout is not None:
                for start, end, numbers in layout.portions(self._line):
                    if len(numbers):
                        yield RecordBatch(text[start:end], numbers, [], layout.has_line_breaks)
                self._line += layout.line_count
                text = text[layout.end :]
        yield from self._take_one_by_one(text)
        if len(self._rest) > MAX_RECORD_BYTES:
            yield from self._drop_long_record()

    def _take_one_by_one(self, text: bytes) -> Iterator[RecordBatch]:
        """Yield the complete records of a text, matched one by one, and store the remaining text for the next block."""
        position, sound, numbers, broken = 0, list[bytes](), list[int](), list[BrokenLine]()
        while match := self._pattern.match(text, position):
            record, position = match.group(), match.end()
            line_count = len(record.splitlines()) if b'"' in record else 1
            if len(numbers) + len(broken) + line_count > CHUNK_ROWS and (numbers or broken):
                yield RecordBatch(b"".join(sound), numbers, broken, True)
                sound, numbers, broken = [], [], []
            if self._reason or not self._patterns.sound.fullmatch(record):
                reason = self._reason or TEXT_AFTER_QUOTE.format(self._line)
                if line_count > CHUNK_ROWS:
                    yield from self._break_lines(record, reason)
                else:
                    broken += self._broken_lines(record, reason)
                    self._line += line_count
            else:
                if record[0] not in LINE_ENDS:
                    sound.append(record)
                    numbers.append(self._line)
                self._line += line_count
            self._pattern, self._reason, self._is_reported = self._patterns.record, "", False
        if numbers or broken:
            yield RecordBatch(b"".join(sound), numbers, broken, True)
        self._rest = text[position:]

    def _drop_long_record(self) -> Iterator[RecordBatch]:
        """Yield the lines of a record that is too long as broken lines. The next blocks hold the rest of the record."""
        text, patterns = self._rest, self._patterns
        self._reason = self._reason or TOO_LONG.format(self._line)
        if patterns.closed[self._pattern].fullmatch(text):
            self._pattern, held = patterns.after_field, self._delimiter if text.endswith(self._delimiter) else b""
        else:
            quotes = len(text) - len(text.rstrip(b'"'))
            self._pattern, held = (
                patterns.after_quote,
                b'"' * (quotes % 2),
            )  # the next byte shows if a quote closes
        yield from self._break_lines(text, self._reason)
        self._rest = held

    def _break_lines(self, text: bytes, reason: str) -> Iterator[RecordBatch]:
        """Yield the lines of a CSV text as broken lines. A last line without a line end goes on in the next text."""
        position = 0
        while position < len(text):
            end = _end_of_lines(text, position)
            piece, position = text[position:end], end
            broken = self._broken_lines(piece, reason)
            if broken:
                yield RecordBatch(b"", [], broken, False)
            self._is_reported = piece[-1] not in LINE_ENDS
            self._line += len(piece.splitlines()) - self._is_reported

    def _broken_lines(self, text: bytes, reason: str) -> list[BrokenLine]:
        broken = break_record(text, self._line, reason)
        return [line for line in broken if line.number > self._line] if self._is_reported else broken


def _end_of_lines(text: bytes, start: int) -> int:
    """Return the byte position at which the next lines of a text end: at least one line, and at most CHUNK_ROWS lines.

    start: the byte position where these lines start.
    """
    limit = start + 2 * CHUNK_ROWS  # a broken line is not empty, so it has at least two bytes
    end = (text.rfind(b"\n", start, limit) + 1) or (text.rfind(b"\r", start, limit) + 1)
    if not end:
        end = next((after for after in (text.find(b"\n", start) + 1, text.find(b"\r", start) + 1) if after), len(text))
    return end + text.startswith(b"\n", end) if text[end - 1] == RETURN else end


def _find_lines(text: bytes) -> _Layout:
    """Return the positions of the records in a text without quotes, in which each line is a record."""
    import numpy as np

    end = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
    if not end:
        return _Layout(0, 0)
    array = np.frombuffer(text, np.uint8, end)
    line_ends = _line_ends(array)
    layout = _layout(array, line_ends, line_ends)
    is_plain = len(line_ends) <= CHUNK_ROWS and layout.is_filled is not None and layout.is_filled.all()
    return _Layout(end, len(line_ends)) if is_plain else layout


def _find_records(text: bytes, delimiter: int) -> _Layout | None:
    """Return the positions of the records in a text with quotes; None if none is complete or a quote is out of place.

    If all quotes are in their places, they open and close values in turn. Two quotes in a row, which are one quote of a
    value, close it and open it again.
    """
    import numpy as np

    array = np.frombuffer(text, np.uint8)
    line_ends, quotes = _line_ends(array), np.flatnonzero(array == QUOTE)
    ends = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0]
    if not len(ends):
        return None
    array = array[: ends[-1] + 1]
    quotes = quotes[: np.searchsorted(quotes, len(array))]
    may_touch = np.zeros(256, bool)
    may_touch[[delimiter, NEWLINE, RETURN, QUOTE]] = True
    opening, closing = quotes[::2], quotes[1::2]
    are_placed = may_touch[array[opening - 1]] | (opening == 0), may_touch[array[closing + 1]]
    if not (are_placed[0].all() and are_placed[1].all()):
        return None
    return _layout(array, line_ends[: np.searchsorted(line_ends, len(array))], ends)


def _line_ends(array: np.ndarray) -> np.ndarray:
    """Return the position of the last byte of each line end: a newline, or a carriage return without a newline."""
    import numpy as np

    is_end = array == NEWLINE
    returns = np.flatnonzero(array == RETURN)
    if len(returns):
        after = array[np.minimum(returns + 1, len(array) - 1)]
        is_end[returns[after != NEWLINE]] = True
    return np.flatnonzero(is_end)


def _layout(array: np.ndarray, line_ends: np.ndarray, ends: np.ndarray) -> _Layout:
    """Create the _Layout of a text. line_ends, ends: the positions of the last byte of each line and of each record."""
    import numpy as np

    starts = np.concatenate(([0], ends[:-1] + 1))
    lines = np.arange(len(starts)) if ends is line_ends else np.searchsorted(line_ends, starts)
    first_bytes = array[starts]
    return _Layout(
        len(array), len(line_ends), starts, ends + 1, lines, (first_bytes != NEWLINE) & (first_bytes != RETURN)
    )
