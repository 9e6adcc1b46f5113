"""Estimators: fitting the declared one, and asking a fitted one what it expects."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FittedModel:
    """A fitted estimator and how rows become its matrix: `levels` maps a category to the values it learned.

    `treatment`: the feature that says which action a unit got, of `actions`, where such were dealt at random.
    """

    estimator: Any
    features: list[str]
    levels: dict[str, list[str]]
    treatment: str | None = None
    actions: Sequence[str] = ()

    def matrix(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Shape (n, features), float32; a category is its number, one never seen is missing."""
        import numpy as np

        found = np.empty((len(frame), len(self.features)), "float32")
        for i, f in enumerate(self.features):
            column = frame[f]
            found[:, i] = self._numbered(column) if f in self.levels else column.to_numpy("float32", na_value=np.nan)
        return found

    def _numbered(self, column: pd.Series[Any]) -> NDArray[np.float32]:
        import numpy as np
        import pandas as pd

        numbers = pd.Index(self.levels[str(column.name)]).get_indexer(pd.Index(column))
        return np.where(numbers < 0, np.nan, numbers).astype("float32")

    def score(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The expected outcome of each row, shape (n,): of a classifier the probability of 1.

        Where actions were dealt at random, under each of them: shape (actions, n).
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="openmp"):
            if self.treatment is None:
                return self._expected(frame)
            return np.stack([self._expected(frame.assign(**{self.treatment: a})) for a in self.actions])

    def _expected(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        import numpy as np

        if not hasattr(self.estimator, "predict_proba"):
            found: NDArray[np.float64] = self.estimator.predict(self.matrix(frame))
            return found
        chances = self.estimator.predict_proba(self.matrix(frame))
        if chances.shape[1] == 1:  # it has only ever seen one outcome
            return np.full(len(frame), float(self.estimator.classes_[0]))
        certain: NDArray[np.float64] = chances[:, 1]
        return certain


def fit_model(recipe: Model, kpi: Kpi, features: Sequence[str], frame: pd.DataFrame) -> FittedModel:
    """Fits a recipe to the rows of a training set; deterministic.

    One OpenMP thread: two were measured slower, even alone. Raises ModelError for a target that isn't SQL.
    """
    from sklearn.utils import get_tags
    from threadpoolctl import threadpool_limits

    treatment = kpi.treatment.column if kpi.treatment else None
    features, categories = list(features), {*recipe.categorical, treatment}
    module, _, name = recipe.estimator.rpartition(".")
    estimator = getattr(importlib.import_module(module), name)(**recipe.params)
    settings: dict[str, Any] = {
        "random_state": recipe.seed,
        "categorical_features": [i for i, f in enumerate(features) if f in categories],
    }
    if recipe.monotone_constraints:
        settings["monotonic_cst"] = [recipe.monotone_constraints.get(f, 0) for f in features]
    if kpi.amount and "quantile" not in recipe.params:
        settings["quantile"] = kpi.amount.quantile
    accepted = estimator.get_params()
    estimator.set_params(**{k: v for k, v in settings.items() if k in accepted})
    if not get_tags(estimator).input_tags.allow_nan:
        estimator = _prepared(estimator, settings["categorical_features"], len(features))
    levels = {f: sorted(frame[f].dropna().unique().tolist()) for f in features if f in categories}
    model = FittedModel(estimator, features, levels, treatment, kpi.actions_by_cost if treatment else ())
    with threadpool_limits(limits=1, user_api="openmp"):
        estimator.fit(model.matrix(frame), _learned(recipe, kpi, frame))
    return model


def _prepared(estimator: Any, categories: list[int], count: int) -> Any:
    """An estimator that can't do with missing values, behind what it needs: a column a category, numbers alike."""
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


def _learned(recipe: Model, kpi: Kpi, frame: pd.DataFrame) -> NDArray[np.float64]:
    """What is learned of each row: the outcome, or the recipe's target."""
    if recipe.target is None:
        return frame[kpi.outcome].to_numpy(float)
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as db:
        db.register("rows", pa.Table.from_pandas(frame, preserve_index=False))
        try:
            found = db.execute(f"select ({recipe.target})::double as target from rows").df()["target"].to_numpy(float)
        except duckdb.Error as error:
            raise ModelError(
                f"model target '{recipe.target}' isn't SQL over the columns of features.sql and {kpi.outcome}: {error}"
            ) from error
    return found


def restore_model(estimator: Any, card: Mapping[str, Any]) -> FittedModel:
    """A loaded estimator with what its card says of it."""
    return FittedModel(estimator, card["features"], card["levels"], card.get("treatment"), card.get("actions", ()))
