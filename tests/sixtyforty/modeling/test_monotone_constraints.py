"""A model that breaks what experts know decides nothing, and the gate names the rule it broke."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sixtyforty.modeling import model_store, trainer, training_plan
from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.modeling.monotone_constraints import find_violations
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.recipe import Model
from sixtyforty.storage.files import write_atomic
from tests.helpers import DECLARED, make_workspace, publish_days

TREES = Model(
    estimator="sklearn.ensemble.HistGradientBoostingClassifier",
    training_days=1,
    params={"max_iter": 20, "min_samples_leaf": 5, "early_stopping": False},
)
KPI = Kpi(**DECLARED["kpi"])
BAYES = Model(estimator="sklearn.naive_bayes.GaussianNB", training_days=1)


def rows() -> tuple[pd.DataFrame, np.ndarray]:
    """An outcome that rises with the load, but for a dip between 0.6 and 0.7."""
    rng = np.random.default_rng(0)
    load = rng.random(600)
    chance = np.where((load > 0.6) & (load < 0.7), 0.05, load)
    return pd.DataFrame({"load": load, "other": rng.random(600)}), (rng.random(600) < chance).astype(float)


def trained(recipe: Model, **changes: Any) -> FittedModel:
    frame, outcome = rows()
    return fit_model(recipe.model_copy(update=changes), KPI, ["load", "other"], frame.assign(late=outcome))


class Slope:
    """A model whose expected outcome is a line."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        return 0.5 + self.slope * frame["load"].to_numpy(float)


def test_a_line_is_measured_exactly() -> None:
    frame = pd.DataFrame({"load": np.linspace(0, 1, 101)})
    assert find_violations({"load": 1}, Slope(0.2), frame) == find_violations({"load": -1}, Slope(-0.2), frame) == []
    (said,) = find_violations({"load": 1}, Slope(-0.2), frame)
    assert said == (
        "monotone: load (the expected outcome must not fall as it rises): it falls by up to 0.2, between 0 and 1"
    )
    (said,) = find_violations({"load": -1}, Slope(0.2), frame)
    assert "must not rise as it rises): it rises by up to 0.2" in said


def test_one_that_learns_the_dip_breaks_the_rule_and_one_that_is_told_keeps_it() -> None:
    frame, _ = rows()
    (said,) = find_violations({"load": 1}, trained(TREES), frame)
    assert said.startswith("monotone: load (the expected outcome must not fall as it rises): it falls by up to 0.")
    told = trained(TREES, monotone={"load": 1})
    assert told.estimator.monotonic_cst == [1, 0]
    assert find_violations({"load": 1}, told, frame) == []


def test_one_that_was_told_is_kept_and_loaded_as_any_other(tmp_path: Path) -> None:
    frame, _ = rows()
    store = model_store.ModelStore(tmp_path)
    write_atomic(tmp_path / "v" / "card.json", b'{"files": {}, "features": ["load", "other"]}')
    told = trained(TREES, monotone={"load": 1})
    store.write_model("v", told)
    assert store.load("v").predict(frame).tolist() == told.predict(frame).tolist()


def test_an_estimator_that_cannot_be_told_is_fitted_all_the_same_and_verified() -> None:
    frame, _ = rows()
    assert find_violations({"load": -1}, trained(BAYES, monotone={"load": -1}), frame)
    assert find_violations({"load": 1}, trained(BAYES, monotone={"load": 1}), frame) == []


def test_a_feature_with_one_value_breaks_nothing() -> None:
    frame = rows()[0].assign(load=0.5)
    assert find_violations({"load": 1}, trained(TREES), frame) == []


@pytest.mark.parametrize(("direction", "verdict"), [(1, "HOLD"), (-1, "REJECT")])
def test_the_gate_blocks_it_and_names_the_rule(tmp_path: Path, direction: int, verdict: str) -> None:
    """Visits are late where the load is high; told the contrary, an estimator that can't be made to is blocked."""
    days = [date(2013, 3, 20) + timedelta(days=i) for i in range(12)]
    ws = make_workspace(tmp_path, partitions={"start": days[0]})
    (ws.use_case.folder / "features.sql").write_text("select id, load from units")
    declared = ws.use_case.model_copy(
        update={"model": BAYES.model_copy(update={"training_days": 30, "monotone": {"load": direction}})}
    )
    ws = replace(ws, use_case=declared)
    publish_days(ws, days, count=20)
    as_of = date(2013, 4, 1)
    plan = training_plan.plan_training(ws.use_case, ws.lake, as_of)
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(trainer.train_models(ws.models, ws.use_case.kpi, [plan.version]))
    (row,) = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [as_of])
    assert row.verdict == verdict
    broken = [r for r in row.reasons if r.startswith("monotone: load")]
    assert bool(broken) == (verdict == "REJECT")
    assert ws.champion_ledger.promotions("replay") == []
