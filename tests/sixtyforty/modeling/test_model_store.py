"""Stored models: loaded as they were, the same bytes from the same data, and rejected after any change."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from skops.io import dumps

from sixtyforty.modeling.estimators import FittedModel, fit_model
from sixtyforty.modeling.model_store import MODEL, TRAINING_SET, ModelStore
from sixtyforty.modeling.skops_files import ModelError, stable_skops
from sixtyforty.modeling.training_plan import plan_training
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, read_files
from tests.trained_models import KPI, Foreign, fit_small_model, sha256, train_on

MARCH = [date(2013, 3, 1) + timedelta(days=i) for i in range(6)]
AS_OF = date(2013, 3, 7)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish features and outcomes of six days; the tests only read them."""
    ws = make_workspace(tmp_path_factory.mktemp("published"), partitions={"start": "2013-03-01"})
    publish_days(ws, MARCH, count=8)
    return ws


def train(ws: Workspace, folder: Path) -> tuple[ModelStore, str, FittedModel]:
    store, plan = ModelStore(folder), plan_training(ws.use_case, ws.lake, AS_OF)
    store.write_training_set(ws.use_case, ws.lake, plan)
    rows = store.training_frame(plan.version)
    model = fit_model(ws.use_case.model, KPI, store.card(plan.version).features, rows)
    store.write_model(plan.version, model)
    return store, plan.version, model


@pytest.mark.parametrize(
    "declared", [{"monotone_constraints": {"lod": 1}}, {"reasons": {"lod": "{value}"}}], ids=lambda d: next(iter(d))
)
def test_an_unknown_feature_is_named_before_anything_is_stored(tmp_path: Path, declared: dict[str, Any]) -> None:
    ws = make_workspace(tmp_path, model=declared)
    publish_days(ws, MARCH[:3])
    plan = plan_training(ws.use_case, ws.lake, date(2013, 3, 4))
    field = next(iter(declared))
    with pytest.raises(ModelError, match=rf"model\.{field} names lod, which features\.sql doesn't return.*site, load"):
        ws.models.write_training_set(ws.use_case, ws.lake, plan)
    assert ws.models.versions() == []


def test_an_outcome_other_than_0_or_1_is_rejected(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "outcomes.sql").write_text(
        "select u.id, v.late * 2 as late, v.known_at from units u left join visits v using (id)"
    )
    publish_days(ws, MARCH[:3])
    plan = plan_training(ws.use_case, ws.lake, date(2013, 3, 4))
    with pytest.raises(ModelError, match=r"outcomes\.sql: late is neither 0 nor 1 in \d+ rows"):
        ws.models.write_training_set(ws.use_case, ws.lake, plan)


def test_a_training_set_and_its_card_hold_what_is_learned_from(published: Workspace, tmp_path: Path) -> None:
    store, plan = ModelStore(tmp_path), plan_training(published.use_case, published.lake, AS_OF)
    store.write_training_set(published.use_case, published.lake, plan)
    card = store.card(plan.version)
    assert (card.rows, card.first, card.last) == (48, "2013-03-01", "2013-03-06")
    assert (card.as_of, card.missing_days, card.version) == (AS_OF, [], plan.version)
    assert card.features == ["site", "load", "late_before"]  # no key, decision time, outcome or current action
    assert card.data["features"] == {partition: entry.version for partition, entry in plan.features.items()}
    rows = store.training_frame(plan.version)
    assert len(rows) == 48
    assert rows["decided_at"].max() < pd.Timestamp(published.use_case.day_start(AS_OF))
    assert set(rows["late"]) == {0, 1}
    assert (store.has(plan.version, TRAINING_SET), store.has(plan.version, MODEL)) == (True, False)
    assert sha256((store.folder(plan.version) / TRAINING_SET).read_bytes()) == card.files[TRAINING_SET]


def test_a_stored_model_is_loaded_as_it_was(published: Workspace, tmp_path: Path) -> None:
    store, version, model = train(published, tmp_path)
    loaded = store.load(version)
    assert (loaded.features, loaded.levels) == (model.features, {"site": ["north", "south"]})
    rows = store.training_frame(version)
    assert loaded.predict(rows).tolist() == model.predict(rows).tolist()
    assert store.versions() == [version]
    assert store.has(version, MODEL)


def test_training_again_gives_the_same_files(published: Workspace, tmp_path: Path) -> None:
    first, version, _ = train(published, tmp_path / "first")
    second, same, _ = train(published, tmp_path / "second")
    assert version == same
    names = sorted(file.name for file in first.folder(version).iterdir())
    assert names == ["card.json", MODEL, TRAINING_SET]
    for name in names:
        assert (first.folder(version) / name).read_bytes() == (second.folder(version) / name).read_bytes()


def test_a_model_with_untrusted_types_is_not_stored(published: Workspace, tmp_path: Path) -> None:
    store, version, model = train(published, tmp_path)
    before = read_files(tmp_path)
    untrusted = FittedModel(make_pipeline(Foreign(), model.estimator), model.features, model.levels)
    with pytest.raises(ModelError, match=r"not on the list of trusted types: .*Foreign"):
        store.write_model(version, untrusted)
    assert read_files(tmp_path) == before


def test_a_model_file_that_was_replaced_is_rejected(published: Workspace, tmp_path: Path) -> None:
    store, version, _ = train(published, tmp_path)
    (store.folder(version) / MODEL).write_bytes(stable_skops(dumps(fit_small_model().estimator)))
    with pytest.raises(ModelError, match=r"The hash of the model file differs .* Restore the file"):
        store.load(version)


def test_a_model_file_that_was_deleted_is_missing(published: Workspace, tmp_path: Path) -> None:
    store, version, _ = train(published, tmp_path)
    (store.folder(version) / MODEL).unlink()
    assert not store.has(version, MODEL)
    assert not store.has("2013-01-01-00000000", MODEL)


def test_an_unknown_version_is_an_error_that_lists_the_stored_ones(published: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no model version x. .* stored versions: none"):
        ModelStore(tmp_path / "empty").card("x")
    store, version, _ = train(published, tmp_path)
    with pytest.raises(ModelError, match=rf"There is no model version x. .* stored versions: {version}"):
        store.load("x")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("'drizzle' as weather", "the feature 'weather' is text; list it in model.categorical"),
        ("u.call_hour as called", "the feature 'called' is a date or time"),
        ("[u.load] as loads", "the feature 'loads' is of the type list"),
    ],
)
def test_a_feature_from_which_no_model_can_learn_is_named(tmp_path: Path, sql: str, named: str) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text(f"select u.id, u.site, u.load, {sql} from units u")
    publish_days(ws, MARCH[:3])
    plan = plan_training(ws.use_case, ws.lake, date(2013, 3, 4))
    with pytest.raises(ModelError, match=named) as error:
        ws.models.write_training_set(ws.use_case, ws.lake, plan)
    assert "drizzle" not in str(error.value)
    assert ws.models.versions() == []


def test_a_card_names_the_features_that_the_model_ignores(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "features.sql").write_text("select u.id, u.site, u.load, null::double as wind from units u")
    publish_days(ws, MARCH[:3])
    version = train_on(ws, date(2013, 3, 4))
    assert ws.models.card(version).ignored_features == ["wind"]
    assert ws.models.load(version).ignored == ["wind"]


def test_ratios_of_0_by_0_among_numeric_outcomes_are_left_out(tmp_path: Path) -> None:
    ws = make_workspace(
        tmp_path,
        kpi={"outcome_type": "number"},
        model={"estimator": "sklearn.ensemble.HistGradientBoostingRegressor"},
    )
    (ws.use_case.folder / "outcomes.sql").write_text(
        "select u.id, v.late / (case when u.load < 0.3 then 0 else 2 end)::double as late, v.known_at"
        " from units u left join visits v using (id)"
    )
    publish_days(ws, MARCH[:3], count=12)
    version = train_on(ws, date(2013, 3, 4))
    rows = ws.models.training_frame(version)
    assert 0 < len(rows) < 36
    assert set(rows["late"]) <= {0.0, 0.5}


@pytest.mark.parametrize("outcome", ["'yes'", "v.seen_at"])
def test_an_outcome_that_is_no_number_is_named(tmp_path: Path, outcome: str) -> None:
    ws = make_workspace(tmp_path)
    (ws.use_case.folder / "outcomes.sql").write_text(
        f"select u.id, {outcome} as late, v.known_at from units u left join visits v using (id)"
    )
    publish_days(ws, MARCH[:3])
    plan = plan_training(ws.use_case, ws.lake, date(2013, 3, 4))
    with pytest.raises(ModelError, match=r"outcomes\.sql: late is of the type .*\. Return a number"):
        ws.models.write_training_set(ws.use_case, ws.lake, plan)
