"""How the model is trained, what experts add to it, and which gate a challenger must pass."""

from __future__ import annotations

from string import Formatter
from typing import Any, Literal

from pydantic import Field, model_validator

from sixtyforty.spec.base import DeclaredModel, Name
from sixtyforty.spec.errors import FieldError
from sixtyforty.spec.kpi import MINIMUM_BLOCKS

# A recipe contains these fields only if they are declared. So a new optional field changes no hash of a recipe.
OPTIONAL_FIELDS = ("monotone_constraints", "vetoes", "target")


class Veto(DeclaredModel):
    """A rule of an expert that forbids the model one action under a condition. Candidates may still take the action."""

    when: str = Field(
        description="SQL condition over the columns of features.sql, under which the action is forbidden. Null counts"
        " as false."
    )
    never: str = Field(description="The forbidden action. The model takes the best of the other actions instead.")
    why: str = Field(description="The reason in words of the business, shown with each decision that the veto changes.")


class Alternative(DeclaredModel):
    """Another estimator that each training tries.

    The backtest values the decisions of all estimators. The estimator whose decisions have the highest value becomes
    the challenger.
    """

    description: str = Field(description="What the alternative is, for readers of the model record.")
    estimator: str = Field(description="Import path of a scikit-learn estimator.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")
    target: str | None = Field(
        default=None, description="What this estimator learns, as in model.target. If left out: the outcome."
    )


class Model(DeclaredModel):
    """The recipe of the model: a scikit-learn estimator, its features and its training window."""

    estimator: str = Field(
        description="Import path of a scikit-learn estimator: a classifier for binary outcomes, otherwise a regressor."
        " It must be a BaseEstimator of scikit-learn, or of a package in the setting SIXTYFORTY_ESTIMATOR_PACKAGES."
        " The file of a trained model may contain only the types in the allow list skops_files.TRUSTED."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the estimator.")
    target: str | None = Field(
        default=None,
        description="SQL expression over the columns of features.sql and the outcome. The model learns to predict its"
        " value instead of the outcome. Payoffs are then computed from the prediction as if it were an outcome.",
    )
    alternatives: dict[Name, Alternative] = Field(
        default_factory=dict,
        description="Other estimators, trained on the same features and rows. The estimator whose decisions have the"
        " highest value becomes the challenger, not the estimator with the best predictions.",
    )
    categorical: list[str] = Field(default_factory=list, description="Features that are categories.")
    training_days: int = Field(gt=0, description="Length of the training window, in local days.")
    seed: int = Field(default=0, description="Random seed of every training.")
    monotone_constraints: dict[str, Literal[1, -1]] = Field(
        default_factory=dict,
        description="Features that can only raise (1) or lower (-1) the expected outcome when they rise. Estimators"
        " that support constraints receive them. A challenger that violates a constraint is rejected.",
    )
    vetoes: dict[Name, Veto] = Field(default_factory=dict, description="Actions that experts forbid under a condition.")
    reasons: dict[str, str] = Field(
        default_factory=dict,
        description="Features in words, to explain decisions to the people who decide. Each text is a clause in lower"
        " case with {value}, formatted as in Python: '{value:.0%} of the departures in the last hour were late'."
        " Pages show the clause after 'Raises the risk: ' or 'Lowers the risk: '. A number is followed by the usual one"
        " in the same unit, which is the next word: '24 min late (usually 8 min)'.",
    )

    def with_alternative(self, name: str) -> Model:
        """Return a copy of this recipe with the estimator, parameters and target of one alternative."""
        alternative = self.alternatives[name]
        changes = {field: getattr(alternative, field) for field in ("estimator", "params", "target")}
        return self.model_copy(update={**changes, "alternatives": {}})

    def to_recipe(self) -> dict[str, Any]:
        """Return the fields that define the recipe: all except `reasons` and `alternatives`.

        Model cards store this content, and the hash of a recipe covers it.
        """
        fields = self.model_dump(exclude={"reasons", "alternatives"})
        return {name: content for name, content in fields.items() if content or name not in OPTIONAL_FIELDS}

    @model_validator(mode="after")
    def _check_constraints(self) -> Model:
        if categories := sorted(set(self.monotone_constraints) & set(self.categorical)):
            names = ", ".join(categories)
            message = f"the values of a categorical feature have no order; remove {names} from monotone_constraints"
            raise FieldError("monotone_constraints", message)
        return self

    @model_validator(mode="after")
    def _check_reasons(self) -> Model:
        for feature, text in self.reasons.items():
            try:
                names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
            except ValueError as error:
                raise FieldError(f"reasons.{feature}", f"the reason has unbalanced braces: {error}") from error
            if names != {"value"}:
                raise FieldError(f"reasons.{feature}", "the reason must contain {value}, and no other name in braces")
        return self


class Gate(DeclaredModel):
    """What a challenger must show before it is promoted."""

    margin: float = Field(
        ge=0,
        description="Difference in value per 1,000 units, in the KPI's currency, within which two models count as"
        " equal. A new recipe must gain more than this over the champion's recipe. A refresh is held only if it is"
        " proven worse, and by more than this.",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="One-sided confidence with which a gain must be proven, over all looks and recipes of a year. With"
        " `0.95`, a recipe without a gain is promoted in at most 5% of years.",
    )
    min_blocks: int = Field(
        default=MINIMUM_BLOCKS,
        ge=MINIMUM_BLOCKS,
        description="Smallest number of blocks of `kpi.block_days` days in the walk-forward backtest. With fewer, a"
        " first model or another recipe isn't promoted. It can be raised, but not lowered: an interval from fewer"
        " blocks isn't reliable.",
    )
    min_units: int = Field(
        default=20,
        ge=1,
        description="Smallest number of units with known outcomes in the walk-forward backtest. With fewer, the"
        " challenger isn't promoted.",
    )
    min_training_rows: int = Field(
        default=20,
        ge=1,
        description="Smallest number of training rows. A challenger that learned from fewer rows isn't promoted, and a"
        " model that learned from fewer rows isn't counted in the walk-forward backtest.",
    )
    max_rejected_share: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Largest share of the partitions in the training window that may be missing or rejected.",
    )
