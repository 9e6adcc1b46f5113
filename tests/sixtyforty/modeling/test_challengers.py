"""The challenger is the recipe with the highest walk-forward value; the champion's own recipe follows it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from sixtyforty.modeling.challengers import find_best_recipe, list_challengers, recipe_name, value_by_recipe
from sixtyforty.modeling.trainer import train_models
from sixtyforty.modeling.training_plan import declared_recipes, plan_training
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days

DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(16)]
TRAINED, AS_OF = date(2013, 3, 10), date(2013, 3, 15)
CONSTANT = {"description": "Always the mean.", "estimator": "sklearn.dummy.DummyClassifier"}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Train the model and an alternative that learns nothing on two days; retraining is daily."""
    ws = make_workspace(
        tmp_path_factory.mktemp("home"),
        partitions={"start": "2013-03-01"},
        replay={"retrain": "day", "warm_up_days": 2, "first_day": "2013-03-05"},
        model={"alternatives": {"constant": CONSTANT}},
    )
    publish_days(ws, DAYS, count=20)
    for day in (TRAINED, AS_OF):
        for model in declared_recipes(ws.use_case).values():
            plan = plan_training(ws.use_case, ws.lake, day, model)
            ws.models.write_training_set(ws.use_case, ws.lake, plan)
            list(train_models(ws.models, ws.use_case.kpi, [plan.version]))
    return ws


def test_recipes_are_ranked_by_their_value_on_common_days(ws: Workspace) -> None:
    values = value_by_recipe(ws.use_case, ws.lake, ws.models, AS_OF)
    assert [recipe_name(ws.use_case, recipe) for recipe in values] == ["model", "constant"]
    assert list(values.values()) == sorted(values.values(), reverse=True)
    assert find_best_recipe(ws.use_case, ws.lake, ws.models, AS_OF) == next(iter(values))


def test_the_best_recipe_is_the_only_challenger_without_a_champion(ws: Workspace) -> None:
    (challenger,) = list_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", AS_OF)
    assert challenger.version.startswith("2013-03-15-")
    assert "the highest walk-forward value per 1,000 decisions: model EUR " in challenger.reason


def test_the_champions_recipe_follows_the_best_one(ws: Workspace) -> None:
    constant = list(declared_recipes(ws.use_case).values())[1]
    champion = plan_training(ws.use_case, ws.lake, TRAINED, constant).version
    ws.champion_ledger.append(
        track="replay",
        version=champion,
        verdict="PROMOTE",
        kind="first",
        as_of=str(TRAINED),
        effective_from=ws.use_case.day_start(TRAINED).isoformat(),
        reasons=["for the test"],
    )
    challengers = list_challengers(ws.use_case, ws.lake, ws.models, ws.champion_ledger, "replay", AS_OF)
    assert [challenger.reason for challenger in challengers][1:] == ["the challenger has the champion's recipe"]
    assert challengers[1].version == plan_training(ws.use_case, ws.lake, AS_OF, constant).version


def test_an_unknown_recipe_keeps_its_hash_as_its_name(ws: Workspace) -> None:
    assert recipe_name(ws.use_case, "0123456789abcdef") == "0123456789abcdef"
