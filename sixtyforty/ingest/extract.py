"""The parsed content of an extract, and the checks that all file formats share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

MAX_UNPACKED_BYTES = 1 << 30  # a larger extract is refused; its sender must split it
EMPTY_FILE = "the file is empty. Ask the sender to send it again."
TOO_LARGE = f"the file holds more than {MAX_UNPACKED_BYTES >> 20:,} MB unpacked. Ask the sender to split it."
SIMILAR_NAME = 0.4  # smallest similarity (0 to 1) of two column names at which one is suggested for the other


class BrokenLine(NamedTuple):
    """A line that can't be read as a row: its number in the file, the reason, and its text."""

    number: int
    reason: str
    text: str


@dataclass
class ParsedExtract:
    """The content of one extract after parsing.

    table: the rows, or None if the extract is refused. The columns are those of the contract, all text, and `_row`, the
    number of the line in the file. In Parquet, `_row` is the number of the row.
    broken: the lines that can't be read as rows.
    problem: why the extract is refused as a whole; None if it is not refused.
    lines: the number of lines in the extract, including lines that are refused.
    """

    table: pa.Table | None = None
    broken: list[BrokenLine] = field(default_factory=list)
    problem: str | None = None
    lines: int = 0


def empty_rows(columns: Sequence[str]) -> pa.Table:
    """Return an empty table with the contract's columns and `_row`, for an extract without rows."""
    import pyarrow as pa

    return pa.schema([*((column, pa.string()) for column in columns), ("_row", pa.int64())]).empty_table()


def missing_columns(columns: Sequence[str], names: Iterable[str]) -> str | None:
    """Return a text that lists the contract's columns that an extract lacks; None if the extract has all of them.

    columns: the columns of the contract. names: the columns of the extract. For each missing column, the text suggests
    the most similar name that is not in the contract, because the sender may have renamed the column.
    """
    present = set(names)
    missing = [column for column in columns if column not in present]
    if not missing:
        return None
    # If no column is present, the file may have no header, so `names` may be a row of data. Messages must not show it.
    extra = sorted(present - set(columns)) if len(missing) < len(columns) else []
    similar = {column: difflib.get_close_matches(column, extra, 1, SIMILAR_NAME) for column in missing}
    return ", ".join(
        f"'{column}' (is it '{similar[column][0]}'?)" if similar[column] else f"'{column}'" for column in missing
    )


def binary_problem(content: bytes) -> str | None:
    """Return why the content of a file is not text; None if it may be text."""
    position = content.find(b"\0")
    return None if position < 0 else f"the file is not a text file: byte {position} is zero."


def count_lines(content: bytes) -> int:
    """Return the number of lines after the header of a file that is refused as a whole, but at least 1.

    So a refused file always shows in the counts of refused lines.
    """
    return max(1, content.count(b"\n") + (not content.endswith(b"\n")) - 1)
