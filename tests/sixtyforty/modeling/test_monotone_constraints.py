"""A model that breaks a monotone constraint is rejected by the gate, which names the constraint."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.modeling.gate import promote_challengers
from sixtyforty.modeling.model_store import TRAINING_SET, ModelStore
from sixtyforty.modeling.monotone_constraints import find_violations
from sixtyforty.spec.recipe import Model
from sixtyforty.storage.files import parquet_bytes, write_atomic
from tests.helpers import make_workspace, publish_days
from tests.trained_models import KPI, make_card, sha256, train_on

TREES = Model(
    estimator="sklearn.ensemble.HistGradientBoostingClassifier",
    training_days=1,
    params={"max_iter": 20, "min_samples_leaf": 5, "early_stopping": False},
)
BAYES = Model(estimator="sklearn.naive_bayes.GaussianNB", training_days=1)


def rows_with_a_dip() -> tuple[pd.DataFrame, np.ndarray]:
    """Return features and an outcome that rises with the load, except for a dip between 0.6 and 0.7."""
    rng = np.random.default_rng(0)
    load = rng.random(600)
    probability = np.where((load > 0.6) & (load < 0.7), 0.05, load)
    return pd.DataFrame({"load": load, "other": rng.random(600)}), (rng.random(600) < probability).astype(float)


def fit(recipe: Model, **changes: Any) -> FittedModel:
    frame, outcome = rows_with_a_dip()
    return fit_model(recipe.model_copy(update=changes), KPI, ["load", "other"], frame.assign(late=outcome))


class LinearModel:
    """A model whose expected outcome is a line over the load."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return 0.5 + self.slope * frame["load"].to_numpy(float)


def test_the_violation_of_a_line_is_measured_exactly() -> None:
    frame = pd.DataFrame({"load": np.linspace(0, 1, 101)})
    assert find_violations({"load": 1}, LinearModel(0.2), frame) == []
    assert find_violations({"load": -1}, LinearModel(-0.2), frame) == []
    assert find_violations({"load": 1}, LinearModel(-0.2), frame) == [
        "monotone constraint on load: the expected outcome may only rise as load rises, but it falls by up to 0.2"
        " between 0 and 1"
    ]
    (violation,) = find_violations({"load": -1}, LinearModel(0.2), frame)
    assert "may only fall as load rises, but it rises by up to 0.2" in violation


def test_trees_learn_the_dip_unless_they_are_constrained() -> None:
    frame, _ = rows_with_a_dip()
    (violation,) = find_violations({"load": 1}, fit(TREES), frame)
    assert violation.startswith("monotone constraint on load: the expected outcome may only rise")
    constrained = fit(TREES, monotone_constraints={"load": 1})
    assert constrained.estimator.monotonic_cst == [1, 0]
    assert find_violations({"load": 1}, constrained, frame) == []


def test_a_constrained_model_is_stored_and_loaded(tmp_path: Path) -> None:
    frame, _ = rows_with_a_dip()
    store = ModelStore(tmp_path)
    training_set = parquet_bytes(pa.Table.from_pandas(frame))
    write_atomic(tmp_path / "v" / TRAINING_SET, training_set)
    card = make_card(features=["load", "other"], files={TRAINING_SET: sha256(training_set)})
    write_atomic(tmp_path / "v" / "card.json", card.to_json())
    constrained = fit(TREES, monotone_constraints={"load": 1})
    store.write_model("v", constrained)
    assert store.load("v").predict(frame).tolist() == constrained.predict(frame).tolist()


def test_an_estimator_without_constraints_is_fitted_and_checked() -> None:
    frame, _ = rows_with_a_dip()
    assert find_violations({"load": -1}, fit(BAYES, monotone_constraints={"load": -1}), frame)
    assert find_violations({"load": 1}, fit(BAYES, monotone_constraints={"load": 1}), frame) == []


def test_a_feature_with_a_single_value_breaks_no_constraint() -> None:
    frame = rows_with_a_dip()[0].assign(load=0.5)
    assert find_violations({"load": 1}, fit(TREES), frame) == []


@pytest.mark.parametrize(("direction", "verdict"), [(1, "HOLD"), (-1, "REJECT")])
def test_the_gate_rejects_a_broken_constraint_and_names_it(tmp_path: Path, direction: int, verdict: str) -> None:
    """Visits are late where the load is high; an unconstrained estimator breaks the opposite constraint."""
    days = [date(2013, 3, 20) + timedelta(days=i) for i in range(12)]
    ws = make_workspace(tmp_path, partitions={"start": days[0]})
    (ws.use_case.folder / "features.sql").write_text("select id, load from units")
    model = BAYES.model_copy(update={"training_days": 30, "monotone_constraints": {"load": direction}})
    ws = replace(ws, use_case=ws.use_case.model_copy(update={"model": model}))
    publish_days(ws, days, count=20)
    as_of = date(2013, 4, 1)
    train_on(ws, as_of)
    (row,) = promote_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", [as_of])
    assert row.verdict == verdict
    broken = [reason for reason in row.reasons if reason.startswith("monotone constraint on load")]
    assert bool(broken) == (verdict == "REJECT")
    assert ws.champion_ledger.promotions("replay") == []
