"""The stages of a use case, from proof of concept to retirement, and the gate out of each: declared before the figures.

A gate counts as it was registered when the stage began: what is declared later moves no goalpost (`stage_gate.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel

Stage = Literal["poc", "pilot", "production", "retired"]
STAGES: tuple[Stage, ...] = ("poc", "pilot", "production", "retired")


class Scope(DeclaredModel):
    """How far down the organisation a stage reaches: a pilot begins with a team at a site, not with all."""

    team: str | None = Field(default=None, description="The team that works with it. None: all.")
    site: str | None = Field(default=None, description="The site. None: all.")
    region: str | None = Field(default=None, description="The region. None: all.")
    where: str | None = Field(
        default=None,
        description="SQL over the columns of features.sql: the units it reaches. While the stage lasts, no others are"
        " decided about live. None: all.",
    )

    @property
    def description(self) -> str:
        """In words."""
        return ", ".join(v for v in (self.team, self.site, self.region) if v) or "everywhere"


class StageGate(DeclaredModel):
    """What a stage must show, said before it begins, by when, and below what it isn't worth going on.

    pass: the gain is proven, reaches the target, and the people are ready. stop: it is surely less than what is worth
    having or, at the stop date, hasn't passed. continue: neither yet.
    """

    target: float = Field(gt=0, description="Lift over the current process aimed at, per 1,000 units.")
    minimum_gain: float = Field(gt=0, description="The smallest lift per 1,000 units that would be worth the trouble.")
    stop_date: date = Field(description="The local day by which it has passed, or is stopped.")
    minimum_partitions: int = Field(
        default=14, gt=1, description="Partitions with known outcomes before anything is said."
    )
    minimum_findings: int = Field(default=0, ge=0, description="Dated findings of user research it needs.")
    minimum_trained_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of the training that must be done."
    )
    scope: Scope = Field(default_factory=Scope, description="Whom the stage reaches.")

    @model_validator(mode="after")
    def _in_order(self) -> StageGate:
        if self.minimum_gain > self.target:
            raise ValueError("minimum_gain is above target: what is aimed at must be worth having")
        return self


class Stages(DeclaredModel):
    """The gates, one a stage; the gate of production says whether it still earns its keep."""

    idea_date: date | None = Field(default=None, description="The local day it was first thought of.")
    poc: StageGate = Field(description="On past decisions, relived with what was known then.")
    pilot: StageGate | None = Field(default=None, description="On live decisions; needed before it is one.")
    production: StageGate | None = Field(default=None, description="On live decisions; needed before it is in it.")

    def gate(self, stage: Stage) -> StageGate | None:
        """That of a stage; none of what is retired."""
        return None if stage == "retired" else getattr(self, stage)
