"""The recipe of a model, what experts put into it, and the gate it must pass."""

from __future__ import annotations

from string import Formatter
from typing import Any, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name


class Veto(DeclaredModel):
    """An action that an expert forbids the model; a candidate isn't bound by it."""

    when: str = Field(description="SQL condition over the columns of features.sql. Unknown is no.")
    never: str = Field(description="The action the model then never takes: the best of the others is.")
    why: str = Field(description="Why, in the words of the business; said with each decision it changes.")


class Alternative(DeclaredModel):
    """Another estimator to compare the model with: the one worth most in the backtest is the challenger."""

    description: str = Field(description="What it is, for those who read the model record.")
    estimator: str = Field(description="Import path of a scikit-learn estimator.")
    params: dict[str, Any] = Field(default_factory=dict, description="Its parameters.")
    target: str | None = Field(default=None, description="As of the model.")


class Model(DeclaredModel):
    """The recipe of the model: a scikit-learn estimator, by import path."""

    estimator: str = Field(
        description="Import path of a scikit-learn estimator, a classifier of binary outcomes or a regressor; what its"
        " file holds must be on model_files.TRUSTED."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Its parameters.")
    target: str | None = Field(
        default=None,
        description="What it learns in place of the outcome, as SQL over features.sql and the outcome: its answer then"
        " ranks units, and is paid like an outcome.",
    )
    alternatives: dict[Name, Alternative] = Field(
        default_factory=dict,
        description="Other estimators, on the same features and rows. The one worth most is put forward, not the one"
        " that predicts best.",
    )
    categorical: list[str] = Field(default_factory=list, description="Features that are categories.")
    training_days: int = Field(gt=0, description="Trailing window it learns from, in local days.")
    seed: int = Field(default=0, description="Random seed of every fit.")
    monotone_constraints: dict[str, Literal[1, -1]] = Field(
        default_factory=dict,
        description="Features that may only raise (1) or lower (-1) the expected outcome as they rise, all else equal."
        " Given to estimators that know of it; a challenger that breaks one is rejected.",
    )
    vetoes: dict[Name, Veto] = Field(default_factory=dict, description="What an expert forbids the model.")
    reasons: dict[str, str] = Field(
        default_factory=dict,
        description="Features in the words of those who decide, to say why: a sentence with {value}, formatted as in"
        " Python: '{value:.0%} of the last hours' departures were late'.",
    )

    def with_alternative(self, name: str) -> Model:
        """The model with a candidate's estimator."""
        other = self.alternatives[name]
        changes = {k: getattr(other, k) for k in ("estimator", "params", "target")}
        return self.model_copy(update={**changes, "candidates": {}})

    @model_validator(mode="after")
    def _expert_input(self) -> Model:
        if both := sorted(set(self.monotone_constraints) & set(self.categorical)):
            raise ValueError(f"monotone_constraints: {both} are categories, which neither rise nor fall")
        for feature, text in self.reasons.items():
            try:
                fields = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            except ValueError as error:
                raise ValueError(f"reasons.{feature}: {error}") from error
            if fields != {"value"}:
                raise ValueError(f"reasons.{feature} needs {{value}}, and nothing else in braces")
        return self


class Gate(DeclaredModel):
    """What a challenger must show before it decides anything."""

    margin: float = Field(ge=0, description="Value per 1,000 units within which two models count as equal.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Of its lower bounds (one-sided).")
    max_rejected_share: float = Field(
        default=0.1, ge=0, lt=1, description="Share of the window's partitions governance may have refused."
    )
