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
    """A row of the ledger. A stage was entered, its gate was recorded again, or the gate gave a verdict.

    The first two kinds of row are registrations: their evidence holds the gate that applies from then on.
    """

    stage: Stage = Field(description="The stage that the event is about.")
    event: StageEventKind = Field(
        description="enter: the stage is in force from `effective_from` on. gate: its gate was registered anew."
        " pass, continue and stop: the verdict of the gate."
    )
    why: str = Field(description="The reasons of the verdict, or of the person who entered the stage.")

    @property
    def gate(self) -> StageGate | None:
        """The gate that this row recorded; None if it recorded none."""
        gate = self.evidence.get("gate") if self.event in REGISTRATIONS else None
        return StageGate(**gate) if gate else None

    @property
    def previous_gate(self) -> StageGate | None:
        """The gate that this row replaced, if any."""
        gate = self.evidence.get("previous_gate")
        return StageGate(**gate) if gate else None

    @property
    def known_partitions(self) -> int:
        """The number of partitions whose figures were known when this row registered its gate."""
        return int(self.evidence.get("known_figures", {}).get("partitions", 0))

    @property
    def at(self) -> datetime:
        """The time from which the row applies: UTC, naive."""
        return datetime.fromisoformat(self.effective_from)


class StageLedger(HashChain[StageEvent]):
    """The ledger `stages.jsonl` of one use case."""

    row_type = StageEvent

    def entered_stages(self) -> list[StageEvent]:
        """Return the rows of the event `enter`, oldest first."""
        return [row for row in self.rows() if row.event == "enter"]

    def current_registration(self) -> StageEvent | None:
        """Return the newest row that recorded a stage and its gate; None if there is none yet."""
        return next((row for row in reversed(self.rows()) if row.event in REGISTRATIONS), None)

    def current_verdict(self) -> StageEvent | None:
        """Return the row with the newest verdict of the current gate; None if the gate has given none yet."""
        last = next(iter(self.rows()[-1:]), None)
        return None if last is None or last.event in REGISTRATIONS else last

    def endings(self) -> list[tuple[datetime, str | None]]:
        """Return the times (UTC, naive) at which the use case ended or continued, each with the reason, sorted.

        The reason is None if the use case runs from that time on.
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
        """Return a SQL condition that tells whether a unit is in the scope of the stage at its decision time.

        The condition reads the columns of features.sql and `decided_at`. None: every stage covers all units.
        """
        rows = [row for row in self.rows() if row.event in REGISTRATIONS]
        scopes: list[str | None] = []
        for row in rows:  # a retired use case covers the same units as before
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
        return f"{row.stage} was stopped"
    return "retired" if row.stage == "retired" else None


def _condition(scope: str | None) -> str:
    return f"({scope}) is true" if scope else "true"
