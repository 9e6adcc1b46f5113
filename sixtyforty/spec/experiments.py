"""Declared experiments that measure the effect of an action: a past treatment, or a live holdout."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError

VALUE_PER_OUTCOME = (
    "Value of an outcome of 1 in the KPI's currency, regardless of the action; negative if the outcome is a loss."
)


class Treatment(DeclaredModel):
    """A past experiment in which each unit received a random action, so any policy's value can be estimated.

    A unit counts for a policy only if the policy would have chosen the action that the unit received. The weight of the
    unit is then 1 / probability of that action (Horvitz and Thompson, 1952). The gain is the difference between the
    weighted means of two policies. The model learns to predict the outcome under each action. Declare either `shares`,
    if the probabilities were the same for every unit, or `propensity`, if they differed.
    """

    column: Name = Field(
        description="Column of outcomes.sql with the action that each unit received; null if the unit took no part."
    )
    shares: dict[str, Annotated[float, Field(gt=0, lt=1)]] | None = Field(
        default=None,
        description="Each action, with the share of the units that received it. The shares add up to 1. Declare shares"
        " if each unit had the same chances.",
    )
    propensity: Name | None = Field(
        default=None,
        description="Numeric column of outcomes.sql with the probability with which the unit received its action: above"
        " 0, at most 1. Declare it instead of `shares` if the chances differed between units.",
    )
    value_per_outcome: float = Field(description=VALUE_PER_OUTCOME)

    @property
    def columns(self) -> list[str]:
        """The columns of outcomes.sql that describe the experiment: the received action, and its propensity if any."""
        return [self.column, *([self.propensity] if self.propensity else [])]


class Bounds(DeclaredModel):
    """The smallest and the greatest value that are possible."""

    low: float = Field(description="Smallest possible value.")
    high: float = Field(description="Greatest possible value.")

    @model_validator(mode="after")
    def _check_order(self) -> Bounds:
        if self.low >= self.high:
            raise FieldError("high", f"high ({self.high:g}) must be greater than low ({self.low:g})")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the greatest value."""
        return self.low, self.high


class Holdout(DeclaredModel):
    """A live experiment: units drawn at random permanently keep the current process.

    If the action changes the outcome, only a holdout or a past experiment (`kpi.treatment`) can measure the gain. With
    `measurement: exact`, a holdout tests the assumption that the action doesn't change the outcome.
    """

    share: float = Field(
        gt=0,
        lt=1,
        description="Share of the units in the holdout. If the share is raised, the units in the holdout stay in it.",
    )
    value_per_outcome: float | None = Field(
        default=None,
        description=f"{VALUE_PER_OUTCOME} The holdout and the other units are compared by the value of a unit:"
        " value_per_outcome × outcome − cost of the action. Required for `measurement: randomized`. With `measurement:"
        " exact`, the outcomes themselves are compared, so leave it out.",
    )
    cluster_by: list[str] = Field(
        default_factory=list,
        description="Columns of the units: units with equal values are all in the holdout, or none of them is. If left"
        " out, each unit is drawn by itself.",
    )
    salt: str = Field(
        default="",
        description="Text that seeds the random draw of the holdout. With another text, other units are drawn.",
    )
    covariate: str | None = Field(
        default=None,
        description="Numeric column of features.sql that predicts the outcome and that no action since the start of the"
        " holdout can have changed. The part of the outcome's variation that the column explains is removed (CUPED), so"
        " the gain is measured more precisely.",
    )
    planned_units: int = Field(
        default=10_000,
        gt=0,
        description="Number of units in the experiment at which the always-valid confidence interval is narrowest."
        " Choose this number before the start: `sixtyforty holdout` computes how many units are needed.",
    )
    bounds: Bounds | None = Field(
        default=None,
        description="Smallest and greatest possible value of a unit (value_per_outcome × outcome − cost of the action),"
        " in the KPI's currency. If a few extreme values decide, there is no interval without them. Declare them before"
        " the start, from what is possible. A value outside of them refuses every figure of the holdout.",
    )

    @model_validator(mode="after")
    def _check_bounds(self) -> Holdout:
        if self.bounds and self.covariate:
            raise FieldError(
                "bounds", "bounds don't hold for values that are adjusted for a covariate; remove one of the two"
            )
        if self.bounds and self.value_per_outcome is None:
            raise FieldError(
                "bounds", "bounds are for the value of a unit, so they need `measurement: randomized`; remove them"
            )
        return self
