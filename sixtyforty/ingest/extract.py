"""The content of an extract, which is read in chunks, and the checks that all file formats share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sixtyforty.ingest.reader_version import reader_version
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.sources import Source
from sixtyforty.storage.files import digest

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CHUNK_ROWS = 1 << 17  # the largest number of rows in a chunk
CHUNK_BYTES = 1 << 23  # about this many bytes of an extract become one chunk
MAX_RECORD_BYTES = 1 << 24  # a longer row is a broken line; so is the rest of a JSON array from a longer element on
MAX_COLUMNS = 100_000  # a text file with more columns is refused
MAX_TEXT_BYTES = 1 << 16  # only the start of a longer broken line is stored
EMPTY_FILE = "the file is empty. Ask the sender to send it again."
DIFFERENT_VALUES = "'{}' and '{}' are names of one column, but their values differ"
MISSING_CURE = " If the sender renamed or dropped the missing columns, declare `other_names` or `optional_columns`."
SIMILAR_NAME = 0.4  # smallest similarity (0 to 1) at which messages suggest one column name for another
END_MARK = "end mark"  # in OpenedExtract.detected: the file ends with Ctrl-Z, as in DOS
OTHER_TEXT = "other text"  # in OpenedExtract.detected: an encoding that fits better than the declared encoding
NAMELESS = "columns without a name"  # in OpenedExtract.detected: their positions, before the last column with a name


class BrokenLine(NamedTuple):
    """A line that can't be read as a row: its number in the file, the reason, and its text."""

    number: int
    reason: str
    text: str


class RefusedExtractError(SixtyfortyError):
    """An extract is refused: none of its rows is imported. The message says why, and what to do.

    lines: the number of lines after the header, but at least 1, so that a refused file always shows in the counts.
    0 until the lines are counted.
    """

    def __init__(self, reason: str, lines: int = 0) -> None:
        super().__init__(reason)
        self.lines = lines


class Chunk(NamedTuple):
    """Consecutive lines of an extract, in the order of the file.

    rows: the columns of the contract, all text, and `_row`, the number of the line in the file. In Parquet, `_row` is
    the number of the row.
    broken: the lines that can't be read as rows.
    """

    rows: pa.Table
    broken: list[BrokenLine]


@dataclass
class OpenedExtract:
    """An extract whose lines are read chunk by chunk.

    undeclared: the columns of the file that the contract doesn't name. The list is complete after the last chunk.
    chunks: can be iterated once. The iteration raises RefusedExtractError if the file turns out to be unusable; the
    chunks before the error must then be dropped.
    absent: the optional columns that the file lacks. The list is complete after the last chunk.
    detected: what the file shows and the source doesn't declare, such as `{"delimiter": ";"}`. Usual forms are left
    out: a comma and UTF-8.
    types: the contract types that the file itself declares for its columns; empty for a text format.
    """

    undeclared: list[str]
    chunks: Iterator[Chunk]
    absent: list[str] = field(default_factory=list)
    detected: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MatchedColumns:
    """The columns of one file, matched with the columns of its data contract.

    - names: for each column of the contract, the names under which the file has it; empty if the file lacks it.
    - missing: text that lists the required columns that the file lacks; None if it lacks none of them.
    - undeclared: the columns of the file that the contract doesn't name.
    """

    names: Mapping[str, list[str]]
    missing: str | None
    undeclared: list[str]

    @property
    def file_columns(self) -> list[str]:
        """The columns to read: for each column of the contract, all of its declared names that the file has."""
        return [name for names in self.names.values() for name in names]

    @property
    def absent(self) -> list[str]:
        """The columns of the contract that the file lacks."""
        return [column for column, names in self.names.items() if not names]

    def find_conflicts(self, table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
        """Yield a reason and a mask of the rows with different values under two names of one column.

        table: the `file_columns` as text.
        """
        import pyarrow.compute as pc

        for first, *others in filter(None, self.names.values()):
            for other in others:
                are_null = pc.and_(pc.is_null(table[first]), pc.is_null(table[other]))
                are_equal = pc.or_(pc.fill_null(pc.equal(table[first], table[other]), False), are_null)
                yield DIFFERENT_VALUES.format(first, other), ~are_equal.to_numpy()

    def to_contract(self, table: pa.Table) -> pa.Table:
        """Rename a table's `file_columns` to the contract's names. A column that the file lacks becomes null."""
        import pyarrow as pa

        nulls = pa.nulls(table.num_rows, pa.string())
        return pa.table({column: table[names[0]] if names else nulls for column, names in self.names.items()})


def match_columns(source: Source, names: Iterable[str]) -> MatchedColumns:
    """Match the column names of a file with its data contract."""
    present = dict.fromkeys(names)  # a name is found fast among thousands
    matched = {column: [name for name in source.names_of(column) if name in present] for column in source.columns}
    known = {name for column in source.columns for name in source.names_of(column)}
    undeclared = [name for name in present if name not in known]
    missing = [column for column, file_names in matched.items() if not file_names]
    # If no column of the contract is in the file, `names` may be a row of data. Messages must not show this row. They
    # may show names that differ from a column only in spaces, signs, or upper and lower case.
    if missing and len(missing) == len(matched):
        plain = set(map(_plain, missing))
        alike = [name for name in undeclared if _plain(name) in plain]
        return MatchedColumns(matched, _describe_missing(missing, alike), undeclared)
    required = [column for column in missing if column not in source.optional_columns]
    return MatchedColumns(matched, _describe_missing(required, undeclared) if required else None, undeclared)


def _describe_missing(columns: Sequence[str], undeclared: Sequence[str]) -> str:
    """Return text that lists the columns that a file lacks, and that says what to do about them.

    For each missing column, the text suggests the most similar undeclared column, as the sender may have renamed it.
    """
    similar = {column: find_similar_name(column, sorted(undeclared)) for column in columns}
    listed = (f"'{column}' (is it '{similar[column]}'?)" if similar[column] else f"'{column}'" for column in columns)
    return f"{', '.join(listed)}.{MISSING_CURE}"


def find_similar_name(column: str, names: Sequence[str]) -> str | None:
    """Return the name that a sender probably gave a missing column; None if no name in the file is similar.

    Only letters and digits are compared, without regard to upper and lower case.
    """
    plain = {_plain(name): name for name in names}
    matches = difflib.get_close_matches(_plain(column), plain, 1, SIMILAR_NAME)
    return plain[matches[0]] if matches else None


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def contract_hash(source: Source) -> str:
    """Return a hash of what an extract's refusal depends on: parts of the data contract, and READER_VERSION."""
    names = {column: source.names_of(column) for column in source.columns}
    optional = sorted(source.optional_columns)
    parts = {"files": source.files, "names": names, "optional": optional, "readers": reader_version()}
    text = {"encoding": source.encoding, "delimiter": source.delimiter}
    text |= {form: getattr(source, form) for form in source.written_forms}
    return digest(parts | {name: declared for name, declared in text.items() if declared})


def empty_rows(columns: Sequence[str]) -> pa.Table:
    """Return an empty table with the contract's columns and `_row`, for an extract without rows."""
    import pyarrow as pa

    return pa.schema([*((column, pa.string()) for column in columns), ("_row", pa.int64())]).empty_table()


def broken_line(number: int, reason: str, text: bytes) -> BrokenLine:
    """Create a BrokenLine from bytes. A long text is cut. Bytes that are zero or not UTF-8 are replaced."""
    return BrokenLine(number, reason, text[:MAX_TEXT_BYTES].decode(errors="replace").replace("\0", "\ufffd"))
