"""An estimator that doesn't exist, or doesn't suit the outcome, is named with a cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sixtyforty.modeling.estimator_checks import create_estimator, require_suitable
from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.spec.recipe import Model
from tests.sixtyforty.value.kpis import STAFF
from tests.trained_models import KPI


def make_recipe(estimator: str, **fields: Any) -> Model:
    return Model(estimator=estimator, training_days=30, **fields)


@pytest.mark.parametrize(
    ("estimator", "fields"),
    [
        ("sklearn.ensemble.HistGradientBoostingClassifier", {}),
        ("sklearn.linear_model.Ridge", {}),  # a regressor estimates the probability of an outcome of 0 or 1
        ("sklearn.linear_model.SGDClassifier", {"params": {"loss": "log_loss"}}),
        ("sklearn.ensemble.HistGradientBoostingRegressor", {"target": "late * load"}),
    ],
)
def test_an_estimator_suits_a_binary_outcome(estimator: str, fields: dict[str, Any]) -> None:
    require_suitable(make_recipe(estimator, **fields), KPI)


@pytest.mark.parametrize(
    ("estimator", "fields", "message"),
    [
        ("sklearn.svm.LinearSVC", {}, "LinearSVC predicts no probabilities"),
        ("sklearn.linear_model.RidgeClassifier", {}, "RidgeClassifier predicts no probabilities"),
        ("sklearn.linear_model.SGDClassifier", {"params": {"loss": "hinge"}}, "predicts no probabilities"),
        ("sklearn.ensemble.HistGradientBosting", {}, "'sklearn.ensemble.HistGradientBosting' doesn't exist"),
        ("sklearn.ensembles.Forest", {}, "doesn't exist"),
        ("Forest", {}, "is not in a package that estimators may come from"),
        ("sklearn.linear_model.Ridge", {"params": {"depth": 3}}, "doesn't accept the declared params"),
        ("sklearn.model_selection.KFold", {}, "is not an estimator with the methods fit and predict"),
        ("sklearn.pipeline.make_pipeline", {}, "is not an estimator with the methods fit and predict"),
        *(
            (f"sklearn.{name}", {}, "is neither a classifier nor a regressor")
            for name in ("cluster.KMeans", "ensemble.IsolationForest", "mixture.GaussianMixture")
        ),
        ("sklearn.semi_supervised.SelfTrainingClassifier", {}, "wraps another estimator"),
        ("sklearn.base", {}, "is not an estimator with the methods fit and predict"),
    ],
)
def test_an_estimator_that_does_not_suit_is_named(estimator: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        require_suitable(make_recipe(estimator, **fields), KPI)


def test_what_is_no_estimator_is_not_called(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with pytest.raises(ModelError, match=r"'os\.mkdir' is not in a package"):
        create_estimator(make_recipe("os.mkdir", params={"path": str(folder)}))
    assert not folder.exists()


def test_no_module_of_another_package_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the allow-list the import itself runs the module."""
    (tmp_path / "planted.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass X: ..."
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="is not in a package"):
        create_estimator(make_recipe("planted.X"))
    assert not (tmp_path / "ran").exists()


def test_a_declared_package_gives_base_estimators_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boosters.py").write_text(
        "from sklearn.linear_model import Ridge\n"
        "class Booster(Ridge): ...\n"
        "class Runner:\n    def __init__(self): raise SystemExit\n    fit = predict = print\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SIXTYFORTY_ESTIMATOR_PACKAGES", "boosters")
    assert create_estimator(make_recipe("boosters.Booster", params={"alpha": 2})).alpha == 2
    with pytest.raises(ModelError, match=r"'boosters\.Runner' is not an estimator"):
        create_estimator(make_recipe("boosters.Runner"))


def test_a_classifier_does_not_suit_a_number() -> None:
    with pytest.raises(ModelError, match=r"is a classifier, but kpi\.outcome_type is number"):
        require_suitable(make_recipe("sklearn.ensemble.RandomForestClassifier"), STAFF)
    require_suitable(make_recipe("sklearn.ensemble.RandomForestRegressor"), STAFF)


def test_an_estimator_has_its_declared_parameters() -> None:
    assert create_estimator(make_recipe("sklearn.linear_model.Ridge", params={"alpha": 3})).alpha == 3
