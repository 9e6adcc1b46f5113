"""Any estimator: what it learns from, what it makes of what it never saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skops.io import dumps

from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.modeling.skops_files import load_skops, stable_skops
from sixtyforty.spec.recipe import Model
from tests.fits import FEATURES, KPI, RECIPE, fitted, frame, sha


def test_a_category_is_its_number_and_one_never_seen_is_missing() -> None:
    model = fitted()
    assert model.levels == {"site": ["north", "south", "west"]}
    seen = pd.DataFrame({"load": [0.1, None, 0.3, 0.4], "site": ["west", "north", "east", None], "other": 1})
    matrix = model.matrix(seen)
    assert matrix.dtype == np.float32
    assert matrix[:, 0].tolist()[:2] == [2, 0]
    assert np.isnan(matrix[2:, 0]).all()
    assert matrix[[0, 2, 3], 1] == pytest.approx([0.1, 0.3, 0.4])
    assert np.isnan(matrix[1, 1])


def test_rows_of_a_category_never_seen_are_scored() -> None:
    score = fitted().score(pd.DataFrame({"site": ["east", None], "load": [0.9, None]}))
    assert score.shape == (2,)
    assert ((score > 0) & (score < 1)).all()


def test_a_model_learns_what_there_is_to_learn() -> None:
    low, high = fitted().score(pd.DataFrame({"site": ["north"] * 2, "load": [0.1, 0.9]}))
    assert low < 0.5 < high


def test_the_seed_and_the_categories_reach_the_estimator() -> None:
    estimator = fitted(RECIPE.model_copy(update={"seed": 7})).estimator
    assert (estimator.random_state, estimator.categorical_features) == (7, [0])


def test_an_estimator_that_knows_neither_seed_nor_categories_is_fitted_all_the_same() -> None:
    bayes = Model(estimator="sklearn.naive_bayes.GaussianNB", training_days=1, categorical=["site"])
    assert fitted(bayes).score(frame()).shape == (60,)


# --- other estimators


@pytest.mark.parametrize(
    "estimator",
    [
        "ensemble.RandomForestClassifier",
        "ensemble.HistGradientBoostingRegressor",
        "linear_model.LogisticRegression",
        "linear_model.Ridge",
        "tree.DecisionTreeClassifier",
        "naive_bayes.GaussianNB",
        "dummy.DummyClassifier",
    ],
)
def test_any_estimator_copes_with_what_is_missing_and_comes_back_from_its_file(estimator: str) -> None:
    rows = frame()
    rows.loc[::7, "load"], rows.loc[::5, "site"] = np.nan, None
    rows["late"] = rows["load"].fillna(0) > 0.5
    recipe = RECIPE.model_copy(update={"estimator": f"sklearn.{estimator}", "params": {}})
    model = fit_model(recipe, KPI, FEATURES, rows)
    blob = stable_skops(dumps(model.estimator))
    loaded = FittedModel(load_skops(blob, sha(blob)), model.features, model.levels)
    strange = rows.assign(site="east")
    assert loaded.score(strange).tolist() == model.score(strange).tolist()
    assert np.isfinite(model.score(rows)).all()


def test_one_outcome_alone_is_expected_of_all() -> None:
    rows = frame().assign(late=True)
    recipe = RECIPE.model_copy(update={"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {}})
    assert fit_model(recipe, KPI, FEATURES, rows).score(rows).tolist() == [1.0] * len(rows)
