"""The rollout ledger: which rollout step applies from when, who decided it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from sixtyforty.storage.hash_chain import EffectiveRow, HashChain

StepName = Literal["shadow", "holdout", "full"]
STEPS: tuple[StepName, ...] = ("shadow", "holdout", "full")


class RolloutStep(EffectiveRow):
    """One row of the rollout ledger: a change to the next or to an earlier rollout step."""

    step: StepName = Field(description="The rollout step in force from `effective_from` on.")
    why: str = Field(description="The reason for the change, as written by the person who decided it.")


class RolloutLedger(HashChain[RolloutStep]):
    """The ledger `rollout.jsonl` of one use case."""

    row_type = RolloutStep

    def steps(self) -> list[RolloutStep]:
        """Return all rows of the ledger, sorted by `effective_from`."""
        return sorted(self.rows(), key=lambda row: (row.effective_from, row.seq))

    def step_at(self, time: datetime) -> RolloutStep | None:
        """Return the row of the rollout step in force at a UTC time (naive); None before the first row."""
        in_force = [row for row in self.steps() if row.effective_from <= time.isoformat()]
        return in_force[-1] if in_force else None

    def take_step(
        self, step: StepName, *, by: str, why: str, effective_from: str, evidence: Mapping[str, Any] | None = None
    ) -> RolloutStep:
        """Append a row for a rollout step and return the row.

        If the last row already has this step, that row is returned and nothing is appended.
        evidence: the figures behind the change of the step.
        """
        row = RolloutStep(step=step, by=by, why=why, effective_from=effective_from, evidence=dict(evidence or {}))

        def find_repeated(rows: list[RolloutStep]) -> RolloutStep | None:
            return rows[-1] if rows and rows[-1].step == step else None

        return self.append_row(row, find_repeated)
