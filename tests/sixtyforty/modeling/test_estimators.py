"""Any scikit-learn estimator: what it learns from, and what it predicts for values that it never saw."""

from __future__ import annotations

from pathlib import Path

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


def test_an_error_of_a_target_quotes_no_value() -> None:
    recipe = Model(estimator="sklearn.dummy.DummyRegressor", training_days=1, target="name::integer")
    with pytest.raises(ModelError, match="may hold data") as raised:
        fit_model(recipe, KPI, ["load"], training_rows().assign(late=0.0, name="Ann Example"))
    assert "Ann Example" not in str(raised.value) and raised.value.__suppress_context__, "also in no traceback"


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


def refit(estimator: str, rows: pd.DataFrame, features: list[str] = FEATURES, **recipe: object) -> FittedModel:
    changes = {"estimator": f"sklearn.{estimator}", "params": {}} | recipe
    return fit_model(RECIPE.model_copy(update=changes), KPI, features, rows)


@pytest.mark.parametrize("outcome", [0, 1])
@pytest.mark.parametrize(
    "estimator",
    [
        "ensemble.HistGradientBoostingClassifier",
        "linear_model.LogisticRegression",
        "naive_bayes.GaussianNB",
        "ensemble.HistGradientBoostingRegressor",
        "linear_model.HuberRegressor",
        "svm.SVR",
    ],
)
def test_every_estimator_predicts_the_only_outcome_of_its_window(estimator: str, outcome: int) -> None:
    rows = training_rows().assign(late=outcome)
    model = refit(estimator, rows)
    blob = stable_skops(dumps(model.estimator))
    card = make_card(features=model.features, levels=model.levels)
    restored = restore_model(load_skops(blob, sha256(blob)), card)
    assert restored.predict(rows) == pytest.approx([outcome] * len(rows))


@pytest.mark.parametrize(
    "estimator",
    ["linear_model.LinearRegression", "neural_network.MLPClassifier", "ensemble.HistGradientBoostingClassifier"],
)
def test_the_later_values_of_a_feature_without_any_value_change_nothing(estimator: str) -> None:
    """A revived feed must not move the scores of a model that never saw it."""
    rows = training_rows()
    rows["load"] = np.nan
    model = refit(estimator, rows.assign(late=rows["site"] == "north"))
    assert model.ignored == ["load"]
    assert model.predict(rows.assign(load=1e6)).tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize(
    "estimator",
    ["naive_bayes.GaussianNB", "linear_model.BayesianRidge", "neighbors.KNeighborsRegressor", "linear_model.Ridge"],
)
def test_any_estimator_learns_from_many_categories(estimator: str) -> None:
    """So many categories are a sparse matrix, which some estimators refuse, and others store in their file."""
    rows = training_rows(300)
    rows = rows.assign(site=[f"shop {n}" for n in range(len(rows))], late=rows["load"] > 0.5)
    model = refit(estimator, rows)
    blob = stable_skops(dumps(model.estimator))
    restored = restore_model(load_skops(blob, sha256(blob)), make_card(features=model.features, levels=model.levels))
    assert restored.predict(rows).tolist() == model.predict(rows).tolist()


def test_a_category_without_any_value_is_ignored_too() -> None:
    rows = training_rows().assign(site=None)
    model = fit_model(RECIPE, KPI, FEATURES, rows.assign(late=rows["load"] > 0.5))
    assert (model.ignored, model.levels) == (["site"], {"site": []})
    assert model.predict(rows.assign(site="east")).tolist() == model.predict(rows).tolist()


@pytest.mark.parametrize(("shops", "distinguished"), [(254, 254), (255, 255), (256, 255), (700, 255)])
def test_gradient_boosting_distinguishes_the_most_frequent_categories(shops: int, distinguished: int) -> None:
    number = np.concatenate([np.arange(shops), np.arange(shops)[::2]])  # every other shop occurs twice
    rows = pd.DataFrame({"site": [f"shop {n:03}" for n in number], "load": 0.5})
    model = fit_model(RECIPE, KPI, FEATURES, rows.assign(late=number % 3 == 0))
    assert len(model.levels["site"]) == distinguished
    assert {f"shop {n:03}" for n in range(0, min(shops, 500), 2)} <= set(model.levels["site"])
    assert np.isfinite(model.predict(rows)).all()
    other = rows.assign(site="a new shop")
    unlisted = rows.assign(site="shop 699" if shops == 700 else None)
    assert model.predict(other).tolist() == model.predict(unlisted).tolist()


def test_fewer_bins_and_other_estimators_have_their_own_limit() -> None:
    rows = pd.DataFrame({"site": [f"shop {n % 300}" for n in range(900)], "load": 0.5})
    rows["late"] = np.arange(900) % 3 == 0
    few = refit("ensemble.HistGradientBoostingClassifier", rows, params={"max_bins": 16})
    assert len(few.levels["site"]) == 16
    assert len(refit("linear_model.LogisticRegression", rows).levels["site"]) == 300


@pytest.mark.parametrize("estimator", ["ensemble.HistGradientBoostingClassifier", "linear_model.LogisticRegression"])
def test_an_infinite_value_counts_as_unknown(estimator: str) -> None:
    rows = training_rows()
    rows["late"] = rows["load"] > 0.5
    rows.loc[::5, "load"] = np.inf
    model = refit(estimator, rows)
    unknown = rows.assign(load=np.nan)
    assert model.predict(rows.assign(load=-np.inf)).tolist() == model.predict(unknown).tolist()


@pytest.mark.parametrize("target", ["case when load > 0.5 then late end", "late / (load - load)", "ln(late - 1)"])
def test_a_target_that_is_not_known_for_some_rows_is_named(target: str) -> None:
    recipe = Model(estimator="sklearn.dummy.DummyRegressor", training_days=1, target=target)
    with pytest.raises(ModelError, match=r"^model\.target .* is null or no finite number in \d+ of 60 training rows"):
        fit_model(recipe, KPI, ["load"], training_rows().assign(late=1.0))


def test_a_classifier_must_learn_0_or_1() -> None:
    recipe = RECIPE.model_copy(update={"target": "late * 2"})
    with pytest.raises(ModelError, match=r"must learn 0 or 1, but model\.target gives 2"):
        fit_model(recipe, KPI, FEATURES, training_rows().assign(late=[0, 1] * 30))


def test_an_estimator_that_cannot_learn_from_the_rows_is_named() -> None:
    rows = training_rows().assign(late=[0, 1] * 30)
    with pytest.raises(ModelError, match=r"KNeighborsClassifier can't learn from the training set"):
        refit("neighbors.KNeighborsClassifier", rows, params={"n_neighbors": 0})


def test_a_target_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("secret\n7\n")
    sql = f"late + (select count(*) from read_csv('{tmp_path}/secret.csv'))"
    recipe = Model(estimator="sklearn.dummy.DummyRegressor", training_days=1, target=sql)
    with pytest.raises(ModelError, match="file system operations are disabled"):
        fit_model(recipe, KPI, ["load"], training_rows().assign(late=0.0))
