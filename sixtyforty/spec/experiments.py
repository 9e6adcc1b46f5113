"""Declared experiments that measure the effect of an action: a past treatment, or a live holdout."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sixtyforty.spec.base import DeclaredModel, Name

VALUE_PER_OUTCOME = (
    "Value of an outcome of 1 in the KPI's currency, regardless of the action; negative if the outcome is a loss."
)


class Treatment(DeclaredModel):
    """A past experiment in which each unit received a random action, so any policy's value can be estimated.

    A unit counts for a policy only if the policy would have chosen the action that the unit received. The weight of the
    unit is then 1 / share of that action (Horvitz and Thompson, 1952). The gain is the difference between the weighted
    means of two policies. The model learns to predict the outcome under each action.
    """

    column: Name = Field(
        description="Column of outcomes.sql with the action that each unit received; null if the unit took no part."
    )
    shares: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        description="Each action, with the share of the units that received it. The shares add up to 1."
    )
    value_per_outcome: float = Field(description=VALUE_PER_OUTCOME)


class Holdout(DeclaredModel):
    """A live experiment: units drawn at random permanently keep the current process.

    If the action changes the outcome, only a holdout or a past experiment (`kpi.treatment`) can measure the gain.
    """

    share: float = Field(
        gt=0,
        lt=1,
        description="Share of the units in the holdout. If the share is raised, the units in the holdout stay in it.",
    )
    value_per_outcome: float = Field(
        description=f"{VALUE_PER_OUTCOME} The holdout and the other units are compared by the value of a unit:"
        " value_per_outcome × outcome − cost of the action."
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
