"""Ledgers, and that of champions: which model decides from when on, and why. Append-only, each row chained.

A row holds `effective_from` (business time, UTC: from which moment's decisions it counts) and `recorded_at` (wall
clock: when we knew). Its `hash` covers the row and the hash before it, so a changed or missing row shows; rows cut
off the end show by `<ledger>.head` beside it, which holds the newest hash. A last line without its end was never
acknowledged (its writer was killed): readers pass over it, and the next append cuts it off.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sixtyforty.storage.lake import alone, canonical, digest, write_atomic
from sixtyforty.storage.object_store import Where

Verdict = Literal["PROMOTE", "HOLD", "REJECT", "PENDING", "APPROVE"]
Kind = Literal["first", "refresh", "recipe", "adopted", "approved", "rollback"]
GENESIS = "0" * 16


class LedgerError(ValueError):
    """The ledger doesn't add up: a row was changed, removed or put in."""


class Chained(BaseModel):
    """What all rows have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seq: int = Field(description="1, 2, 3, …")
    recorded_at: str = Field(description="UTC wall clock.")
    by: str = Field(description="Who judged, or says so.")
    before: str = Field(description="Hash of the row before.")
    hash: str = Field(description="Hash of this row and the one before.")


class Link(Chained):
    """What rows that change how decisions are taken have in common."""

    effective_from: str = Field(description="UTC moment from which its decisions count.")
    evidence: dict[str, Any] = Field(default_factory=dict, description="The figures it was judged on.")


R = TypeVar("R", bound=Chained)


class Chain(Generic[R]):
    """A ledger: a file of rows of one kind, each chained to the one before."""

    kind: ClassVar[type[Chained]]

    def __init__(self, path: Where) -> None:
        self.path = path

    @property
    def _head(self) -> Where:
        return self.path.with_suffix(".head")

    def rows(self) -> list[R]:
        """All rows, oldest first, the chain verified. Raises LedgerError naming the row that doesn't fit."""
        # the head first: what is appended between the two looks is then only more than it promised
        head: dict[str, Any] = {"rows": 0, "hash": GENESIS}
        if self._head.exists():
            head = json.loads(self._head.read_bytes())
        text = self.path.read_bytes() if self.path.exists() else b""
        found, before = [], GENESIS
        for number, line in enumerate(text[: _whole(text)].splitlines(), 1):
            try:
                row: R = self.kind(**json.loads(line))  # type: ignore[assignment]
            except (ValueError, TypeError) as error:
                raise LedgerError(f"{self.path.name}, row {number}: not a ledger row ({error})") from error
            if row.seq != number or row.before != before or row.hash != _hash(row.model_dump()):
                raise LedgerError(f"{self.path.name}, row {number}: was changed, or a row before it is missing")
            found.append(row)
            before = row.hash
        if len(found) < head["rows"]:
            cut = f"rows were cut off the end: {len(found)} of at least {head['rows']} are there"
            raise LedgerError(f"{self.path.name}, row {len(found) + 1}: {cut}")
        if head["rows"] and found[head["rows"] - 1].hash != head["hash"]:
            raise LedgerError(f"{self.path.name}, row {head['rows']}: isn't the one {self._head.name} knows")
        return found

    def add(self, fields: dict[str, Any], said: Callable[[list[R]], R | None]) -> R:
        """Adds a row; `seq`, `recorded_at`, `before` and `hash` are the ledger's own.

        `said` finds the row that says so already: it is returned, not repeated.
        """
        with alone(self.path.with_suffix(".lock")):
            rows = self.rows()
            if already := said(rows):
                self._point(rows[-1])  # its writer may have been killed before it could
                return already
            last = rows[-1] if rows else None
            data = self.kind(
                **json.loads(canonical(fields)),
                seq=len(rows) + 1,
                recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
                before=last.hash if last else GENESIS,
                hash="",
            ).model_dump()
            row: R = self.kind(**data | {"hash": _hash(data)})  # type: ignore[assignment]
            text = self.path.read_bytes() if self.path.exists() else b""
            write_atomic(self.path, text[: _whole(text)] + canonical(row.model_dump()).encode() + b"\n")
            self._point(row)
            return row

    def _point(self, row: R) -> None:
        blob = canonical({"rows": row.seq, "hash": row.hash}).encode()
        if not self._head.exists() or self._head.read_bytes() != blob:
            write_atomic(self._head, blob)


class Row(Link):
    """One judgement on one challenger."""

    track: str = Field(description="replay or live")
    version: str = Field(description="The challenger judged.")
    verdict: Verdict = Field(
        description="PROMOTE makes it champion from effective_from on; PENDING waits for an APPROVE."
    )
    kind: Kind = Field(description="Which gate it had to pass, or which hand put it in force.")
    as_of: str = Field(description="The local day it was trained at the start of.")
    reasons: list[str] = Field(description="Why, in words.")


class Ledger(Chain[Row]):
    """`champion.jsonl` of one use case."""

    kind = Row

    def append(self, again: bool = False, **fields: Any) -> Row:
        """Adds a judgement.

        One already there (same track, version, as_of and verdict) is returned, not repeated, unless it is made
        `again`: by a hand.
        """
        same = ("track", "version", "as_of", "verdict")

        def said(rows: list[Row]) -> Row | None:
            there = (r for r in rows if all(getattr(r, k) == fields[k] for k in same))
            return None if again else next(there, None)

        return self.add({"by": "gate", **fields}, said)

    def champions(self, track: str) -> list[Row]:
        """The promotions on a track, in the order of the moment from which they count."""
        rows = [r for r in self.rows() if r.track == track and r.verdict == "PROMOTE"]
        return sorted(rows, key=lambda r: (r.effective_from, r.seq))

    def champion(self, track: str, moment: datetime | str) -> Row | None:
        """Who was in force at a UTC moment; None before the first promotion."""
        at = moment if isinstance(moment, str) else moment.isoformat()
        in_force = [r for r in self.champions(track) if r.effective_from <= at]
        return in_force[-1] if in_force else None


def _hash(data: dict[str, Any]) -> str:
    return digest({k: v for k, v in data.items() if k != "hash"})


def _whole(text: bytes) -> int:
    """How many bytes its finished lines take."""
    return text.rfind(b"\n") + 1
