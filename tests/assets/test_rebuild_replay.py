"""A replay is made again by today's declaration, down to deliveries and accounts. Nothing live changes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets import decide, model, value
from assets.resources import ProjectHome
from assets.stage import StageRun
from expectations import suites
from sixtyforty.accounting.kpi_summary import summarize_kpi
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.delivery import find_undelivered
from sixtyforty.decisions.review_queue import read_queue
from sixtyforty.lifecycle.champions import adopt_champion
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.lifecycle.withdrawal import withdraw_model
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run
from tests.helpers import day_range, make_use_case, make_workspace, publish_days

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 12)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
DECIDED = day_range(date(2013, 3, 15), LAST)
CHANGES: dict[str, Any] = {
    "replay": {"first_day": "2013-03-15", "retrain": "week", "warm_up_days": 14},
    "gate": {"margin": 0, "max_rejected_share": 0.9},
    "people": {"review": {"reviewers": {"expert": 5}, "abstain_below": 4, "minutes_per_review": 5}},
}
COSTLIER = {"actions": {"act": {"cost": 9.9}}}


@pytest.fixture(scope="module")
def live_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six weeks of a replay, delivered and accounted, and live since its last day. Each test gets a copy."""
    home = tmp_path_factory.mktemp("live")
    rules = home / "suites" / "calls_in_time"
    rules.mkdir(parents=True)
    for source in ("calls", "visits", "features"):
        (rules / f"{source}.yaml").write_text("description: for the test\n")
    workspace = make_workspace(home, **CHANGES)
    publish_days(workspace, DAYS, count=12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "HERE", home / "suites")
        run_chain(workspace)
        adopt_champion(workspace, by="Ada", why="it pays", now=workspace.use_case.day_start(LAST))
        run_chain(workspace, DECIDED[-1:], track="live", as_of="2013-04-13T12:00:00")
    return home


@pytest.fixture
def ws(live_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return the workspace of a copy of the live home."""
    home = shutil.copytree(live_home, tmp_path / "home")
    monkeypatch.setattr(suites, "HERE", home / "suites")
    return make_workspace(home, **CHANGES)


def run_chain(ws: Workspace, partitions: list[str] = DECIDED, **clock: str) -> None:
    """Run the stages from the training to the accounts, as `sixtyforty run` does."""

    def make(*keys: str) -> StageRun:
        home = ProjectHome(ws.home, ws.database_url, str(ws.home / "remote"))
        return make_run(ws, *([list(keys)] if keys else []), project_home=home, **clock)

    for train in (model.record_training_sets, model.train_challengers, model.judge_challengers):
        train(make())
    for stage in (decide.decide_units, decide.queue_decisions, decide.deliver, value.account_kpi):
        stage(make(*partitions))


def declare(ws: Workspace, **changes: Any) -> Workspace:
    return replace(ws, use_case=make_use_case(ws.use_case.folder, **CHANGES, **changes))


def delivered(ws: Workspace, table: str) -> dict[str, tuple[Any, ...]]:
    engine = sa.create_engine(ws.database_url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"select * from {table} order by decision_id")).all()
    engine.dispose()
    return {row[0]: tuple(row) for row in rows}


def live_state(ws: Workspace) -> tuple[Any, ...]:
    live = [row for row in ws.champion_ledger.rows() if row.track == "live"]
    return live, ws.lake.entries("decisions/live"), delivered(ws, "calls_in_time_decisions")


def test_a_replay_is_made_again_and_live_decisions_stay(ws: Workspace) -> None:
    assert summarize_kpi(ws, "replay").outdated is None
    live, before = live_state(ws), actions(ws)
    changed = declare(ws, kpi=COSTLIER)
    run_chain(changed)
    assert actions(changed) == before, "without --rebuild-replay, decisions stay"
    outdated = summarize_kpi(changed, "replay").outdated
    assert outdated is not None and f"{len(DECIDED)} of {len(DECIDED)} days" in outdated

    run_chain(changed, rebuild_replay_from=DECIDED[0])
    assert summarize_kpi(changed, "replay").outdated is None
    again = actions(changed)
    assert again.keys() == before.keys() and again != before
    assert {key: row[4] for key, row in delivered(changed, "calls_in_time_replay_decisions").items()} == again
    for day in DECIDED:
        decided = {row.decision_id: row.action for row in read_decisions(changed, day, "replay")}
        assert all(item.action == decided[item.decision_id] for item in read_queue(changed, day, "replay"))
    assert live_state(changed) == live


def actions(ws: Workspace) -> dict[str, str]:
    return {row.decision_id: row.action for day in DECIDED for row in read_decisions(ws, day, "replay")}


def test_a_replay_made_again_with_nothing_changed_is_the_same(ws: Workspace) -> None:
    before, promoted = actions(ws), [row.version for row in ws.champion_ledger.promotions("replay")]
    summary = summarize_kpi(ws, "replay")
    run_chain(ws, rebuild_replay_from=DECIDED[0])
    assert actions(ws) == before
    assert [row.version for row in ws.champion_ledger.promotions("replay")] == promoted
    assert summarize_kpi(ws, "replay") == summary


def test_a_run_of_the_replay_renames_no_champion_that_decided(ws: Workspace) -> None:
    def champions() -> list[str]:
        return [row.version for row in ws.champion_ledger.promotions("replay")]

    before = champions()
    changed = declare(ws, model={"params": {"max_iter": 7}})
    run_chain(changed)
    assert champions() == before
    withdraw_model(ws, before[-1], by="Ada", why="a leak", now=ws.use_case.day_start(LAST), whole_recipe=True)
    run_chain(changed, rebuild_replay_from="2013-04-03")
    rebuilt = [row for row in ws.champion_ledger.promotions("replay") if row.version not in before]
    assert {row.kind for row in rebuilt[:1]} == {"first"}, "a mended recipe need only beat the current process"
    assert rebuilt[0].as_of == "2013-04-01", "it was trained on the last training day before the range"
    assert rebuilt[0].effective_from == changed.use_case.opens_at("2013-04-03").isoformat()
    kept = [row.version for row in ws.champion_ledger.promotions("replay") if row.effective_from < "2013-04-03"]
    assert kept == [version for version in before if version < "2013-04-03"]


def test_a_retired_use_case_trains_promotes_and_delivers_nothing_on_either_track(ws: Workspace) -> None:
    before, live = ws.champion_ledger.rows(), live_state(ws)
    delivered_before = delivered(ws, "calls_in_time_replay_decisions")
    retire_use_case(ws, "Ada", "the route was closed", ws.use_case.day_start(LAST + timedelta(days=2)))
    (next_day, last_day) = publish_days(ws, [LAST + timedelta(days=days) for days in (2, 3)], count=12)
    run_chain(ws, [next_day, last_day])
    run_chain(ws, [last_day], track="live", as_of="2013-04-20T12:00:00")
    assert ws.champion_ledger.rows() == before
    assert live_state(ws)[2] == live[2]
    assert delivered(ws, "calls_in_time_replay_decisions") == delivered_before
    for track, day in (("replay", next_day), ("live", last_day)):
        rows = read_decisions(ws, day, track)  # type: ignore[arg-type]
        assert {(row.decided_by, row.reason) for row in rows} == {
            ("current_process", "retired: the current process decides")
        }
        assert find_undelivered(ws, track, ws.lake.entries(f"decisions/{track}")) == set()  # type: ignore[arg-type]
