"""The walk-forward backtest values each model only on days after those it learned from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.backtest import (
    BacktestError,
    Fold,
    find_trained_version,
    list_folds,
    run_walk_forward,
    score_days,
    value_metrics,
)
from sixtyforty.modeling.training_plan import hash_recipe
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, read_lake
from tests.trained_models import train_on

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(20)]
TRAINED = [date(2013, 3, 10), date(2013, 3, 15)]


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish twenty days, and train a model on two of them; retraining is daily."""
    ws = make_workspace(
        tmp_path_factory.mktemp("home"),
        partitions={"start": "2013-03-01"},
        replay={"retrain": "day", "warm_up_days": 2, "first_day": "2013-03-05"},
    )
    publish_days(ws, DAYS, count=20)
    for day in TRAINED:
        train_on(ws, day)
    return ws


def test_each_trained_day_has_a_fold_until_the_next_training_day(ws: Workspace) -> None:
    folds = list_folds(ws.use_case, ws.lake, ws.models, hash_recipe(ws.use_case), date(2013, 3, 18))
    assert [(fold.first, fold.end) for fold in folds] == [(day, day + timedelta(days=1)) for day in TRAINED]
    assert folds[0] == Fold(ws.models.versions()[0], TRAINED[0], TRAINED[0] + timedelta(days=1))


def test_the_walk_forward_values_every_fold_in_order(ws: Workspace) -> None:
    days = run_walk_forward(ws.use_case, ws.lake, ws.models, hash_recipe(ws.use_case), date(2013, 3, 18))
    assert [day.partition for day in days] == [str(day) for day in TRAINED]
    assert all(day.decisions == 20 and day.perfect_foresight >= day.model for day in days)


def test_a_block_is_read_from_its_cache(ws: Workspace) -> None:
    version = ws.models.versions()[0]
    first = score_days(ws.use_case, ws.lake, ws.models, version, TRAINED[0], TRAINED[1])
    files = read_lake(ws.lake)
    assert any("backtest" in name for name in files)
    assert score_days(ws.use_case, ws.lake, ws.models, version, TRAINED[0], TRAINED[1]) == first
    assert read_lake(ws.lake) == files
    assert [day.partition for day in first] == [str(DAYS[i]) for i in range(9, 14)]


def test_units_that_recur_have_the_sums_of_their_groups(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ws.use_case, ws.lake, ws.models, ws.models.versions()[0], *TRAINED
    plain = score_days(*arguments)
    monkeypatch.setattr(DecisionChain, "units_recur", property(lambda _: True))
    grouped = score_days(*arguments)
    assert [replace(day, unit_groups=None) for day in grouped] == plain, "and not from the cache of units that don't"
    for day in grouped:
        assert day.unit_groups is not None
        assert sum(day.unit_groups["decisions"]) == day.decisions
        assert sum(day.unit_groups["model"]) == pytest.approx(day.model)
    assert score_days(*arguments) == grouped


def test_a_model_is_never_valued_on_days_that_it_learned_from(ws: Workspace) -> None:
    with pytest.raises(BacktestError, match=r"may have learned from the day 2013-03-09.* or a later day as the"):
        score_days(ws.use_case, ws.lake, ws.models, ws.models.versions()[0], date(2013, 3, 9), TRAINED[1])


def test_days_without_features_have_no_value(ws: Workspace) -> None:
    version = ws.models.versions()[0]
    assert score_days(ws.use_case, ws.lake, ws.models, version, date(2013, 6, 1), date(2013, 6, 3)) == []


def test_the_version_of_a_day_is_the_recipes_own(ws: Workspace) -> None:
    recipe, (version, _) = hash_recipe(ws.use_case), ws.models.versions()
    assert find_trained_version(ws.use_case, ws.lake, ws.models, recipe, TRAINED[0]) == version
    assert find_trained_version(ws.use_case, ws.lake, ws.models, recipe, date(2013, 3, 11)) is None
    assert find_trained_version(ws.use_case, ws.lake, ws.models, recipe, date(2013, 3, 1)) is None
    assert find_trained_version(ws.use_case, ws.lake, ws.models, "another recipe", TRAINED[0]) is None


def test_the_metrics_are_money_per_thousand_decisions(ws: Workspace, tmp_path: Path) -> None:
    days = run_walk_forward(ws.use_case, ws.lake, ws.models, hash_recipe(ws.use_case), date(2013, 3, 18))
    metrics = value_metrics(days)
    assert metrics.decisions == 40
    assert metrics.model == pytest.approx(1000 * sum(day.model for day in days) / 40)
    assert value_metrics([]).model is None


def test_a_day_without_the_features_of_a_model_is_not_valued(ws: Workspace, tmp_path: Path) -> None:
    shutil.copytree(ws.home, tmp_path / "home")
    ws = replace(ws, home=tmp_path / "home")
    version = ws.models.versions()[0]
    days = score_days(ws.use_case, ws.lake, ws.models, version, date(2013, 3, 10), date(2013, 3, 13))
    assert [day.partition for day in days] == ["2013-03-10", "2013-03-11", "2013-03-12"]
    entry = ws.lake.entry("features", "2013-03-11")
    assert entry
    rows = pq.read_table(ws.lake.local_file(entry)).drop_columns(["late_before"])
    ws.lake.write("features", "2013-03-11", rows, inputs=entry.inputs, code="test", facts=entry.facts)
    again = score_days(ws.use_case, ws.lake, ws.models, version, date(2013, 3, 10), date(2013, 3, 13))
    assert again == [days[0], days[2]]


def test_a_declared_recipe_is_valued_on_its_own_features_alone(ws: Workspace, tmp_path: Path) -> None:
    shutil.copytree(ws.home, tmp_path / "home")
    ws = replace(ws, home=tmp_path / "home")
    version = ws.models.versions()[0]
    entry = ws.lake.entry("features", "2013-03-11")
    assert entry
    facts = {**entry.facts, "built_by": {"features.sql": "another"}}
    rows = pq.read_table(ws.lake.local_file(entry))
    ws.lake.write("features", "2013-03-11", rows, inputs=entry.inputs, code="test", facts=facts)
    days = score_days(ws.use_case, ws.lake, ws.models, version, date(2013, 3, 10), date(2013, 3, 13))
    assert [day.partition for day in days] == ["2013-03-10", "2013-03-12"]


def late_outcomes(folder: Path, days_later: int, **declared: Any) -> Workspace:
    """Return a workspace whose outcomes become known some days after the decision, with models of two days."""
    ws = make_workspace(
        folder,
        partitions={"start": "2013-03-01"},
        replay={"retrain": "day", "warm_up_days": 2, "first_day": "2013-03-05"},
        **declared,
    )
    (ws.use_case.folder / "outcomes.sql").write_text(
        f"select u.id, v.late, v.known_at + interval {days_later} day as known_at"
        " from units u left join visits v using (id)"
    )
    publish_days(ws, DAYS, count=20)
    for day in TRAINED:
        train_on(ws, day)
    return ws


@pytest.mark.parametrize(
    ("days_later", "known_by_day"),
    [
        (0, {11: 1, 16: 2, 20: 2}),
        (3, {11: 0, 13: 0, 14: 1, 18: 1, 19: 2}),
        (5, {15: 0, 16: 1, 20: 1, 21: 2}),
    ],
)
def test_an_outcome_counts_from_the_training_day_on_which_it_is_known(
    tmp_path: Path, days_later: int, known_by_day: dict[int, int]
) -> None:
    ws = late_outcomes(tmp_path, days_later)
    recipe = hash_recipe(ws.use_case)
    for _ in range(2):  # the second time from the cache
        for day, count in known_by_day.items():
            days = run_walk_forward(ws.use_case, ws.lake, ws.models, recipe, date(2013, 3, day))
            assert [d.partition for d in days] == [str(trained) for trained in TRAINED[:count]], day
            assert all(d.decisions == 20 for d in days)


def test_a_model_of_few_rows_has_no_fold(tmp_path: Path) -> None:
    ws = late_outcomes(tmp_path, 0, gate={"min_training_rows": 200})
    recipe = hash_recipe(ws.use_case)
    rows = [ws.models.card(version).rows for version in ws.models.versions()]
    assert rows == [180, 280]
    folds = list_folds(ws.use_case, ws.lake, ws.models, recipe, date(2013, 3, 18))
    assert [fold.first for fold in folds] == TRAINED[1:]
    days = run_walk_forward(ws.use_case, ws.lake, ws.models, recipe, date(2013, 3, 18))
    assert [day.partition for day in days] == [str(TRAINED[1])]
