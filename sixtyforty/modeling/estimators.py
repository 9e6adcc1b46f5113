"""Fit the declared scikit-learn estimator, and predict outcomes with a fitted one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sixtyforty.modeling.estimator_checks import create_estimator, require_suitable
from sixtyforty.modeling.model_card import ModelCard
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.storage.duckdb_session import connect_for_expressions, describe_sql_error

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FittedModel:
    """A fitted scikit-learn estimator, with the settings that turn rows of features into its input matrix.

    `levels` maps each categorical feature to the values that the model distinguishes, in sorted order. `treatment`
    names the column with the action that a unit received in a past experiment. `actions` lists the actions of that
    experiment. `ignored` names the features without any value in the training set. Their later values count as 0.
    """

    estimator: Any
    features: list[str]
    levels: dict[str, list[str]]
    treatment: str | None = None
    actions: Sequence[str] = ()
    ignored: Sequence[str] = ()

    def to_matrix(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return the rows as a float32 array of shape (rows, features).

        The value of a categorical feature becomes its position in `levels`, or NaN if the model doesn't distinguish the
        value. An infinite number becomes NaN.
        """
        import numpy as np

        matrix = np.empty((len(frame), len(self.features)), "float32")
        for position, feature in enumerate(self.features):
            column = frame[feature]
            is_category = feature in self.levels
            matrix[:, position] = self._encode(column) if is_category else column.to_numpy("float32", na_value=np.nan)
            if feature in self.ignored:
                matrix[:, position] = 0
        matrix[np.isinf(matrix)] = np.nan
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
        classes = self.estimator.classes_.tolist()
        if len(classes) == 1:  # the model learned from rows that all had the same outcome
            return np.full(len(frame), float(classes[0]))
        positive: NDArray[np.float64] = self.estimator.predict_proba(matrix)[:, classes.index(1)]
        return positive


def fit_model(recipe: Model, kpi: Kpi, features: Sequence[str], frame: pd.DataFrame) -> FittedModel:
    """Fit a recipe to the rows of a training set. The same rows give the same model.

    frame: one row per unit, with the features and the outcome. If a treatment is declared, also the action that the
    unit received. One OpenMP thread is used, because two threads were slower in measurements. If all rows have the same
    outcome, the model always predicts this outcome. Raises ModelError if the estimator doesn't suit the outcome, if the
    declared target isn't valid SQL, or if the estimator can't learn from the rows.
    """
    import numpy as np
    from sklearn.base import is_classifier
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from threadpoolctl import threadpool_limits

    require_suitable(recipe, kpi)

    treatment = kpi.treatment.column if kpi.treatment else None
    features, categories = list(features), {*recipe.categorical, treatment}
    estimator = _build_estimator(recipe, kpi, features, [i for i, f in enumerate(features) if f in categories])
    target = _target(recipe, kpi, frame)
    outcomes = np.unique(target)
    if is_classifier(estimator):
        if not np.isin(outcomes, (0, 1)).all():
            raise ModelError(
                f"The estimator {recipe.estimator} is a classifier, so it must learn 0 or 1, but model.target gives"
                f" {outcomes[~np.isin(outcomes, (0, 1))][0]:g}. Declare a regressor, or correct model.target."
            )
        if len(outcomes) == 1:
            estimator = DummyClassifier(strategy="most_frequent")
    elif len(outcomes) == 1:  # regularized estimators would predict less
        estimator = DummyRegressor(strategy="constant", constant=outcomes[0])
    most = _most_levels(estimator)
    levels = {feature: _select_levels(frame[feature], most) for feature in features if feature in categories}
    model = FittedModel(estimator, features, levels, treatment, kpi.actions_by_cost if treatment else ())
    with threadpool_limits(limits=1, user_api="openmp"):
        matrix = model.to_matrix(frame)
        without_value = np.asarray(np.isnan(matrix).all(axis=0))  # some estimators fail on a feature without values
        matrix[:, without_value] = 0
        try:
            estimator.fit(matrix, target)
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"The estimator {recipe.estimator} can't learn from the training set: {error} Correct features.sql,"
                " model.params or model.estimator."
            ) from error
    return replace(model, ignored=[f for f, empty in zip(features, without_value.tolist(), strict=True) if empty])


def _most_levels(estimator: Any) -> int | None:
    """Return how many values of a categorical feature the estimator distinguishes; None if there is no limit."""
    accepted = estimator.get_params()
    return accepted.get("max_bins") if "categorical_features" in accepted else None


def _select_levels(column: pd.Series[Any], most: int | None) -> list[Any]:
    """Return the values of a categorical feature that the model distinguishes, sorted. Other values count as unknown.

    most: the largest number of values. If there are more, the most frequent ones are returned.
    """
    counts = column.value_counts()
    levels = sorted(counts.index.tolist())
    if most is not None and len(levels) > most:
        levels = sorted(sorted(levels, key=lambda level: -counts[level])[:most])
    return levels


def _build_estimator(recipe: Model, kpi: Kpi, features: list[str], categories: list[int]) -> Any:
    """Return the declared estimator, not yet fitted, with the seed and the other settings that it accepts.

    categories: positions of the categorical features in `features`.
    """
    from sklearn.utils import get_tags

    estimator = create_estimator(recipe)
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
    """Return a pipeline that encodes categories, and fills and scales numbers, for an estimator that accepts no NaN.

    categories: positions of the categorical features. count: number of features.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.utils import get_tags

    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    accepts_sparse = get_tags(estimator).input_tags.sparse
    steps = [
        ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=accepts_sparse), categories),
        ("numbers", numbers, [i for i in range(count) if i not in categories]),
    ]
    return make_pipeline(ColumnTransformer(steps), estimator)


def _target(recipe: Model, kpi: Kpi, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the number that the estimator learns to predict for each row: the outcome, or the declared target."""
    import numpy as np

    if recipe.target is None:
        return frame[kpi.outcome].to_numpy(float)
    import duckdb
    import pyarrow as pa

    with connect_for_expressions() as db:
        db.register("rows", pa.Table.from_pandas(frame, preserve_index=False))
        try:
            target = db.execute(f"select ({recipe.target})::double as target from rows").df()["target"].to_numpy(float)
        except duckdb.Error as error:
            raise ModelError(
                f"model.target '{recipe.target}' is not valid SQL over the columns of features.sql and the outcome"
                f" {kpi.outcome}. Correct model.target in defs.yaml. DuckDB's message: {describe_sql_error(error)}."
            ) from None
    if unknown := int((~np.isfinite(target)).sum()):
        raise ModelError(
            f"model.target '{recipe.target}' is null or no finite number in {unknown} of {len(frame)} training rows."
            " Correct model.target in defs.yaml, for example with coalesce."
        )
    return target


def restore_model(estimator: Any, card: ModelCard) -> FittedModel:
    """Combine a loaded estimator with the features and categories on its model card. Return the fitted model."""
    return FittedModel(estimator, card.features, card.levels, card.treatment, card.actions, card.ignored_features)
