"""Append-only ledgers whose rows are chained by hashes.

Each row's `hash` covers the row and the hash of the previous row, so a changed or missing row is detected. The file
`<ledger>.head` holds the number of rows and the hash of the newest row, so rows that are missing at the end are
detected, too. If the last line has no line break, its writer was killed before the append was complete. Readers skip
such a line, and the next append removes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import access_errors, canonical_json, digest, write_atomic
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.object_store import StoragePath

GENESIS = "0" * 16


class LedgerError(SixtyfortyError):
    """The rows of a ledger don't match their hashes: a row was changed, removed or inserted."""


class ChainedRow(BaseModel):
    """The fields of every ledger row. When the ledger appends the row, it sets these fields, except `by`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seq: int = Field(default=0, description="Number of the row in its ledger: 1, 2, 3, …")
    recorded_at: str = Field(default="", description="When the row was appended to its ledger: ISO timestamp in UTC.")
    by: str = Field(description="Who wrote the row: `gate`, or a person.")
    previous_hash: str = Field(default="", description="Hash of the previous row.")
    hash: str = Field(default="", description="Hash of this row and `previous_hash`.")


class EffectiveRow(ChainedRow):
    """The fields of a ledger row that affects decisions from a certain time on."""

    effective_from: str = Field(description="UTC time from which this row of the ledger affects decisions.")
    evidence: dict[str, Any] = Field(
        default_factory=dict, description="The figures that led to this row of the ledger."
    )


R = TypeVar("R", bound=ChainedRow)


@dataclass(frozen=True)
class Head:
    """The content of the head file: the number of rows of the ledger, and the hash of the newest row."""

    rows: int = 0
    hash: str = GENESIS


class HashChain(Generic[R]):
    """A ledger file in JSON lines. Each subclass sets `row_type`, the pydantic model of its rows."""

    row_type: ClassVar[type[ChainedRow]]

    def __init__(self, path: StoragePath) -> None:
        self.path = path

    @property
    def _head(self) -> StoragePath:
        return self.path.with_suffix(".head")

    def rows(self) -> list[R]:
        """Verify and return the ledger's rows, oldest first. Raises LedgerError, which names the first wrong row."""
        # The head file must be read before the rows. If a row is appended between the two reads, the ledger then holds
        # more rows than the head file states, which is no error.
        head = Head()
        with access_errors(self._head):
            if self._head.exists():
                head = Head(**json.loads(self._head.read_bytes()))
        rows: list[R] = []
        for number, line in enumerate(_complete_lines(self._content()).splitlines(), 1):
            rows.append(self._verified_row(number, line, rows[-1].hash if rows else GENESIS))
        self._check_head(rows, head)
        return rows

    def _content(self) -> bytes:
        with access_errors(self.path):
            return self.path.read_bytes() if self.path.exists() else b""

    def _verified_row(self, number: int, line: bytes, previous_hash: str) -> R:
        try:
            row: R = self.row_type(**json.loads(line))  # type: ignore[assignment]
        except (ValueError, TypeError) as error:
            raise self._error(number, f"the line is not a row of this ledger ({_summary(error)})") from error
        if row.seq != number or row.previous_hash != previous_hash or row.hash != row_hash(row):
            raise self._error(number, "this row of the ledger was changed, or an earlier row is missing")
        return row

    def _check_head(self, rows: list[R], head: Head) -> None:
        if len(rows) < head.rows:
            missing = f"rows are missing at the end: the file holds {len(rows)} of at least {head.rows} rows"
            raise self._error(len(rows) + 1, missing)
        if head.rows and rows[head.rows - 1].hash != head.hash:
            raise self._error(head.rows, f"the hash of the row differs from the hash in {self._head.name}")

    def _error(self, number: int, problem: str) -> LedgerError:
        return LedgerError(
            f"{self.path}, row {number}: {problem}. Restore {self.path.name} and {self._head.name} from a backup."
        )

    def append_row(self, row: R, find_repeated: Callable[[list[R]], R | None]) -> R:
        """Append a row and return it as written. If an equal row exists already, return that row and append nothing.

        row: a row without `seq`, `recorded_at`, `previous_hash` and `hash`, which the ledger sets.
        find_repeated: a function that gets all rows, and returns the row that equals the new row, or None.
        Raises LedgerError if the existing rows don't match their hashes.
        """
        with exclusive_lock(self.path.with_suffix(".lock"), f"append to {self.path.name}"):
            rows = self.rows()
            if repeated := find_repeated(rows):
                self._write_head(rows[-1])  # a killed writer may have left an outdated head file
                return repeated
            chained = _chain(row, rows)
            lines = _complete_lines(self._content()) + canonical_json(chained.model_dump()).encode() + b"\n"
            write_atomic(self.path, lines)
            self._write_head(chained)
            return chained

    def _write_head(self, row: R) -> None:
        content = canonical_json(asdict(Head(row.seq, row.hash))).encode()
        if not self._head.exists() or self._head.read_bytes() != content:
            write_atomic(self._head, content)


def _summary(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return ", ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
    return str(error)


def _chain(row: R, rows: list[R]) -> R:
    """Return a new row with the fields that the ledger sets: the row's number, its time, and the two hashes.

    rows: the ledger's rows before the new row.
    """
    fields = json.loads(canonical_json(dict(row)))  # readers of the ledger get, and hash, JSON types
    chained = type(row)(
        **fields
        | {
            "seq": len(rows) + 1,
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "previous_hash": rows[-1].hash if rows else GENESIS,
        }
    )
    return chained.model_copy(update={"hash": row_hash(chained)})


def row_hash(row: ChainedRow) -> str:
    """Return the hash of a ledger row. The hash covers all fields except `hash` itself."""
    return digest(row.model_dump(exclude={"hash"}))


def _complete_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]
