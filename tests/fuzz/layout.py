"""What the fuzz tests share: the columns of the extracts, and a row as an independent reader sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

COLUMNS = {
    "id": "BIGINT",
    "day": "DATE",
    "amount": "DECIMAL(12,2)",
    "ratio": "DOUBLE",
    "paid": "BOOLEAN",
    "at": "TIMESTAMP",
    "note": "VARCHAR",
}
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 5)  # the partitions of the use case
Texts = dict[str, str | None]  # the text of each column; None if the source says that it is missing


@dataclass(frozen=True)
class Extract:
    """One file to land. source: orders, events or readings. mutations: the names of what was done to the file.

    truth: the rows of a file whose mutations change only its layout; None if its rows may have changed.
    """

    source: str
    name: str
    content: bytes
    mutations: tuple[str, ...]
    truth: list[Texts] | None


@dataclass(frozen=True)
class Record:
    """A line of an extract. number: as in the column `_row`. texts: None if the line can't be read as a row."""

    number: int
    texts: Texts | None
