"""When models are trained and on what: equal data and recipe give the same version."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.skops_files import ModelError
from sixtyforty.modeling.training_plan import (
    TooEarlyError,
    declared_recipes,
    hash_recipe,
    plan_training,
    read_training_rows,
    training_days,
)
from sixtyforty.storage.files import digest
from sixtyforty.workspace import Workspace
from tests.helpers import day_range, make_use_case, make_workspace, publish_days
from tests.trained_models import RECIPE

MARCH = [date(2013, 3, 1) + timedelta(days=i) for i in range(6)]
AS_OF = date(2013, 3, 7)


@pytest.mark.parametrize(
    ("start", "until", "expected"),
    [
        ("2013-03-01", "2013-06-15", ["2013-04-01", "2013-05-01", "2013-06-01"]),
        ("2013-03-18", "2013-05-01", ["2013-04-01", "2013-05-01"]),  # exactly a fortnight before April
        ("2013-03-19", "2013-05-31", ["2013-05-01"]),
        ("2013-11-20", "2014-02-01", ["2014-01-01", "2014-02-01"]),
        ("2013-03-01", "2013-03-31", []),
    ],
)
def test_a_replay_trains_at_the_start_of_each_month_after_its_warm_up(
    tmp_path: Path, start: str, until: str, expected: list[str]
) -> None:
    use_case = make_use_case(tmp_path, partitions={"start": start, "end": None})
    assert [str(day) for day in training_days(use_case, date.fromisoformat(until))] == expected


@pytest.mark.parametrize(
    ("retrain", "expected"),
    [
        ("week", ["2013-03-18", "2013-03-25"]),
        ("day", [f"2013-03-{day}" for day in range(15, 26)]),
        ("decision", ["2013-03-18", "2013-03-22"]),
    ],
)
def test_a_replay_can_train_daily_weekly_or_with_each_decision(
    tmp_path: Path, retrain: str, expected: list[str]
) -> None:
    use_case = make_use_case(
        tmp_path,
        replay={"retrain": retrain},
        partitions={"start": "2013-03-01"},
        decision={"every_partitions": 4, "anchor_day": "2013-03-22"} if retrain == "decision" else {},
    )
    assert [str(day) for day in training_days(use_case, date(2013, 3, 25))] == expected


def test_a_recipe_is_the_declared_model_and_the_features(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    recipe = hash_recipe(use_case)
    assert hash_recipe(make_use_case(tmp_path, title="Another", gate={"margin": 1})) == recipe
    assert hash_recipe(make_use_case(tmp_path, model={"seed": 1})) != recipe
    assert hash_recipe(make_use_case(tmp_path, model={"params": {"max_iter": 6}})) != recipe
    (tmp_path / "features.sql").write_text("select id from units")
    assert hash_recipe(use_case) != recipe


def test_explanations_leave_the_recipe_unchanged_and_expert_rules_change_it(tmp_path: Path) -> None:
    recipe = hash_recipe(make_use_case(tmp_path))
    assert hash_recipe(make_use_case(tmp_path, model={"reasons": {"load": "A load of {value}"}})) == recipe
    assert hash_recipe(make_use_case(tmp_path, model={"monotone_constraints": {"load": 1}})) != recipe
    veto = {"when": "load > 1", "never": "act", "why": "so"}
    assert hash_recipe(make_use_case(tmp_path, model={"vetoes": {"v": veto}})) != recipe


def test_an_alternative_is_a_recipe_of_its_own_and_changes_no_other(tmp_path: Path) -> None:
    alone = make_use_case(tmp_path)
    bayes = {"description": "b", "estimator": "sklearn.naive_bayes.GaussianNB"}
    both = make_use_case(tmp_path, model={"alternatives": {"bayes": bayes}})
    recipes = declared_recipes(both)
    assert list(recipes) == [hash_recipe(alone), hash_recipe(both, both.model.with_alternative("bayes"))]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish features and outcomes of six days; the tests only read them."""
    ws = make_workspace(tmp_path_factory.mktemp("published"), partitions={"start": "2013-03-01"})
    publish_days(ws, MARCH, count=8)
    return ws


def test_a_plan_is_the_trailing_window_and_what_is_missing_in_it(published: Workspace) -> None:
    plan = plan_training(published.use_case, published.lake, date(2013, 3, 9))
    assert sorted(plan.features) == sorted(plan.outcomes) == [str(day) for day in MARCH]
    assert plan.missing == ["2013-03-07", "2013-03-08"]
    assert plan.version.startswith("2013-03-09-")


def test_the_window_has_the_declared_length(published: Workspace) -> None:
    model = RECIPE.model_copy(update={"training_days": 2})
    plan = plan_training(published.use_case, published.lake, AS_OF, model)
    assert sorted(plan.features) == day_range(date(2013, 3, 5), date(2013, 3, 6))


def test_a_version_is_its_day_its_data_and_its_recipe(published: Workspace) -> None:
    version = plan_training(published.use_case, published.lake, AS_OF).version
    assert plan_training(published.use_case, published.lake, AS_OF).version == version
    other = RECIPE.model_copy(update={"seed": 1})
    assert plan_training(published.use_case, published.lake, AS_OF, other).version != version
    assert plan_training(published.use_case, published.lake, date(2013, 3, 6)).version[11:] != version[11:]


@pytest.mark.parametrize("as_of", [date(2013, 3, 1), date(2013, 2, 1), date(2013, 9, 1)])
def test_without_features_and_outcomes_there_is_no_plan(published: Workspace, as_of: date) -> None:
    with pytest.raises(ModelError, match=r"no features with outcomes exist .* Materialize the assets `features`"):
        plan_training(published.use_case, published.lake, as_of)


def test_only_outcomes_known_by_then_are_learned_from(published: Workspace) -> None:
    plan = plan_training(published.use_case, published.lake, AS_OF)
    # There are two calls each on the 6th at 12, 13, 14 and 15 UTC. A visit is reported two hours after its call.
    table = read_training_rows(published.use_case, published.lake, plan.features, plan.outcomes, "2013-03-06 15:00:00")
    counts = {count["values"]: count["counts"] for count in table["_partition"].value_counts().to_pylist()}
    assert counts == {str(day): 8 for day in MARCH[:-1]} | {"2013-03-06": 4}
    assert table["decided_at"].to_pylist() == sorted(table["decided_at"].to_pylist())
    before = read_training_rows(published.use_case, published.lake, plan.features, plan.outcomes, "2013-03-01")
    assert before.num_rows == 0


def test_a_new_day_of_data_gives_a_new_version(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, MARCH[:2])
    before = plan_training(ws.use_case, ws.lake, AS_OF).version
    publish_days(ws, MARCH[2:3])
    assert plan_training(ws.use_case, ws.lake, AS_OF).version != before
    assert datetime.fromisoformat(before[:10]).date() == AS_OF


def test_features_of_an_earlier_features_sql_are_left_out_until_they_are_built_again(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, MARCH, count=4)
    for number, day in enumerate(MARCH):
        entry = ws.lake.entry("features", str(day))
        assert entry
        sql = ws.use_case.sql("features") if number else "select 1"
        facts = {**entry.facts, "built_by": {"features.sql": digest(sql)}}
        rows = pq.read_table(ws.lake.local_file(entry))
        ws.lake.write("features", str(day), rows, inputs=entry.inputs, code="test", facts=facts)
    plan = plan_training(ws.use_case, ws.lake, AS_OF)
    assert plan.outdated == [str(MARCH[0])]
    assert plan.missing == [str(MARCH[0])]
    assert list(plan.features) == [str(day) for day in MARCH[1:]]
    with pytest.raises(TooEarlyError, match="The training leaves out 1 partition from 2013-03-01 to 2013-03-01"):
        plan_training(ws.use_case, ws.lake, MARCH[1])


@pytest.mark.parametrize(
    ("partitions", "missing"),
    [
        ({}, ["2013-03-02", "2013-03-03", "2013-03-06"]),
        ({"closed_weekdays": ["saturday", "sunday"]}, ["2013-03-06"]),
        ({"closed_weekdays": ["sunday"], "closed_days": ["2013-03-06", "2013-03-04"]}, ["2013-03-02"]),
    ],
)
def test_closed_days_are_not_missing(tmp_path: Path, partitions: dict[str, list[str]], missing: list[str]) -> None:
    ws = make_workspace(tmp_path, partitions={"start": "2013-03-01", **partitions})
    publish_days(ws, [date(2013, 3, day) for day in (1, 4, 5)])
    plan = plan_training(ws.use_case, ws.lake, AS_OF)
    assert plan.missing == missing
    assert list(plan.features) == ["2013-03-01", "2013-03-04", "2013-03-05"]  # data of a closed day still counts
