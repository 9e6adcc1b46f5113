"""The stages of a use case, from proof of concept to retirement, and the gate that each stage must pass.

When a stage starts, the stage ledger records its gate. Later changes of the declaration don't change the recorded gate
(see `lifecycle/stage_gate`).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel
from sixtyforty.spec.errors import FieldError

Stage = Literal["poc", "pilot", "production", "retired"]
STAGES: tuple[Stage, ...] = ("poc", "pilot", "production", "retired")


class Scope(DeclaredModel):
    """The part of the organization that a stage covers. A pilot, for example, starts with one team at one site."""

    team: str | None = Field(default=None, description="The team in the stage. If left out: all teams.")
    site: str | None = Field(default=None, description="The site of the stage. If left out: all sites.")
    region: str | None = Field(default=None, description="The region of the stage. If left out: all regions.")
    where: str | None = Field(
        default=None,
        description="SQL condition over the columns of features.sql. During the stage, live decisions are made only for"
        " units that meet the condition. If left out: for all units.",
    )

    @property
    def description(self) -> str:
        """The scope in words, such as 'one shift, LaGuardia, New York', or 'everywhere'."""
        return ", ".join(part for part in (self.team, self.site, self.region) if part) or "everywhere"


class StageGate(DeclaredModel):
    """The conditions to move from a stage to the next stage. They are declared before the stage starts.

    The gate gives one of three verdicts:

    - pass: the gain is proven and reaches the target, and the people are ready.
    - stop: the gain is proven to be below minimum_gain, or the stop date has come.
    - continue: neither `pass` nor `stop` applies yet.
    """

    target: float = Field(
        gt=0, description="Target gain over the current process per 1,000 units, in the KPI's currency."
    )
    minimum_gain: float = Field(
        gt=0, description="The smallest gain per 1,000 units that is worth the effort, in the KPI's currency."
    )
    stop_date: date = Field(description="The local day on which the stage stops if its gate hasn't passed.")
    minimum_partitions: int = Field(
        default=14, gt=1, description="Number of partitions with known outcomes before the gate is assessed."
    )
    minimum_findings: int = Field(default=0, ge=0, description="Number of research findings that the gate requires.")
    minimum_trained_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of people's training that the gate requires to be complete."
    )
    scope: Scope = Field(default_factory=Scope, description="The part of the organization that the stage covers.")

    @model_validator(mode="after")
    def _check_order(self) -> StageGate:
        if self.minimum_gain > self.target:
            raise FieldError(
                "minimum_gain",
                f"minimum_gain ({self.minimum_gain:g}) is above target ({self.target:g}); lower minimum_gain",
            )
        return self


class Stages(DeclaredModel):
    """The gate of each stage. The gate of production shows whether the use case still pays for itself."""

    idea_date: date | None = Field(default=None, description="Local day on which the idea was recorded.")
    poc: StageGate = Field(description="Gate of the proof of concept, on replayed past decisions.")
    pilot: StageGate | None = Field(
        default=None, description="Gate of the pilot, on live decisions. Needed before the pilot starts."
    )
    production: StageGate | None = Field(
        default=None, description="Gate of production, on live decisions. Needed before production starts."
    )

    def gate(self, stage: Stage) -> StageGate | None:
        """Return the gate of a stage; None if the gate isn't declared or the stage is `retired`."""
        return None if stage == "retired" else getattr(self, stage)
