"""Declared actions with their payoffs, the costs of the use case, and candidates (other ways to decide)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel
from sixtyforty.spec.errors import FieldError


class DailyLimit(DeclaredModel):
    """A limit of an action for all units of one local day, whatever their decision times."""

    count: int = Field(gt=0, description="Largest number of units of one day that can get the action.")
    per: Literal["day"] = Field(
        description="`day`: the limit holds for all units of a local day together. They get the action in the order of"
        " their decision times, until the limit is used up. Needs `partitions.every: day`."
    )


class Action(DeclaredModel):
    """One possible action. Its payoff is gain × outcome − cost, in the KPI's currency."""

    description: str = Field(description="What the action does, as a verb phrase: 'send a standby crew'.")
    cost: Annotated[float, Field(ge=0)] | str = Field(
        default=0.0,
        description="Cost of taking the action once, in the KPI's currency: a number, or a SQL expression over the"
        " columns of features.sql.",
    )
    gain: float | str = Field(
        default=0.0,
        description="Gain of the action if the outcome is 1, in the KPI's currency: a number, or a SQL expression over"
        " the columns of features.sql. For other outcomes, it is multiplied by the outcome.",
    )
    limit: Annotated[int, Field(gt=0)] | DailyLimit | None = Field(
        default=None,
        description="Largest number of units that can get this action at one decision time. If the action is best for"
        " more units, it goes to those with the largest expected advantage over their best other action. Write"
        " `{count: 100, per: day}` if the limit holds for a whole day.",
    )
    use_full_limit: bool = Field(
        default=False,
        description="`true`: as many units as `limit` allows always get the action, even if it isn't expected to pay.",
    )

    @property
    def fixed_cost(self) -> float:
        """The cost in the KPI's currency; infinite if the cost is SQL."""
        return math.inf if isinstance(self.cost, str) else self.cost

    @property
    def most_units(self) -> int | None:
        """The largest number of units at one decision time or, with `is_limited_by_day`, of one day; None: no limit."""
        return self.limit.count if isinstance(self.limit, DailyLimit) else self.limit

    @property
    def is_limited_by_day(self) -> bool:
        """Whether the limit holds for all units of a local day together."""
        return isinstance(self.limit, DailyLimit)

    @model_validator(mode="after")
    def _check_limit(self) -> Action:
        if self.use_full_limit and self.limit is None:
            raise FieldError("use_full_limit", "use_full_limit needs a number of units; declare `limit`, too")
        return self


class Amount(DeclaredModel):
    """An action that is a number, such as how many people to staff.

    The outcome, known later, is the amount that would have been right. The payoff is −shortage_cost × (outcome −
    amount) if the amount is too low, and −excess_cost × (amount − outcome) if it is too high. The best amount is the
    outcome's quantile at the probability shortage_cost / (shortage_cost + excess_cost). If the estimator has a
    parameter `quantile`, it receives this probability.
    Source: Arrow, Harris and Marschak, Optimal Inventory Policy, 1951.
    """

    description: str = Field(description="What is chosen, as a plural noun: 'fitters on call'.")
    shortage_cost: float = Field(gt=0, description="Cost in the KPI's currency if the amount is 1 too low.")
    excess_cost: float = Field(gt=0, description="Cost in the KPI's currency if the amount is 1 too high.")
    minimum: float = Field(default=0.0, description="The smallest amount that may be chosen.")
    maximum: float = Field(default=math.inf, description="The largest amount that may be chosen.")
    whole_numbers: bool = Field(default=True, description="`true`: the amount must be a whole number.")

    @property
    def quantile(self) -> float:
        """The probability p, between 0 and 1, for which the p-quantile of the outcome is the best amount to choose."""
        return self.shortage_cost / (self.shortage_cost + self.excess_cost)

    @model_validator(mode="after")
    def _check_range(self) -> Amount:
        if self.maximum <= self.minimum:
            raise FieldError(
                "maximum", f"maximum ({self.maximum:g}) must be above minimum ({self.minimum:g}); raise maximum"
            )
        for field, limit in (("minimum", self.minimum), ("maximum", self.maximum)):
            if self.whole_numbers and math.isfinite(limit) and not limit.is_integer():
                raise FieldError(
                    field,
                    f"{field} is {limit:g}, but the amount must be a whole number; round it, or write"
                    " `whole_numbers: false`",
                )
        return self


class Costs(DeclaredModel):
    """The costs of the use case, in the KPI's currency, as its owner declares them."""

    build: float = Field(default=0.0, ge=0, description="One-off cost of building the use case.")
    per_month: float = Field(
        default=0.0, ge=0, description="Monthly cost of running the use case: people and machines."
    )
    per_run_hour: float = Field(
        default=0.0, ge=0, description="Cost of one hour of pipeline runs, if per_month doesn't include this cost."
    )
    per_response: float = Field(
        default=0.0,
        ge=0,
        description="Cost of one person's answer to a decision, if per_month doesn't include this cost.",
    )


class Candidate(DeclaredModel):
    """Another way to decide, valued on the same units as the model: an expert's rule, or a vendor's predictions.

    The candidate's SQL reads the columns of features.sql, and `current_action`, the action of the current process. It
    can also read hidden columns. Their names start with `_`, and the model doesn't see them.
    """

    description: str = Field(description="What the candidate is, in the words of the business.")
    vendor: bool = Field(
        default=False, description="`true`: the candidate is a vendor's prediction, for the build-or-buy comparison."
    )
    action: str | None = Field(
        default=None,
        description="SQL expression that returns the name of the candidate's action. Declare either this or"
        " expected_outcome.",
    )
    expected_outcome: str | None = Field(
        default=None,
        description="SQL expression that returns a unit's expected outcome. The candidate then takes the action with"
        " the highest expected payoff. Declare either this or action.",
    )

    @model_validator(mode="after")
    def _check_answer(self) -> Candidate:
        if (self.action is None) == (self.expected_outcome is None):
            raise FieldError(
                "",
                "a candidate needs either `action` (SQL that returns an action's name) or `expected_outcome` (SQL that"
                " returns a number), not both",
            )
        return self
