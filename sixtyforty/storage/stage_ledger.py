"""The stage ledger: which stage a use case is in, since when, who decided that, and the verdicts of its gates."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from sixtyforty.spec.stages import Stage, StageGate
from sixtyforty.storage.hash_chain import EffectiveRow, HashChain

StageEventKind = Literal["enter", "gate", "pass", "continue", "stop"]
REGISTRATIONS = ("enter", "gate")


class StageEvent(EffectiveRow):
    """One row of the stage ledger: a stage was entered, its stage gate was recorded again, or the gate gave a verdict.

    Rows of the events `enter` and `gate` are registrations: their evidence holds the gate that applies from
    `effective_from` on.
    """

    stage: Stage = Field(description="The stage of the use case that the event is about.")
    event: StageEventKind = Field(
        description="enter: the use case enters the stage at `effective_from`. gate: the gate of the stage was recorded"
        " again. pass, continue and stop: the verdict of the gate."
    )
    why: str = Field(description="The reasons for the verdict, for the new stage or for the new stage gate.")

    @property
    def gate(self) -> StageGate | None:
        """The stage gate that this row recorded; None if this row recorded no stage gate."""
        gate = self.evidence.get("gate") if self.event in REGISTRATIONS else None
        return StageGate(**gate) if gate else None

    @property
    def previous_gate(self) -> StageGate | None:
        """The stage gate that applied until this row recorded a new one; None if no stage gate applied."""
        gate = self.evidence.get("previous_gate")
        return StageGate(**gate) if gate else None

    @property
    def known_partitions(self) -> int:
        """The number of partitions whose outcomes were known when this row recorded its stage gate."""
        return int(self.evidence.get("known_figures", {}).get("partitions", 0))

    @property
    def at(self) -> datetime:
        """The time from which this row of the ledger applies: UTC, naive."""
        return datetime.fromisoformat(self.effective_from)


class StageLedger(HashChain[StageEvent]):
    """The ledger `stages.jsonl` of one use case."""

    row_type = StageEvent

    def entered_stages(self) -> list[StageEvent]:
        """Return the rows at which the use case entered a stage, oldest first."""
        return [row for row in self.rows() if row.event == "enter"]

    def current_registration(self) -> StageEvent | None:
        """Return the newest row that recorded a stage and its gate; None if the ledger has no such row."""
        return next((row for row in reversed(self.rows()) if row.event in REGISTRATIONS), None)

    def current_verdict(self) -> StageEvent | None:
        """Return the row with the newest verdict of the current stage's gate; None if there is no verdict yet."""
        last = next(iter(self.rows()[-1:]), None)
        return None if last is None or last.event in REGISTRATIONS else last

    def endings(self) -> list[tuple[datetime, str | None]]:
        """Return the times at which the use case started or stopped running, each with the reason for a stop, sorted.

        The times are UTC, naive. The reason is None if the use case runs from the time on.
        """
        changes = [(row.at, _end_reason(row)) for row in self.rows() if row.event in ("enter", "gate", "stop")]
        return sorted(changes, key=lambda change: change[0])

    def end_reason_at(self, time: datetime) -> str | None:
        """Return the reason why the use case is not running at a UTC time (naive); None if it runs."""
        reasons = [why for since, why in self.endings() if since <= time]
        return reasons[-1] if reasons else None

    def is_retired(self) -> bool:
        """Return whether the use case is retired."""
        row = self.current_registration()
        return row is not None and row.stage == "retired"

    def scope_sql(self) -> str | None:
        """Return a SQL condition that is true if the use case's stage at a unit's decision time covers the unit.

        The condition reads the columns of features.sql and `decided_at`. Return None if every stage covers all units.
        """
        rows = [row for row in self.rows() if row.event in REGISTRATIONS]
        scopes: list[str | None] = []
        for row in rows:  # a retired use case covers the same units as in the stage before
            before = scopes[-1] if scopes and row.stage == "retired" else None
            scopes.append(row.gate.scope.where if row.gate else before)
        if not any(scopes):
            return None
        branches = [
            f"when decided_at < timestamp '{row.at}' then {_condition(scope)}"
            for row, scope in zip(rows, [None, *scopes], strict=False)
        ]
        return f"case {' '.join(branches)} else {_condition(scopes[-1])} end"


def _end_reason(row: StageEvent) -> str | None:
    if row.event == "stop":
        return f"the stage {row.stage} was stopped"
    return "retired" if row.stage == "retired" else None


def _condition(scope: str | None) -> str:
    return f"({scope}) is true" if scope else "true"
