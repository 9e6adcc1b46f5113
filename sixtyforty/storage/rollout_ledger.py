"""The rollout's ledger: which step is in force from when on, who took it and why. Chained as that of champions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from sixtyforty.storage.champion_ledger import Chain, Link

Name = Literal["shadow", "holdout", "full"]
STEPS: tuple[Name, ...] = ("shadow", "holdout", "full")


class Step(Link):
    """One step, up or down."""

    step: Name = Field(description="In force from effective_from on.")
    why: str = Field(description="In the words of who took it.")


class Steps(Chain[Step]):
    """`rollout.jsonl` of one use case."""

    kind = Step

    def taken(self) -> list[Step]:
        """All steps in the order of the moment from which they count."""
        return sorted(self.rows(), key=lambda r: (r.effective_from, r.seq))

    def in_force(self, moment: datetime) -> Step | None:
        """The step at a UTC moment; None: none was taken yet, it is the first."""
        found = [r for r in self.taken() if r.effective_from <= moment.isoformat()]
        return found[-1] if found else None

    def take(self, step: Name, **fields: object) -> Step:
        """Adds a step. Where the last one says so already (another hand was quicker), that is returned."""

        def said(rows: list[Step]) -> Step | None:
            return rows[-1] if rows and rows[-1].step == step else None

        return self.add({"step": step, **fields}, said)
