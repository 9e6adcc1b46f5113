"""Any scikit-learn estimator: what it learns from, and what it predicts for values that it never saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skops.io import dumps

from sixtyforty.modeling.estimators import FittedModel, fit_model, restore_model
from sixtyforty.modeling.skops_files import ModelError, load_skops, stable_skops
from sixtyforty.spec.recipe import Model
from tests.sixtyforty.value.kpis import EXPERIMENT
from tests.trained_models import FEATURES, KPI, RECIPE, fit_small_model, make_card, sha256, training_rows


def test_a_category_becomes_its_position_and_an_unknown_one_becomes_missing() -> None:
    model = fit_small_model()
    assert model.levels == {"site": ["north", "south", "west"]}
    rows = pd.DataFrame({"load": [0.1, None, 0.3, 0.4], "site": ["west", "north", "east", None], "other": 1})
    matrix = model.to_matrix(rows)
    assert matrix.dtype == np.float32
    assert matrix[:, 0].tolist()[:2] == [2, 0]
    assert np.isnan(matrix[2:, 0]).all()
    assert matrix[[0, 2, 3], 1] == pytest.approx([0.1, 0.3, 0.4])
    assert np.isnan(matrix[1, 1])


def test_rows_with_an_unknown_category_are_predicted() -> None:
    probabilities = fit_small_model().predict(pd.DataFrame({"site": ["east", None], "load": [0.9, None]}))
    assert probabilities.shape == (2,)
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_a_model_learns_from_its_rows() -> None:
    low, high = fit_small_model().predict(pd.DataFrame({"site": ["north"] * 2, "load": [0.1, 0.9]}))
    assert low < 0.5 < high


def test_the_estimator_receives_the_seed_and_the_categories() -> None:
    estimator = fit_small_model(RECIPE.model_copy(update={"seed": 7})).estimator
    assert (estimator.random_state, estimator.categorical_features) == (7, [0])


def test_an_estimator_without_seed_and_categories_is_fitted_too() -> None:
    bayes = Model(estimator="sklearn.naive_bayes.GaussianNB", training_days=1, categorical=["site"])
    assert fit_small_model(bayes).predict(training_rows()).shape == (60,)


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
def test_any_estimator_handles_missing_values_and_is_restored_from_its_file(estimator: str) -> None:
    rows = training_rows()
    rows.loc[::7, "load"], rows.loc[::5, "site"] = np.nan, None
    rows["late"] = rows["load"].fillna(0) > 0.5
    recipe = RECIPE.model_copy(update={"estimator": f"sklearn.{estimator}", "params": {}})
    model = fit_model(recipe, KPI, FEATURES, rows)
    blob = stable_skops(dumps(model.estimator))
    restored = restore_model(load_skops(blob, sha256(blob)), make_card(features=model.features, levels=model.levels))
    unknown_site = rows.assign(site="east")
    assert restored.predict(unknown_site).tolist() == model.predict(unknown_site).tolist()
    assert np.isfinite(model.predict(rows)).all()


def test_a_training_set_with_a_single_outcome_predicts_that_outcome() -> None:
    rows = training_rows().assign(late=True)
    recipe = RECIPE.model_copy(update={"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {}})
    assert fit_model(recipe, KPI, FEATURES, rows).predict(rows).tolist() == [1.0] * len(rows)


def test_with_a_past_experiment_the_outcome_is_predicted_under_each_action() -> None:
    rows = training_rows()
    rows = rows.assign(received=np.where(rows["load"] > 0.5, "mail", "none"), o=(rows["load"] > 0.5) * 3.0)
    recipe = RECIPE.model_copy(update={"estimator": "sklearn.tree.DecisionTreeRegressor", "params": {}})
    model = fit_model(recipe, EXPERIMENT, ["received", "load"], rows)
    assert (model.treatment, list(model.actions)) == ("received", EXPERIMENT.actions_by_cost)
    assert model.predict(rows).shape == (2, len(rows))


def test_a_target_replaces_the_outcome() -> None:
    rows = training_rows().assign(late=0.0)
    recipe = Model(estimator="sklearn.dummy.DummyRegressor", training_days=1, target="late + 2")
    assert fit_model(recipe, KPI, ["load"], rows).predict(rows).tolist() == [2.0] * len(rows)


def test_a_target_with_invalid_sql_is_named() -> None:
    recipe = Model(estimator="sklearn.dummy.DummyRegressor", training_days=1, target="lateness * 2")
    with pytest.raises(ModelError, match=r"model\.target 'lateness \* 2' is not valid SQL .* the outcome late\."):
        fit_model(recipe, KPI, ["load"], training_rows().assign(late=0.0))


def test_a_fitted_model_without_a_treatment_has_no_actions() -> None:
    assert (FittedModel(None, [], {}).treatment, FittedModel(None, [], {}).actions) == (None, ())


def test_a_feature_without_any_value_in_the_window_teaches_nothing() -> None:
    rows = training_rows()
    rows["load"] = np.nan
    fitted = fit_model(RECIPE, KPI, FEATURES, rows.assign(late=rows["site"] == "north"))
    assert fitted.predict(rows.assign(load=0.5)).tolist() == fitted.predict(rows).tolist()
