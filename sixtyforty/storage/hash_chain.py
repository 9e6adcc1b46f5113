"""Append-only ledgers whose rows are chained by hashes.

Each row's `hash` covers the row and the hash of the previous row, so a changed or missing row is detected. The file
`<ledger>.head` holds the number of rows and the hash of the newest row, so rows that are missing at the end are
detected, too. If the last line has no line break, its writer was killed before the append was complete. Readers skip
such a line, and the next append removes it.

Each row names its use case, so that ledgers of two use cases can't be swapped. If the ledger has anchors, each row is
also recorded in a database (see `ledger_anchors`), because a writer of the files could calculate all hashes again.

Rows of an early release have hashes of 16 digits and don't name their use case. They stay valid at the start of a
ledger. The first row with a hash of 64 digits covers the complete hash of the row before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sixtyforty.storage.files import access_errors, canonical_json, write_atomic
from sixtyforty.storage.ledger_anchors import LedgerAnchors, LedgerError
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.object_store import StoragePath

__all__ = ["ChainedRow", "EffectiveRow", "HashChain", "Head", "LedgerError", "row_hash"]

GENESIS = "0" * 64
EARLY_DIGITS = 16  # length of a hash that an early release wrote


class ChainedRow(BaseModel):
    """The fields of every ledger row. When the ledger appends the row, it sets these fields, except `by`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seq: int = Field(default=0, description="Number of the row in its ledger: 1, 2, 3, …")
    recorded_at: str = Field(default="", description="When the row was appended to its ledger: ISO timestamp in UTC.")
    use_case: str = Field(default="", description="The use case's first name; empty in a row of an early release.")
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
    """A ledger file in JSON lines. Each subclass sets `row_type`, the pydantic model of its rows.

    use_case: the use case's first name, which each row names. An empty name is neither written nor checked.
    anchors: the record of each row in a database; None for a ledger without anchors, such as one in a test.
    """

    row_type: ClassVar[type[ChainedRow]]

    def __init__(self, path: StoragePath, use_case: str = "", anchors: LedgerAnchors | None = None) -> None:
        self.path, self.use_case, self.anchors = path, use_case, anchors

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
            rows.append(self._verified_row(number, line, rows[-1] if rows else None))
        self._check_head(rows, head)
        return rows

    def _content(self) -> bytes:
        with access_errors(self.path):
            return self.path.read_bytes() if self.path.exists() else b""

    def _verified_row(self, number: int, line: bytes, previous: R | None) -> R:
        try:
            row: R = self.row_type(**json.loads(line))  # type: ignore[assignment]
        except (ValueError, TypeError) as error:
            raise self._error(number, f"the line is not a row of this ledger ({_summary(error)})") from error
        is_early = len(row.hash) == EARLY_DIGITS and (previous is None or len(previous.hash) == EARLY_DIGITS)
        digits = EARLY_DIGITS if is_early else len(GENESIS)
        previous_hash = (row_hash(previous) if previous else GENESIS)[:digits]
        if row.seq != number or row.previous_hash != previous_hash or row.hash != row_hash(row)[:digits]:
            raise self._error(number, "this row of the ledger was changed, or an earlier row is missing")
        if self.use_case and row.use_case != self.use_case and not (is_early and not row.use_case):
            owner = f"the use case {row.use_case}" if row.use_case else "no use case"
            cure = "Correct former_names in defs.yaml if the use case was renamed"
            raise self._error(number, f"the row belongs to {owner}, expected {self.use_case}. {cure}")
        return row

    def _check_head(self, rows: list[R], head: Head) -> None:
        if len(rows) < head.rows:
            missing = f"rows are missing at the end: the file holds {len(rows)} of at least {head.rows} rows"
            raise self._error(len(rows) + 1, missing)
        if head.rows and rows[head.rows - 1].hash != head.hash:
            raise self._error(head.rows, f"the hash of the row differs from the hash in {self._head.name}")

    def _error(self, number: int, problem: str) -> LedgerError:
        return LedgerError(
            f"{self.path}, row {number}: {problem}. Restore {self.path.name} and {self._head.name} from a backup.",
            f"{self.path.name}, row {number}: {problem.partition('. ')[0]}",
        )

    def append_row(self, row: R, find_repeated: Callable[[list[R]], R | None]) -> R:
        """Append a row and return it as written. If an equal row exists already, return that row and append nothing.

        row: a row without `seq`, `recorded_at`, `previous_hash` and `hash`, which the ledger sets.
        find_repeated: a function that gets all rows, and returns the row that equals the new row, or None.
        Raises LedgerError, and appends nothing, if the existing rows don't match their hashes or their anchors. Raises
        DatabaseError, and appends nothing, if the ledger has anchors and their database can't be used.
        """
        with exclusive_lock(self.path.with_suffix(".lock"), f"append to {self.path.name}"):
            rows = self.rows()
            if repeated := find_repeated(rows):
                self._write_head(rows[-1])  # a killed writer may have left an outdated head file
                return repeated
            chained = _chain(row, rows, self.use_case)
            lines = _complete_lines(self._content()) + canonical_json(chained.model_dump()).encode() + b"\n"
            anchors = self.anchors.record(self.path.name, [*rows, chained]) if self.anchors else nullcontext()
            with anchors:
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


def _chain(row: R, rows: list[R], use_case: str) -> R:
    """Return a new row with the fields that the ledger sets: the row's number, use case and time, and the two hashes.

    rows: the ledger's rows before the new row.
    """
    fields = json.loads(canonical_json(dict(row)))  # readers of the ledger get, and hash, JSON types
    chained = type(row)(
        **fields
        | {
            "seq": len(rows) + 1,
            "use_case": use_case,
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "previous_hash": row_hash(rows[-1]) if rows else GENESIS,
        }
    )
    return chained.model_copy(update={"hash": row_hash(chained)})


def row_hash(row: ChainedRow) -> str:
    """Return the SHA-256 of a ledger row, in hex. It covers all fields that the row's line has, except `hash`."""
    content = row.model_dump(exclude={"hash"}, exclude_unset=True)
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _complete_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]
