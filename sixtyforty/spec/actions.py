"""The declared actions and their payoffs, the costs of the use case, and the candidates (other ways to decide)."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel
from sixtyforty.spec.errors import FieldError


class Action(DeclaredModel):
    """One possible action. Its payoff is gain × outcome − cost, in the KPI's currency."""

    description: str = Field(description="What is done, as a verb phrase: 'send a standby crew'.")
    cost: Annotated[float, Field(ge=0)] | str = Field(
        default=0.0,
        description="Cost of taking the action once, in the KPI's currency: a number, or SQL over features.sql.",
    )
    gain: float | str = Field(
        default=0.0,
        description="Gain per unit of outcome, in the KPI's currency: a number, or SQL over features.sql.",
    )
    limit: int | None = Field(
        default=None,
        gt=0,
        description="Largest number of units that can get this action at one decision time. The units with the largest"
        " expected advantage over their best other action get it.",
    )
    use_full_limit: bool = Field(
        default=False, description="Always use the whole limit, even for units where the action isn't expected to pay."
    )

    @model_validator(mode="after")
    def _check_limit(self) -> Action:
        if self.use_full_limit and self.limit is None:
            raise FieldError("use_full_limit", "it needs a `limit`: the number of units to use up")
        return self


class Amount(DeclaredModel):
    """An action that is a number, such as how many people to staff.

    The outcome, known later, is the amount that would have been right. The payoff is −shortage_cost × units too few, or
    −excess_cost × units too many. The best amount is the quantile shortage_cost / (shortage_cost + excess_cost) of the
    outcome. If the estimator has a parameter `quantile`, it receives this number.
    Source: Arrow, Harris and Marschak, Optimal Inventory Policy, 1951.
    """

    description: str = Field(description="What is chosen, as a plural noun: 'fitters on call'.")
    shortage_cost: float = Field(gt=0, description="Cost of each unit too few, in the KPI's currency.")
    excess_cost: float = Field(gt=0, description="Cost of each unit too many, in the KPI's currency.")
    minimum: float = Field(default=0.0, description="The smallest possible amount.")
    maximum: float = Field(default=math.inf, description="The largest possible amount.")
    whole_numbers: bool = Field(default=True, description="`true`: only whole numbers are possible.")

    @property
    def quantile(self) -> float:
        """The probability, between 0 and 1, whose quantile of the outcome is the best amount."""
        return self.shortage_cost / (self.shortage_cost + self.excess_cost)

    @model_validator(mode="after")
    def _check_range(self) -> Amount:
        if self.maximum <= self.minimum:
            raise FieldError(
                "maximum", f"{self.maximum:g} is not above minimum ({self.minimum:g}), so there is nothing to choose"
            )
        return self


class Costs(DeclaredModel):
    """The costs of the use case, in the KPI's currency, as its owner declares them."""

    build: float = Field(default=0.0, ge=0, description="One-off cost until the first decision.")
    per_month: float = Field(default=0.0, ge=0, description="Monthly cost of running it: people and machines.")
    per_run_hour: float = Field(
        default=0.0, ge=0, description="Cost of one hour of measured run time, if per_month doesn't include it."
    )
    per_response: float = Field(
        default=0.0, ge=0, description="Cost of one answer of a person to a decision, if per_month doesn't include it."
    )


class Candidate(DeclaredModel):
    """Another way to decide, valued on the same units as the model: an expert's rule, or a vendor's predictions.

    The candidate's SQL reads the columns of features.sql and `current_action`. It also reads hidden columns, whose
    names start with `_` and which the model doesn't see.
    """

    description: str = Field(description="What it is, in the words of the business.")
    vendor: bool = Field(default=False, description="`true`: a vendor's predictions, for the build-or-buy comparison.")
    action: str | None = Field(
        default=None, description="SQL that returns the name of the action. Declare this or expected_outcome."
    )
    expected_outcome: str | None = Field(
        default=None,
        description="SQL that returns the expected outcome; the action with the highest expected payoff is taken.",
    )

    @model_validator(mode="after")
    def _check_answer(self) -> Candidate:
        if (self.action is None) == (self.expected_outcome is None):
            raise FieldError(
                "", "declare exactly one of `action` (SQL of an action's name) and `expected_outcome` (SQL of a number)"
            )
        return self
