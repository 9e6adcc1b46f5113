"""An extract after parsing, and the checks that all file formats share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa

MAX_UNPACKED_BYTES = 1 << 30  # the sender splits a larger extract into several
EMPTY_FILE = "the file is empty. Ask the sender to send it again."
TOO_LARGE = f"the file holds more than {MAX_UNPACKED_BYTES >> 20:,} MB unpacked. Ask the sender to split it."
SIMILAR_NAME = 0.4  # the least similarity (0 to 1) of a column that is suggested for a missing one


class BrokenLine(NamedTuple):
    """A line that is not a row: its number in the file, the reason, and its text."""

    number: int
    reason: str
    text: str


@dataclass
class ParsedExtract:
    """The content of one extract.

    table: the contract's columns, all text, and `_row`, the number of the line in the file (of the row, in Parquet).
    broken: the lines that are not rows.
    problem: why the extract is refused as a whole; then there is no table.
    lines: how many lines the extract holds, those that are refused included.
    """

    table: pa.Table | None = None
    broken: list[BrokenLine] = field(default_factory=list)
    problem: str | None = None
    lines: int = 0


def empty_rows(columns: Sequence[str]) -> pa.Table:
    """Return the table of an extract that has the contract's columns and no rows."""
    import pyarrow as pa

    return pa.schema([*((column, pa.string()) for column in columns), ("_row", pa.int64())]).empty_table()


def missing_columns(columns: Sequence[str], names: Iterable[str]) -> str | None:
    """Return the contract's columns that are absent from an extract's names, as text; None if all are present.

    Each missing column comes with the most similar extra name, which may be its new spelling.
    """
    present = set(names)
    missing = [column for column in columns if column not in present]
    if not missing:
        return None
    # If no column is present, the "names" may be a row of data. Data must not enter messages.
    extra = sorted(present - set(columns)) if len(missing) < len(columns) else []
    similar = {column: difflib.get_close_matches(column, extra, 1, SIMILAR_NAME) for column in missing}
    return ", ".join(
        f"'{column}' (is it '{similar[column][0]}'?)" if similar[column] else f"'{column}'" for column in missing
    )


def binary_problem(content: bytes) -> str | None:
    """Return why bytes are not a text file, or None."""
    position = content.find(b"\0")
    return None if position < 0 else f"this is not a text file: byte {position} is zero."


def count_lines(content: bytes) -> int:
    """Return the number of lines after the header of a file that is refused as a whole.

    It is at least 1, so that a refused file always counts as a loss.
    """
    return max(1, content.count(b"\n") + (not content.endswith(b"\n")) - 1)
