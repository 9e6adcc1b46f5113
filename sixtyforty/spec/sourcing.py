"""Build or buy, as declared: what it takes to build, what a vendor asks, and whether it must be held close at all."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name


class Price(DeclaredModel):
    """What a vendor asks, in the KPI's unit."""

    per_decision: float = Field(default=0.0, ge=0, description="For each unit decided.")
    per_month: float = Field(default=0.0, ge=0, description="Whatever is decided.")
    one_off: float = Field(default=0.0, ge=0, description="To begin with: contract, connection, training.")


class Sourcing(DeclaredModel):
    """The scorecard of build or buy."""

    capability: Literal["inside", "partly", "missing"] = Field(
        description="Whether the capability to build and run it exists inside."
    )
    strategic: bool = Field(
        description="It sets us apart from competitors: it isn't bought, and no vendor is given an extract."
    )
    why: str = Field(description="Why it is held close, or needn't be.")
    remaining_build_cost: float = Field(
        ge=0, description="What is still to be spent on building; what is spent counts no more."
    )
    yearly_growth: float = Field(default=0.0, gt=-1, description="How the units grow a year: 0.2 is by a fifth.")
    variable_cost_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of the cost of running (kpi.costs.per_month) that grows with them."
    )
    horizon_months: int = Field(default=36, gt=0, description="The horizon.")
    yearly_discount: float = Field(default=0.08, ge=0, description="Of a year's money: 0.08 is 8%.")
    vendors: dict[Name, Price] = Field(
        default_factory=dict, description="What each candidate of the KPI that is a vendor's asks."
    )

    @model_validator(mode="after")
    def _said(self) -> Sourcing:
        if not self.why.strip():
            raise ValueError("why: say why it is held close, or needn't be")
        return self
