"""The recipe of the model, the experts' input, and the gate for promotion."""

from __future__ import annotations

from string import Formatter
from typing import Any, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError


class Veto(DeclaredModel):
    """A rule of an expert that forbids the model one action under a condition. Candidates may still take the action."""

    when: str = Field(description="SQL condition over the columns of features.sql. Null counts as false.")
    never: str = Field(description="The forbidden action; the model takes the best of the others.")
    why: str = Field(description="The reason, in the words of the business; shown with each decision that it changes.")


class Alternative(DeclaredModel):
    """Another estimator for the same model.

    Of all estimators, the one whose decisions have the highest value in the backtest becomes the challenger.
    """

    description: str = Field(description="What it is, for the readers of the model record.")
    estimator: str = Field(description="Import path of a scikit-learn estimator.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")
    target: str | None = Field(default=None, description="Replaces the target of the model.")


class Model(DeclaredModel):
    """The recipe of the model: a scikit-learn estimator, its features and its training window."""

    estimator: str = Field(
        description="Import path of a scikit-learn estimator: a classifier for binary outcomes, or a regressor. Its"
        " file may contain only types that skops_files.TRUSTED lists."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")
    target: str | None = Field(
        default=None,
        description="SQL over features.sql and the outcome: what the model learns instead of the outcome. Its"
        " prediction then ranks the units, and is valued like an outcome.",
    )
    alternatives: dict[Name, Alternative] = Field(
        default_factory=dict,
        description="Other estimators, trained on the same features and rows. The one with the highest value becomes"
        " the challenger, not the one with the best predictions.",
    )
    categorical: list[str] = Field(default_factory=list, description="Features that are categories.")
    training_days: int = Field(gt=0, description="Length of the training window in local days, up to the training.")
    seed: int = Field(default=0, description="Random seed of every fit.")
    monotone_constraints: dict[str, Literal[1, -1]] = Field(
        default_factory=dict,
        description="Features that can only raise (1) or lower (-1) the expected outcome when they rise. Estimators"
        " that support constraints receive them; a challenger that violates one is rejected.",
    )
    vetoes: dict[Name, Veto] = Field(default_factory=dict, description="Actions that experts forbid under a condition.")
    reasons: dict[str, str] = Field(
        default_factory=dict,
        description="Features in the words of the people who decide, to explain a decision. Each is a clause in"
        " lower case with {value}, formatted as in Python: '{value:.0%} of the departures in the last hour were late'."
        " Pages write it after 'Raises the risk: ' or 'Lowers the risk: '.",
    )

    def with_alternative(self, name: str) -> Model:
        """Return the model with an alternative's estimator, parameters and target."""
        alternative = self.alternatives[name]
        changes = {field: getattr(alternative, field) for field in ("estimator", "params", "target")}
        return self.model_copy(update={**changes, "alternatives": {}})

    @model_validator(mode="after")
    def _check_constraints(self) -> Model:
        if categories := sorted(set(self.monotone_constraints) & set(self.categorical)):
            names = ", ".join(categories)
            raise FieldError("monotone_constraints", f"a categorical feature can't rise or fall; remove {names}")
        return self

    @model_validator(mode="after")
    def _check_reasons(self) -> Model:
        for feature, text in self.reasons.items():
            try:
                names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            except ValueError as error:
                raise FieldError(f"reasons.{feature}", f"the braces are not balanced: {error}") from error
            if names != {"value"}:
                raise FieldError(f"reasons.{feature}", "the text needs {value}, and no other name in braces")
        return self


class Gate(DeclaredModel):
    """What a challenger must show before it is promoted."""

    margin: float = Field(
        ge=0,
        description="Difference in value per 1,000 units, in the currency, within which two models count as equal.",
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Confidence of its lower bounds (one-sided): 0.95 is 95%."
    )
    max_rejected_share: float = Field(
        default=0.1, ge=0, lt=1, description="Largest share of the window's partitions that may be rejected."
    )
