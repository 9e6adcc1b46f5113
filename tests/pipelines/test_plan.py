"""The command `plan` shows an edit's effect before it runs, and a rebuild of the replay then shows the same."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.champions import adopt_champion
from tests.helpers import SQL, day_range, land_days, merge, read_files
from tests.leaky_world import LEAK, NAME, World, days_between, make_world
from tests.pipelines.conftest import RunCli
from tests.replayed_home import CHANGES, NEVER, VETO

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 5)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
DECIDED = day_range(date(2013, 3, 15), LAST)
REBUILD_ALL = f"run {NAME} {days_between(FIRST, LAST)} --rebuild-replay"
REBUILD = f"run {NAME} {days_between(date(2013, 3, 15), LAST)} --rebuild-replay"
COSTLIER = {"kpi": {"actions": {"act": {"cost": 6, "limit": 3}}}, **VETO}
LIVE = f"run {NAME} {days_between(LAST, LAST)} --track live --as-of 2013-04-06T12:00:00"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> World:
    """A use case whose replay was run by the command line."""
    world = make_world(tmp_path / "world", monkeypatch, **CHANGES)
    land_days(world.open(), DAYS, count=12)
    assert run_cli(f"plan {NAME}").code == 1
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err
    return world


def actions(world: World) -> dict[str, str]:
    ws = world.open()
    return {row.decision_id: row.action for day in DECIDED for row in read_decisions(ws, day, "replay")}


def rebuild_and_compare(world: World, run_cli: RunCli, planned: Any, command: str = REBUILD) -> None:
    """Rebuild the replay by the edit, and compare decisions and accounts with the plan.

    command: the command that the plan must name.
    """
    before = actions(world)
    assert f"To apply the edit: sixtyforty {command}\n" in run_cli(f"plan {NAME}").out
    finished = run_cli(command)
    assert finished.code == 0, finished.err
    after = actions(world)
    assert planned["flips"]["flipped"] == sum(before[key] != after[key] for key in before)
    impact = run_cli(f"impact {NAME} --json").answer
    assert planned["value"]["total"]["after"] == impact["total"]
    (gain,) = planned["value"]["figures"]
    assert gain["after"] == impact["lift_vs_current"]
    promoted = [row.as_of for row in world.open().champion_ledger.sound_promotions("replay")]
    assert planned["champions"]["after"] == promoted
    assert run_cli(f"plan {NAME}").out == (
        f"{NAME}: nothing changed. Every replay decision was taken under the declaration on disk.\n"
    )


def test_a_plan_equals_the_replay_that_is_then_made_again(world: World, run_cli: RunCli) -> None:
    before = run_cli(f"impact {NAME} --json").answer
    world.changes = merge(CHANGES, COSTLIER)
    ws = world.open()
    files = [read_files(folder) for folder in (ws.lake.root, ws.models.root, ws.deliveries)]
    planned = run_cli(f"plan {NAME} --json")
    assert planned.code == 0, planned.err
    assert [read_files(folder) for folder in (ws.lake.root, ws.models.root, ws.deliveries)] == files
    assert planned.answer["value"]["total"]["now"] == before["total"]
    assert planned.answer["flips"]["flipped"] > 0
    rebuild_and_compare(world, run_cli, planned.answer)

    world.changes = merge(CHANGES, {"model": {"params": {"max_iter": 30, "min_samples_leaf": 40}}})
    shown = run_cli(f"plan {NAME}")
    assert shown.code == 0 and "Add --compute to calculate them." in shown.out
    assert "models: 4 training days, 2013-03-11 to 2013-04-01" in shown.out
    rebuild_and_compare(world, run_cli, run_cli(f"plan {NAME} --compute --json").answer)


def test_a_leak_and_a_lost_gain_are_shown_and_sound_sql_is_computed(world: World, run_cli: RunCli) -> None:
    world.write_features(LEAK)
    for options in ("", " --compute"):
        shown = run_cli(f"plan {NAME}{options}")
        assert shown.code == 1
        assert "know the future" in shown.out and "late_today" in shown.out
        assert "features: 36 partitions, 2013-03-01 to 2013-04-05" in shown.out
        assert "To apply the edit" not in shown.out
    assert world.open().lake.partitions("tainted") == []

    world.write_features(SQL["features"])
    ws = world.open()
    adopt_champion(ws, by="Ada", why="it pays", now=ws.use_case.day_start(LAST))
    assert run_cli(LIVE).code == 0
    live = ws.lake.entries("decisions/live")
    world.changes = merge(CHANGES, NEVER)
    shown = run_cli(f"plan {NAME}")
    assert shown.code == 3, shown.err
    assert "LOSES its significance" in shown.out
    assert "Live: the decisions of 1 day are history. The edit changes none of them." in shown.out
    assert "After: none." in shown.out

    world.changes = CHANGES
    world.write_features(f"select *, load > 0.6 as heavy from ({SQL['features']})")
    files = [read_files(folder) for folder in (ws.lake.root, ws.models.root)]
    planned = run_cli(f"plan {NAME} --compute --json")
    assert planned.code == 0, planned.err
    assert [read_files(folder) for folder in (ws.lake.root, ws.models.root)] == files
    assert planned.answer["leakage"]["tainted"] == []
    rebuild_and_compare(world, run_cli, planned.answer, REBUILD_ALL)
    assert ws.lake.entries("decisions/live") == live
