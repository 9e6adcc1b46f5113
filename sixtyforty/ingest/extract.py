"""An extract as read, and what all formats refuse alike."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 1 << 30  # bytes of an extract, unpacked: a day of more is sent in several
EMPTY = "the file is empty{}; have the sender extract it again"
TOO_LARGE = f"it holds more than {LARGEST >> 20:,} MB unpacked: have the sender split it"


@dataclass
class Reading:
    """An extract as read.

    `table`: the contract's columns, all text, and `_row`, the line number in the file; of Parquet, the row's. `broken`:
    the lines that aren't rows, with their number and the reason. `problem`: why nothing of it could be read, then
    `lines` counts what is refused.
    """

    table: pa.Table | None = None
    broken: list[tuple[int, str, str]] = field(default_factory=list)
    problem: str | None = None
    lines: int = 0


def missing(columns: Sequence[str], names: Iterable[str]) -> str | None:
    """Which of the contract's columns aren't among the names, each with the one it may have become."""
    there = set(names)
    lost = [c for c in columns if c not in there]
    # where no column is found the names may be data, whose words aren't told
    extra = sorted(there - set(columns)) if len(lost) < len(columns) else []
    near = {c: difflib.get_close_matches(c, extra, 1, 0.4) for c in lost}
    return ", ".join(f"'{c}'" + (f" (is it '{near[c][0]}'?)" if near[c] else "") for c in lost) or None
