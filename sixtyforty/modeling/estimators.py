"""Fit the declared scikit-learn estimator, and predict outcomes with a fitted one."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FittedModel:
    """A fitted scikit-learn estimator, with the settings that turn rows of features into its input matrix.

    `levels` maps each categorical feature to its values in the training set, in sorted order. `treatment` names the
    column with the action that a unit received in a past experiment. `actions` lists the actions of that experiment.
    """

    estimator: Any
    features: list[str]
    levels: dict[str, list[str]]
    treatment: str | None = None
    actions: Sequence[str] = ()

    def to_matrix(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return the rows as a float32 array of shape (rows, features).

        The value of a categorical feature becomes its position in `levels`, or NaN if the training set lacks the value.
        """
        import numpy as np

        matrix = np.empty((len(frame), len(self.features)), "float32")
        for position, feature in enumerate(self.features):
            column = frame[feature]
            is_category = feature in self.levels
            matrix[:, position] = self._encode(column) if is_category else column.to_numpy("float32", na_value=np.nan)
        return matrix

    def _encode(self, column: pd.Series[Any]) -> NDArray[np.float32]:
        import numpy as np
        import pandas as pd

        codes = pd.Index(self.levels[str(column.name)]).get_indexer(pd.Index(column))
        return np.where(codes < 0, np.nan, codes).astype("float32")

    def predict(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the expected outcome of each row, in an array of shape (rows,).

        The expected outcome of a classifier is the probability of outcome 1. With a `treatment`, return the expected
        outcome of each row under each action, in an array of shape (actions, rows).
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="openmp"):
            if self.treatment is None:
                return self._predict_outcome(frame)
            frames = [frame.assign(**{self.treatment: action}) for action in self.actions]
            return np.stack([self._predict_outcome(under_action) for under_action in frames])

    def _predict_outcome(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        import numpy as np

        matrix = self.to_matrix(frame)
        if not hasattr(self.estimator, "predict_proba"):
            outcomes: NDArray[np.float64] = self.estimator.predict(matrix)
            return outcomes
        probabilities = self.estimator.predict_proba(matrix)
        if probabilities.shape[1] == 1:  # all rows of the training set had the same outcome
            return np.full(len(frame), float(self.estimator.classes_[0]))
        positive: NDArray[np.float64] = probabilities[:, 1]
        return positive


def fit_model(recipe: Model, kpi: Kpi, features: Sequence[str], frame: pd.DataFrame) -> FittedModel:
    """Fit a recipe to the rows of a training set. The same rows give the same model.

    frame: one row per unit, with the features and the outcome. If a treatment is declared, also the action that the
    unit received. One OpenMP thread is used, because two threads were slower in measurements. Raises ModelError if the
    declared target isn't valid SQL.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    treatment = kpi.treatment.column if kpi.treatment else None
    features, categories = list(features), {*recipe.categorical, treatment}
    estimator = _build_estimator(recipe, kpi, features, [i for i, f in enumerate(features) if f in categories])
    levels = {f: sorted(frame[f].dropna().unique().tolist()) for f in features if f in categories}
    model = FittedModel(estimator, features, levels, treatment, kpi.actions_by_cost if treatment else ())
    with threadpool_limits(limits=1, user_api="openmp"):
        matrix = model.to_matrix(frame)
        matrix[:, np.isnan(matrix).all(axis=0)] = 0  # some estimators fail on a feature without any known value
        estimator.fit(matrix, _target(recipe, kpi, frame))
    return model


def _build_estimator(recipe: Model, kpi: Kpi, features: list[str], categories: list[int]) -> Any:
    """Return the declared estimator, not yet fitted, with the seed and the other settings that it accepts.

    categories: positions of the categorical features in `features`.
    """
    from sklearn.utils import get_tags

    module, _, name = recipe.estimator.rpartition(".")
    estimator = getattr(importlib.import_module(module), name)(**recipe.params)
    settings: dict[str, Any] = {"random_state": recipe.seed, "categorical_features": categories}
    if recipe.monotone_constraints:
        settings["monotonic_cst"] = [recipe.monotone_constraints.get(feature, 0) for feature in features]
    if kpi.amount and "quantile" not in recipe.params:
        settings["quantile"] = kpi.amount.quantile
    accepted = estimator.get_params()
    estimator.set_params(**{name: setting for name, setting in settings.items() if name in accepted})
    if not get_tags(estimator).input_tags.allow_nan:
        estimator = _with_preprocessing(estimator, categories, len(features))
    return estimator


def _with_preprocessing(estimator: Any, categories: list[int], count: int) -> Any:
    """Return a pipeline around an estimator that accepts no NaN: one-hot categories, imputed and scaled numbers.

    categories: positions of the categorical features. count: number of features.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    steps = [
        ("categories", OneHotEncoder(handle_unknown="ignore"), categories),
        ("numbers", numbers, [i for i in range(count) if i not in categories]),
    ]
    return make_pipeline(ColumnTransformer(steps), estimator)


def _target(recipe: Model, kpi: Kpi, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the number that the estimator learns to predict for each row: the outcome, or the declared target."""
    if recipe.target is None:
        return frame[kpi.outcome].to_numpy(float)
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as db:
        db.register("rows", pa.Table.from_pandas(frame, preserve_index=False))
        try:
            target = db.execute(f"select ({recipe.target})::double as target from rows").df()["target"]
        except duckdb.Error as error:
            raise ModelError(
                f"model.target '{recipe.target}' is not valid SQL over the columns of features.sql and the outcome"
                f" {kpi.outcome}. Correct model.target in defs.yaml. DuckDB's message: {error}"
            ) from error
    return target.to_numpy(float)


def restore_model(estimator: Any, card: ModelCard) -> FittedModel:
    """Combine a loaded estimator with the features and categories on its model card. Return the fitted model."""
    return FittedModel(estimator, card.features, card.levels, card.treatment, card.actions)
