"""Experiments that measure what an action changes: a past treatment, or a live holdout."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sixtyforty.spec.base import DeclaredModel, Name

VALUE_PER_OUTCOME = (
    "Value of an outcome of 1 in the KPI's currency, whatever the action was; negative if the outcome is a loss."
)


class Treatment(DeclaredModel):
    """A past experiment in which each unit received an action at random. Its outcomes show the value of any policy.

    A unit counts for a policy only if the policy would have chosen the action that the unit received. Its weight is
    then 1 / share of that action (Horvitz and Thompson, 1952). The gain is a difference of the weighted means. The
    model learns to predict the outcome under each action.
    """

    column: Name = Field(
        description="Column of outcomes.sql with the action that each unit received; null if it took no part."
    )
    shares: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        description="Each action, with the share of the units that received it. The shares add up to 1."
    )
    value_per_outcome: float = Field(description=VALUE_PER_OUTCOME)


class Holdout(DeclaredModel):
    """A live experiment: units drawn at random permanently keep the current process.

    It is needed to measure the gain if the action changes the outcome.
    """

    share: float = Field(
        gt=0,
        lt=1,
        description="Share of the units in the holdout. Units in a small holdout stay in it if the share grows.",
    )
    value_per_outcome: float = Field(
        description=f"{VALUE_PER_OUTCOME} The arms are compared on value_per_outcome × outcome − cost of the action."
    )
    cluster_by: list[str] = Field(
        default_factory=list,
        description="Columns of the units: units with equal values are assigned together. If left out, each unit is"
        " assigned by itself.",
    )
    salt: str = Field(default="", description="Any text. Another text assigns other units to the holdout.")
    covariate: str | None = Field(
        default=None,
        description="Numeric column of features.sql that predicts the outcome and that no action since the start of the"
        " holdout can have changed. The variation it explains is removed (CUPED).",
    )
    planned_units: int = Field(
        default=10_000,
        gt=0,
        description="Number of units at which the always-valid interval is narrowest. Choose it before the start:"
        " `sixtyforty holdout` computes how many are needed.",
    )
