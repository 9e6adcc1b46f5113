"""The stage ledger: which stage a use case is in, since when, by whose decision, and the verdicts of its gates."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from sixtyforty.spec.stages import Stage, StageGate
from sixtyforty.storage.hash_chain import EffectiveRow, HashChain

StageEventKind = Literal["enter", "gate", "pass", "continue", "stop"]
REGISTRATIONS = ("enter", "gate")


class StageEvent(EffectiveRow):
    """A stage was entered, its gate was registered anew (the evidence holds the gate), or the gate was judged."""

    stage: Stage = Field(description="The stage that the event is about.")
    event: StageEventKind = Field(
        description="enter: the stage is in force from `effective_from` on. gate: its gate was registered anew."
        " pass, continue and stop: the verdict of the gate."
    )
    why: str = Field(description="The reasons of the verdict, or of the person who entered the stage.")

    @property
    def gate(self) -> StageGate | None:
        """The gate that this row registered, if any."""
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
        """The time from which the row counts: UTC, without time zone."""
        return datetime.fromisoformat(self.effective_from)


class StageLedger(HashChain[StageEvent]):
    """The ledger `stages.jsonl` of one use case."""

    row_type = StageEvent

    def entered_stages(self) -> list[StageEvent]:
        """Return the rows by which stages were entered, oldest first."""
        return [row for row in self.rows() if row.event == "enter"]

    def current_registration(self) -> StageEvent | None:
        """Return the row that registers the current stage and its gate; None before the first."""
        return next((row for row in reversed(self.rows()) if row.event in REGISTRATIONS), None)

    def current_verdict(self) -> StageEvent | None:
        """Return the last verdict on the registered gate; None if it has none yet."""
        last = next(iter(self.rows()[-1:]), None)
        return None if last is None or last.event in REGISTRATIONS else last

    def endings(self) -> list[tuple[datetime, str | None]]:
        """Return the UTC times at which the use case ended, with the reason, in order.

        A reason of None means that the use case runs from then on.
        """
        changes = [(row.at, _end_reason(row)) for row in self.rows() if row.event in ("enter", "gate", "stop")]
        return sorted(changes, key=lambda change: change[0])

    def end_reason_at(self, time: datetime) -> str | None:
        """Return why the use case has ended by a UTC time; None if it runs."""
        reasons = [why for since, why in self.endings() if since <= time]
        return reasons[-1] if reasons else None

    def is_retired(self) -> bool:
        """Return whether the use case is retired."""
        row = self.current_registration()
        return row is not None and row.stage == "retired"

    def scope_sql(self) -> str | None:
        """Return SQL over features: whether a unit is in scope of the stage at its `decided_at`.

        None means that every stage covers all units.
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
