"""A plan shows what an edit would change, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.plan import Plan, make_plan
from sixtyforty.lifecycle.plan_edit import PlanError, choose_sample
from sixtyforty.lifecycle.plan_value import LIFT
from sixtyforty.lifecycle.replay_rebuild import RebuildError
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.storage.files import write_atomic
from sixtyforty.workspace import Workspace
from tests.helpers import SQL, make_workspace, read_files
from tests.leaky_world import LEAK
from tests.replayed_home import DECIDED, NEVER, VETO, declare, make_replayed_home

BY_LOAD = {"description": "Act on heavy loads.", "action": "case when load > 0.9 then 'act' else 'wait' end"}


def plan(ws: Workspace, **changes: Any) -> Plan:
    """Return the plan of an edit of the replayed home."""
    kpi = {"candidates": {"by_load": BY_LOAD}} | changes.pop("kpi", {})
    return make_plan(declare(ws, kpi=kpi, **changes), ws.use_case.day_start(date(2013, 5, 1)), lambda _: None)


@pytest.fixture(autouse=True)
def unchanged_home(replayed: Workspace) -> Iterator[None]:
    """Check that a test's plans change neither lake nor ledgers nor deliveries."""
    before = [read_files(folder) for folder in (replayed.lake.root, replayed.models.root)]
    database = replayed.home / "deliveries.db"
    anchors = database.read_bytes()
    yield
    (replayed.use_case.folder / "features.sql").write_text(SQL["features"])
    assert [read_files(folder) for folder in (replayed.lake.root, replayed.models.root)] == before
    assert database.read_bytes() == anchors


def test_an_unchanged_declaration_changes_nothing(replayed: Workspace) -> None:
    made = plan(replayed)
    assert made.is_unchanged and made.preview is None and made.remade == {}


@given(st.sampled_from(["vision", "owner", "title"]), st.text("abc ", min_size=1, max_size=9))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_field_on_which_no_decision_depends_changes_nothing(replayed: Workspace, field: str, text: str) -> None:
    assert plan(replayed, **{field: f"team:{text}"}).is_unchanged


def test_an_edit_without_effect_flips_nothing_and_is_worth_nothing(replayed: Workspace) -> None:
    made = plan(replayed, model={"vetoes": {"none": {"when": "load > 99", "never": "act", "why": "Never true."}}})
    assert made.preview is not None and not made.is_unchanged
    assert (made.preview.flips.flipped, made.preview.flips.compared) == (0, 12 * len(DECIDED))
    assert made.preview.value.flips_per_1000.value == 0
    assert made.preview.value.total.now == made.preview.value.total.after
    assert made.preview.champions_now == made.preview.champions_after != []


def test_a_veto_flips_the_decisions_that_it_forbids(replayed: Workspace) -> None:
    made = plan(replayed, **VETO)
    assert made.preview is not None
    flips = made.preview.flips
    assert [(flip.before, flip.after) for flip in flips.by_action] == [("act", "wait")]
    decided = [row for day in DECIDED for row in read_decisions(replayed, day, "replay")]
    stored = {row.decision_id: row for row in decided}
    assert 0 < flips.flipped < sum(row.action == "act" for row in decided)
    for example in flips.examples:
        assert example.score == stored[example.decision_id].expected, "a veto changes no score"
        assert example.reason == "veto small: Too small."
    assert {name: len(partitions) for name, partitions in made.remade.items()} == {"decisions/replay": len(DECIDED)}
    assert (made.preview.value.flips_per_1000.high or 0) < 0
    assert made.lost == []


def test_a_payoff_is_valued_on_today_s_decisions_too(replayed: Workspace) -> None:
    made = plan(replayed, kpi={"actions": {"act": {"cost": 6}}})
    assert made.preview is not None
    total = made.preview.value.total
    acted = sum(row.action == "act" for day in DECIDED for row in read_decisions(replayed, day, "replay"))
    assert total.now is not None and total.unchanged is not None
    assert total.now - total.unchanged == pytest.approx(3 * acted, abs=40), "the newest outcomes aren't known"
    assert total.now > total.unchanged


def test_a_limit_is_planned_from_stored_models(replayed: Workspace) -> None:
    made = plan(replayed, kpi={"actions": {"act": {"limit": 1}}})
    assert made.preview is not None and made.preview.flips.flipped > 0
    assert [change.kind for change in made.changes] == ["capacity"]


def test_a_gain_that_is_lost_loses_its_significance(replayed: Workspace) -> None:
    made = plan(replayed, **NEVER)
    assert LIFT in made.lost
    assert made.preview is not None and made.preview.champions_after == []


def test_an_edit_of_a_candidate_changes_its_value_alone(replayed: Workspace) -> None:
    made = plan(replayed, kpi={"candidates": {"by_load": BY_LOAD | {"action": "'act'"}}})
    assert [change.text for change in made.changes] == [
        "kpi.candidates.by_load: has another value on past decisions (rule)"
    ]
    assert made.preview is not None and made.preview.flips.flipped == 0 and made.remade == {}
    now, after = (getattr(made.preview.value.figures[1], name).value for name in ("now", "after"))
    assert now != after
    assert not made.is_unchanged


def test_a_leak_is_shown_before_it_runs(replayed: Workspace) -> None:
    made = plan_sql(replayed, LEAK)
    assert made.has_leakage and made.leakage is not None and made.preview is None
    assert {feature.feature for tainted in made.leakage.tainted for feature in tainted.features} == {"late_today"}
    assert made.leakage.checked == choose_sample(replayed.lake.partitions("features"))
    sound = plan_sql(replayed, SQL["features"] + "  ")
    assert [change.text for change in sound.changes] == ["features.sql: changed (SQL)"], (
        "the recipe's hash covers spaces"
    )
    sound = plan_sql(replayed, f"select *, load * 2 as twice from ({SQL['features']})")
    assert sound.leakage is not None and not sound.has_leakage and sound.preview is None
    assert list(sound.remade) == ["features", "models", "decisions/replay"]


def plan_sql(ws: Workspace, sql: str) -> Plan:
    """Return the plan of an edit of features.sql."""
    edited = declare(ws, kpi={"candidates": {"by_load": BY_LOAD}})
    (edited.use_case.folder / "features.sql").write_text(sql)
    return make_plan(edited, ws.use_case.day_start(date(2013, 5, 1)), lambda _: None)


def test_a_changed_recipe_needs_a_computation(replayed: Workspace) -> None:
    made = plan(replayed, model={"params": {"max_iter": 6}})
    assert made.preview is None and made.leakage is None
    assert list(made.remade) == ["models", "decisions/replay"]
    assert made.remade["models"] == ["2013-03-11", "2013-03-18", "2013-03-25", "2013-04-01"]


def test_without_a_replay_the_plan_says_what_to_do(ws_without_replay: Workspace) -> None:
    with pytest.raises(PlanError, match="Run the chain first: sixtyforty run calls_in_time"):
        make_plan(ws_without_replay, ws_without_replay.use_case.day_start(date(2013, 5, 1)), lambda _: None)


@pytest.fixture
def ws_without_replay(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("empty"))


@pytest.fixture
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home that a test may change."""
    return make_replayed_home(tmp_path_factory.mktemp("own"))


def test_a_home_of_an_earlier_release_and_of_an_ended_use_case(own_home: Workspace) -> None:
    now = own_home.use_case.day_start(date(2013, 5, 1))
    folder = own_home.lake.root / "declarations"
    (file,) = folder.glob("*.json")
    copy = file.read_bytes()
    file.unlink()
    made = make_plan(declare(own_home, **VETO), now, lambda _: None)
    assert made.preview is not None and made.preview.flips.flipped > 0
    assert made.notes and "stored no copy of its declaration" in made.notes[0]
    with pytest.raises(PlanError, match="Add --compute"):
        make_plan(declare(own_home, model={"params": {"max_iter": 6}}), now, lambda _: None)
    write_atomic(file, copy)
    retire_use_case(own_home, "Ada", "the route was closed", now)
    with pytest.raises(RebuildError, match="retired"):
        make_plan(declare(own_home, **VETO), now, lambda _: None)
