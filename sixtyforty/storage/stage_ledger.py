"""The ledger of stages: which a use case is in since when, by whose word, and what its gate said. Chained by hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from sixtyforty.spec.stages import Stage, StageGate
from sixtyforty.storage.champion_ledger import Chain, Link

Said = Literal["enter", "gate", "pass", "continue", "stop"]
REGISTERED = ("enter", "gate")


class Passage(Link):
    """What happened: a stage was entered or its gate registered anew (evidence: the gate), or the gate judged."""

    stage: Stage = Field(description="The stage it is about.")
    said: Said = Field(description="enter: in force from effective_from on. gate: registered anew. Else a verdict.")
    why: str = Field(description="The reasons, or the words of who did it.")

    @property
    def gate(self) -> StageGate | None:
        """The gate registered by this row."""
        found = self.evidence.get("gate") if self.said in REGISTERED else None
        return StageGate(**found) if found else None

    @property
    def at(self) -> datetime:
        """From when on it counts: UTC, naive."""
        return datetime.fromisoformat(self.effective_from)


class Progress(Chain[Passage]):
    """`stages.jsonl` of one use case."""

    kind = Passage

    def entered(self) -> list[Passage]:
        """The stages it came to, in order."""
        return [r for r in self.rows() if r.said == "enter"]

    def registered(self) -> Passage | None:
        """The row that says which stage it is in, by which gate; None: it was never judged."""
        return next((r for r in reversed(self.rows()) if r.said in REGISTERED), None)

    def verdict(self) -> Passage | None:
        """The last word on the gate registered now; None: there is none yet."""
        last = next(iter(self.rows()[-1:]), None)
        return None if last is None or last.said in REGISTERED else last

    def ended(self) -> list[tuple[datetime, str | None]]:
        """From which moments on (UTC, in order) it is over, and why; None: from then on it isn't, or no more."""
        return sorted(
            (
                (r.at, f"{r.stage} was stopped" if r.said == "stop" else "retired" if r.stage == "retired" else None)
                for r in self.rows()
                if r.said in ("enter", "gate", "stop")
            ),
            key=lambda e: e[0],
        )

    def over(self, moment: datetime) -> str | None:
        """Why it is over at a UTC moment; None: it isn't."""
        found = [why for at, why in self.ended() if at <= moment]
        return found[-1] if found else None

    def reach(self) -> str | None:
        """SQL over features: whether a unit is within the scope of the stage at its `decided_at`; None: all are."""
        rows = [r for r in self.rows() if r.said in REGISTERED]
        scopes = [r.gate.scope.where if r.gate else None for r in rows]
        if not any(scopes):
            return None
        ends = [f"timestamp '{r.at}'" for r in rows]
        cases = [
            f"when decided_at < {end} then {_true(where)}" for end, where in zip(ends, [None, *scopes], strict=False)
        ]
        return f"case {' '.join(cases)} else {_true(scopes[-1])} end"


def _true(where: str | None) -> str:
    return f"({where}) is true" if where else "true"
