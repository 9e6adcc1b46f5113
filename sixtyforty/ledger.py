"""The champion ledger: which model decides from when on, and why. Append-only, each row chained to the one before.

A row holds `effective_from` (business time, UTC: from which moment's decisions it counts) and `recorded_at` (wall
clock: when we knew). Its `hash` covers the row and the hash before it, so a changed or missing row shows.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sixtyforty.lake import canonical, digest

Verdict = Literal["PROMOTE", "HOLD", "REJECT", "PENDING", "APPROVE"]
Kind = Literal["first", "refresh", "recipe", "adopted", "approved", "rollback"]
GENESIS = "0" * 16


class LedgerError(ValueError):
    """The ledger doesn't add up: a row was changed, removed or put in."""


class Row(BaseModel):
    """One judgement on one challenger."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seq: int = Field(description="1, 2, 3, …")
    track: str = Field(description="replay or live")
    version: str = Field(description="The challenger judged.")
    verdict: Verdict = Field(
        description="PROMOTE makes it champion from effective_from on; PENDING waits for an APPROVE."
    )
    kind: Kind = Field(description="Which gate it had to pass, or which hand put it in force.")
    as_of: str = Field(description="The local day it was trained at the start of.")
    effective_from: str = Field(description="UTC moment from which its decisions count.")
    recorded_at: str = Field(description="UTC wall clock.")
    reasons: list[str] = Field(description="Why, in words.")
    evidence: dict[str, Any] = Field(default_factory=dict, description="The figures it was judged on.")
    by: str = Field(default="gate", description="Who judged.")
    before: str = Field(description="Hash of the row before.")
    hash: str = Field(description="Hash of this row and the one before.")


class Ledger:
    """`champion.jsonl` of one use case."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[Row]:
        """All rows, oldest first, the chain verified. Raises LedgerError naming the row that doesn't fit."""
        if not self.path.exists():
            return []
        found, before = [], GENESIS
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            try:
                row = Row(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise LedgerError(f"{self.path.name}, row {number}: not a ledger row ({error})") from error
            if row.seq != number or row.before != before or row.hash != _hash(row.model_dump()):
                raise LedgerError(f"{self.path.name}, row {number}: was changed, or a row before it is missing")
            found.append(row)
            before = row.hash
        return found

    def append(self, again: bool = False, **fields: Any) -> Row:
        """Adds a judgement; `seq`, `recorded_at`, `before` and `hash` are the ledger's own.

        A judgement already there (same track, version, as_of and verdict) is returned, not repeated, unless it is
        made `again`: by a hand.
        """
        with self._alone():
            rows = self.rows()
            for row in [] if again else rows:
                if all(getattr(row, k) == fields[k] for k in ("track", "version", "as_of", "verdict")):
                    return row
            last = rows[-1] if rows else None
            data = {
                "by": "gate",
                "evidence": {},
                **json.loads(canonical(fields)),
                "seq": len(rows) + 1,
                "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "before": last.hash if last else GENESIS,
            }
            row = Row(**data, hash=_hash(data))
            with self.path.open("a") as file:
                file.write(canonical(row.model_dump()) + "\n")
                file.flush()
                os.fsync(file.fileno())
            return row

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

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
