"""The declared build-or-buy assessment: who can build the use case, the remaining build cost, and vendor prices."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError


class Price(DeclaredModel):
    """The price of a vendor, in the KPI's currency."""

    per_decision: float = Field(default=0.0, ge=0, description="Price of each decided unit.")
    per_month: float = Field(default=0.0, ge=0, description="Monthly price, however many units are decided.")
    one_off: float = Field(default=0.0, ge=0, description="One-off price: contract, integration, training.")


class Sourcing(DeclaredModel):
    """What the owner declares for the build-or-buy assessment: ability to build, remaining cost, growth and prices."""

    capability: Literal["inside", "partly", "missing"] = Field(
        description="Whether the organization can build and run the use case itself."
    )
    strategic: bool = Field(
        description="`true`: the use case is an advantage over competitors. It is then built, not bought, and no vendor"
        " receives an extract."
    )
    why: str = Field(description="Why the use case is strategic, or why it isn't.")
    remaining_build_cost: float = Field(
        ge=0, description="Cost that building still needs, in the KPI's currency. Money already spent doesn't count."
    )
    yearly_growth: float = Field(default=0.0, gt=-1, description="Yearly growth of the number of units: 0.2 is 20%.")
    variable_cost_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the monthly cost (kpi.costs.per_month) that grows with the number of units.",
    )
    horizon_months: int = Field(
        default=36, gt=0, description="Number of months over which building and buying are compared."
    )
    yearly_discount: float = Field(default=0.08, ge=0, description="Yearly discount rate: 0.08 is 8%.")
    vendors: dict[Name, Price] = Field(
        default_factory=dict, description="Price of each vendor, by the name of its candidate with `vendor: true`."
    )

    vendor_columns: list[str] = Field(
        default_factory=list,
        description="Features that vendors may receive although they are calculated from personal columns, such as an"
        " age group. All other features that derive from personal columns are left out of extracts for vendors.",
    )

    @model_validator(mode="after")
    def _check_reason(self) -> Sourcing:
        if not self.why.strip():
            raise FieldError("why", "`why` is empty; write why the use case is strategic, or why not")
        return self
