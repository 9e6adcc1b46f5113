"""Models: when they are trained, from what, and that the same data and recipe give the same."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from skops.io import dumps

from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.modeling.model_store import ModelStore
from sixtyforty.modeling.skops_files import ModelError, stable_skops
from sixtyforty.modeling.training_plan import hash_recipe, plan_training, read_training_rows, training_days
from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.fits import KPI, RECIPE, Foreign, fitted, sha
from tests.helpers import day_range, make_use_case, make_workspace, publish_days, read_files


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
def test_a_replay_trains_at_month_starts_with_a_fortnight_behind_them(
    tmp_path: Path, start: str, until: str, expected: list[str]
) -> None:
    use_case = make_use_case(tmp_path, partitions={"start": start, "end": None})
    assert [str(d) for d in training_days(use_case, date.fromisoformat(until))] == expected


def test_a_recipe_is_the_declared_model_and_the_features(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path)
    recipe = hash_recipe(use_case)
    assert hash_recipe(make_use_case(tmp_path, title="Another", gate={"margin": 1})) == recipe
    assert hash_recipe(make_use_case(tmp_path, model={"seed": 1})) != recipe
    assert hash_recipe(make_use_case(tmp_path, model={"params": {"max_iter": 6}})) != recipe
    (tmp_path / "features.sql").write_text("select id from units")
    assert hash_recipe(use_case) != recipe


def test_words_make_no_other_model_and_what_experts_forbid_does(tmp_path: Path) -> None:
    recipe = hash_recipe(make_use_case(tmp_path))
    assert hash_recipe(make_use_case(tmp_path, model={"reasons": {"load": "a load of {value}"}})) == recipe
    assert hash_recipe(make_use_case(tmp_path, model={"monotone_constraints": {"load": 1}})) != recipe
    veto = {"when": "load > 1", "never": "act", "why": "so"}
    assert hash_recipe(make_use_case(tmp_path, model={"vetoes": {"v": veto}})) != recipe


@pytest.mark.parametrize("what", [{"monotone": {"lod": 1}}, {"words": {"lod": "{value}"}}], ids=lambda w: next(iter(w)))
def test_what_is_said_of_no_feature_is_refused_before_anything_is_kept(tmp_path: Path, what: dict[str, Any]) -> None:
    ws = make_workspace(tmp_path, model=what)
    days = [date(2013, 3, 1) + timedelta(days=i) for i in range(3)]
    publish_days(ws, days)
    wanted = plan_training(ws.use_case, ws.lake, date(2013, 3, 4))
    with pytest.raises(ModelError, match=r"name what is no feature: \['lod'\]"):
        ws.models.write_training_set(ws.use_case, ws.lake, wanted)
    assert ws.models.versions() == []


# --- plan and store

MARCH = [date(2013, 3, 1) + timedelta(days=i) for i in range(6)]
AS_OF = date(2013, 3, 7)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Six days of features and outcomes; treat it as read-only but for its models."""
    ws = make_workspace(tmp_path_factory.mktemp("published"), partitions={"start": "2013-03-01"})
    publish_days(ws, MARCH, count=8)
    return ws


def use_case_of(ws: Workspace, **changes: Any) -> UseCase:
    return ws.use_case.model_copy(update=changes)


def test_a_plan_is_the_trailing_window_and_what_is_missing_of_it(published: Workspace) -> None:
    found = plan_training(published.use_case, published.lake, date(2013, 3, 9))
    assert sorted(found.features) == sorted(found.outcomes) == [str(d) for d in MARCH]
    assert found.missing == ["2013-03-07", "2013-03-08"]
    assert found.version.startswith("2013-03-09-")


def test_a_window_is_no_longer_than_the_recipe_says(published: Workspace) -> None:
    short = use_case_of(published, model=RECIPE.model_copy(update={"training_days": 2}))
    assert sorted(plan_training(short, published.lake, AS_OF).features) == day_range(date(2013, 3, 5), date(2013, 3, 6))


def test_a_version_is_its_day_its_data_and_its_recipe(published: Workspace) -> None:
    version = plan_training(published.use_case, published.lake, AS_OF).version
    assert plan_training(published.use_case, published.lake, AS_OF).version == version
    other = use_case_of(published, model=RECIPE.model_copy(update={"seed": 1}))
    assert plan_training(other, published.lake, AS_OF).version != version
    assert plan_training(published.use_case, published.lake, date(2013, 3, 6)).version[11:] != version[11:]


@pytest.mark.parametrize("as_of", [date(2013, 3, 1), date(2013, 2, 1), date(2013, 9, 1)])
def test_without_anything_to_learn_from_there_is_no_plan(published: Workspace, as_of: date) -> None:
    with pytest.raises(ModelError, match="nothing to learn from"):
        plan_training(published.use_case, published.lake, as_of)


def test_only_outcomes_known_by_then_are_learned_from(published: Workspace) -> None:
    found = plan_training(published.use_case, published.lake, AS_OF)
    # calls of the 6th at 12, 13, 14 and 15 UTC, two each; a visit is seen two hours after its call
    table = read_training_rows(
        published.use_case, published.lake, found.features, found.outcomes, "2013-03-06 15:00:00"
    )
    counts = table["_partition"].value_counts().to_pylist()
    assert {c["values"]: c["counts"] for c in counts} == {str(d): 8 for d in MARCH[:-1]} | {"2013-03-06": 4}
    assert table["decided_at"].to_pylist() == sorted(table["decided_at"].to_pylist())
    assert (
        read_training_rows(published.use_case, published.lake, found.features, found.outcomes, "2013-03-01").num_rows
        == 0
    )


def test_a_training_set_and_its_card_say_what_was_learned_from(published: Workspace, tmp_path: Path) -> None:
    store, found = ModelStore(tmp_path), plan_training(published.use_case, published.lake, AS_OF)
    store.write_training_set(published.use_case, published.lake, found)
    card = store.card(found.version)
    assert (card["rows"], card["first"], card["last"]) == (48, "2013-03-01", "2013-03-06")
    assert (card["as_of"], card["missing_days"], card["version"]) == ("2013-03-07", [], found.version)
    assert card["features"] == ["site", "load", "late_before"]  # neither key, moment, outcome nor today's action
    assert card["data"]["features"] == {p: e.version for p, e in found.features.items()}
    training = store.training_frame(found.version)
    assert len(training) == 48
    assert training["decided_at"].max() < pd.Timestamp(published.use_case.day_start(AS_OF))
    assert set(training["late"]) == {0, 1}
    assert (store.has(found.version, "training_set.parquet"), store.has(found.version, "model.skops")) == (True, False)
    assert (
        sha((store.folder(found.version) / "training_set.parquet").read_bytes())
        == (card["files"]["training_set.parquet"])
    )


def trained(ws: Workspace, folder: Path) -> tuple[ModelStore, str, FittedModel]:
    store, found = ModelStore(folder), plan_training(ws.use_case, ws.lake, AS_OF)
    store.write_training_set(ws.use_case, ws.lake, found)
    training = store.training_frame(found.version)
    model = fit_model(ws.use_case.model, KPI, store.card(found.version)["features"], training)
    store.write_model(found.version, model)
    return store, found.version, model


def test_a_stored_model_is_loaded_as_it_was(published: Workspace, tmp_path: Path) -> None:
    store, version, model = trained(published, tmp_path)
    loaded = store.load(version)
    assert (loaded.features, loaded.levels) == (model.features, {"site": ["north", "south"]})
    training = store.training_frame(version)
    assert loaded.predict(training).tolist() == model.predict(training).tolist()
    assert store.versions() == [version]
    assert store.has(version, "model.skops")


def test_training_again_gives_the_same_files(published: Workspace, tmp_path: Path) -> None:
    one, version, _ = trained(published, tmp_path / "one")
    other, same, _ = trained(published, tmp_path / "other")
    assert version == same
    names = sorted(p.name for p in one.folder(version).iterdir())
    assert names == ["card.json", "model.skops", "training_set.parquet"]
    assert all((one.folder(version) / n).read_bytes() == (other.folder(version) / n).read_bytes() for n in names)


def test_a_model_that_could_not_be_loaded_again_is_not_kept(published: Workspace, tmp_path: Path) -> None:
    store, version, model = trained(published, tmp_path)
    before = read_files(tmp_path)
    with pytest.raises(ModelError, match=r"types we don't trust: .*Foreign"):
        store.write_model(version, FittedModel(make_pipeline(Foreign(), model.estimator), model.features, model.levels))
    assert read_files(tmp_path) == before


def test_a_stored_model_that_was_exchanged_is_refused(published: Workspace, tmp_path: Path) -> None:
    store, version, _ = trained(published, tmp_path)
    (store.folder(version) / "model.skops").write_bytes(stable_skops(dumps(fitted().estimator)))
    with pytest.raises(ModelError, match="its hash differs; restore it"):
        store.load(version)


def test_a_model_that_was_lost_is_not_had(published: Workspace, tmp_path: Path) -> None:
    store, version, _ = trained(published, tmp_path)
    (store.folder(version) / "model.skops").unlink()
    assert not store.has(version, "model.skops")
    assert not store.has("2013-01-01-00000000", "model.skops")


def test_a_version_that_is_not_there_is_refused_with_those_that_are(published: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there are: none"):
        ModelStore(tmp_path / "empty").card("x")
    store, version, _ = trained(published, tmp_path)
    with pytest.raises(ModelError, match=f"no model x; there are: {version}"):
        store.load("x")


def test_a_new_day_of_data_makes_a_new_version(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, MARCH[:2])
    before = plan_training(ws.use_case, ws.lake, AS_OF).version
    publish_days(ws, MARCH[2:3])
    assert plan_training(ws.use_case, ws.lake, AS_OF).version != before
    assert datetime.fromisoformat(before[:10]).date() == AS_OF
