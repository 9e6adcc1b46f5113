"""Decisions under a limit per day: the same bytes by hour or by day, in portions, alone or with other days."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days, put_champion_in_force, read_lake
from tests.sixtyforty.decisions.conftest import DAY, KEY, KEY_BEFORE, TRAINED, adopt_at, mark_first_unit_suspect
from tests.small_portions import use_small_portions

MOST = 7
LIMIT: dict[str, Any] = {"cost": 3, "gain": 10, "limit": {"count": MOST, "per": "day"}}
VETOES = {"quiet": {"when": "load < 0.5 and id % 3 = 0", "never": "act", "why": "too quiet"}}
NEXT_DAY = DAY + timedelta(days=1)
KEYS = [KEY_BEFORE, KEY, NEXT_DAY.isoformat()]


@pytest.fixture(scope="module", params=[False, True], ids=["best", "full limit and veto"])
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a home in which at most 7 of the 20 units of a day can get the action. The tests only read it."""
    act = {"description": "act", **LIMIT, "use_full_limit": request.param}
    declared = {"kpi": {"actions": {"wait": {"description": "wait"}, "act": act}}}
    vetoes = {"model": {"vetoes": VETOES}} if request.param else {}
    ws = make_workspace(tmp_path_factory.mktemp("limited"), **declared, **vetoes)
    publish_days(ws, [*TRAINED, DAY, NEXT_DAY], count=20)
    put_champion_in_force(ws, DAY)
    mark_first_unit_suspect(ws, KEY)
    return ws


def copy_home(ws: Workspace, folder: Path) -> Workspace:
    shutil.copytree(ws.home, folder)
    return Workspace(ws.use_case, folder, f"sqlite:///{folder}/deliveries.db")


def decided_bytes(ws: Workspace) -> dict[str, bytes]:
    return {name: file for name, file in read_lake(ws.lake).items() if "decisions" in name}


def test_a_day_has_at_most_so_many_actions(limited: Workspace, tmp_path: Path) -> None:
    ws = copy_home(limited, tmp_path / "home")
    take_decisions(ws, KEYS, "replay", None)
    for key in KEYS[1:]:
        decisions = read_decisions(ws, key, "replay")
        actions = Counter(d.action for d in decisions)
        by_current_process = Counter(d.current_action for d in decisions if d.decided_by == "fallback")
        assert 0 < actions["act"] <= MOST + by_current_process["act"]
        acted = [d.decided_at for d in decisions if d.action == "act"]
        assert min(acted) == min(d.decided_at for d in decisions)  # the first time of the day is served first


def test_runs_by_the_hour_decide_as_a_run_at_the_end_of_the_day(limited: Workspace, tmp_path: Path) -> None:
    """Early decisions never depend on later units, because they don't change when the later units are decided, too."""
    hourly, daily = copy_home(limited, tmp_path / "hourly"), copy_home(limited, tmp_path / "daily")
    for hour in range(24):
        take_decisions(hourly, KEYS, "replay", datetime(2013, 3, 13, hour))
    take_decisions(hourly, KEYS, "replay", None)
    take_decisions(daily, KEYS, "replay", None)
    for key in KEYS:
        assert read_decisions(hourly, key, "replay") == read_decisions(daily, key, "replay")


def test_days_decided_together_alone_and_in_portions_have_the_same_bytes(
    limited: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [copy_home(limited, tmp_path / name) for name in ("together", "alone", "portions")]
    take_decisions(homes[0], KEYS, "replay", None)
    for key in reversed(KEYS):
        take_decisions(homes[1], [key], "replay", None)
    use_small_portions(monkeypatch)
    take_decisions(homes[2], KEYS, "replay", None)
    together, alone, portions = map(decided_bytes, homes)
    assert together == alone
    assert together == portions


def test_a_second_run_and_a_rebuilt_replay_write_the_same_bytes(limited: Workspace, tmp_path: Path) -> None:
    ws = copy_home(limited, tmp_path / "home")
    take_decisions(ws, KEYS, "replay", None)
    before = read_lake(ws.lake)
    take_decisions(ws, KEYS, "replay", None)
    take_decisions(ws, KEYS, "replay", None, anew=True)
    assert read_lake(ws.lake) == before


def test_live_decisions_use_up_the_limit_of_the_rest_of_the_day(limited: Workspace, tmp_path: Path) -> None:
    """On the live track, the model decides on the units of each hour in time."""
    ws = copy_home(limited, tmp_path / "home")
    adopt_at(ws, datetime(2013, 3, 13, 11))
    for hour in range(11, 15):
        before = {d.decision_id: d for d in read_decisions(ws, KEY, "live")}
        take_decisions(ws, [KEY], "live", datetime(2013, 3, 13, hour))
        after = {d.decision_id: d for d in read_decisions(ws, KEY, "live")}
        assert all(after[decision_id] == decision for decision_id, decision in before.items())
    decisions = read_decisions(ws, KEY, "live")
    assert len(decisions) == 20
    assert sum(d.action == "act" for d in decisions if d.decided_by == "model") <= MOST
