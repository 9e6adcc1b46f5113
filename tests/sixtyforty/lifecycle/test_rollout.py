"""The rollout: one step at a time, up only without obstacles, back at any time, and every step on record."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.accounting import kpi_ledger, usage
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.rollout import (
    RolloutError,
    advance_rollout,
    list_obstacles,
    read_rollout_status,
    step_back_rollout,
)
from sixtyforty.lifecycle.rollout_evidence import value_shadow_days
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.operation import Rollout
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.rollout_ledger import STEPS, StepName
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.lift import Interval, follow_lift
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, make_use_case, make_workspace, merge, publish_days, put_champion_in_force

TRAINING_DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
LIVE_DAYS = [date(2013, 3, 25) + timedelta(days=i) for i in range(24)]
IN_SHADOW, IN_HOLDOUT = range(11), range(11, 21)  # ten complete days each, enough for an interval
KEYS = [day.isoformat() for day in LIVE_DAYS]
UNUSED = ["nobody has used it for a week"]
GOOD, UNPROVEN = Interval(120.0, 40.0, 200.0), Interval(20.0, -40.0, 80.0)
ROLLOUT: dict[str, Any] = {
    "model": {"params": {"max_iter": 40}},
    "automation": {"rollout": {"holdout_share": 0.5, "min_days": 9}},
}
DECLARED = Rollout(holdout_share=0.5, min_days=9)
TOO_FEW_DAYS = "this step has 8 whole days with known outcomes; it needs 9"
NOT_PROVEN = (
    "the gain over the current process isn't proven in this step: EUR 20 per 1,000 units"
    " (95% confidence interval: -EUR 40 to EUR 80)"
)
NO_INTERVAL = (
    "the gain over the current process isn't proven in this step: EUR 20 per 1,000 units (too early for an interval)"
)


@pytest.mark.parametrize(
    ("step", "days", "lift", "objections", "obstacles"),
    [
        ("shadow", 9, GOOD, [], []),
        ("holdout", 9, GOOD, [], []),
        ("full", 99, GOOD, [], ["full is the last rollout step"]),
        ("shadow", 8, GOOD, [], [TOO_FEW_DAYS]),
        ("shadow", 1, GOOD, [], ["this step has 1 whole day with known outcomes; it needs 9"]),
        ("shadow", 9, GOOD, UNUSED, UNUSED),
        ("shadow", 9, None, [], []),  # a gain that can't be known in shadow isn't required
        ("holdout", 9, UNPROVEN, [], [NOT_PROVEN]),
        ("holdout", 9, Interval(20, math.nan, math.nan), [], [NO_INTERVAL]),
        (
            "holdout",
            9,
            Interval(math.nan, math.nan, math.nan),
            [],
            ["no gain over the current process is known in this step yet"],
        ),
        ("holdout", 8, UNPROVEN, UNUSED, [*UNUSED, TOO_FEW_DAYS, NOT_PROVEN]),
    ],
)
def test_the_next_step_needs_people_days_and_a_proven_gain(
    step: StepName, days: int, lift: Interval | None, objections: list[str], obstacles: list[str]
) -> None:
    assert list_obstacles(DECLARED, step, days, lift, objections, "EUR") == obstacles


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home that is live, in shadow, since noon UTC of the first live day."""
    ws = make_workspace(tmp_path_factory.mktemp("trained"), **ROLLOUT)
    publish_days(ws, [*TRAINING_DAYS, *LIVE_DAYS], count=30)
    ws.champion_ledger.append(
        track="live",
        version=put_champion_in_force(ws, LIVE_DAYS[0]),
        verdict="PROMOTE",
        kind="adopted",
        as_of=KEYS[0],
        effective_from=f"{KEYS[0]}T12:00:00",
        reasons=["better"],
    )
    return ws


@pytest.fixture
def unaccepted(trained: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the home whose decisions nobody answers."""
    shutil.copytree(trained.home, tmp_path / "home")
    return Workspace(trained.use_case, tmp_path / "home", f"sqlite:///{tmp_path}/home/deliveries.db")


@pytest.fixture
def ws(unaccepted: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the home whose people have no objections."""
    monkeypatch.setattr("sixtyforty.lifecycle.rollout.list_objections_of_people", lambda _: [])
    return unaccepted


def run_days(ws: Workspace, *numbers: int) -> datetime:
    """Decide and account for the live days with these numbers; return the end of the last one."""
    keys = [KEYS[number] for number in numbers]
    take_decisions(ws, keys, "live", None)
    kpi_ledger.write_accounts(ws, keys, "live")
    return ws.use_case.day_start(LIVE_DAYS[numbers[-1]] + timedelta(days=1))


def test_live_running_begins_in_shadow_and_counts_whole_days(ws: Workspace) -> None:
    status = read_rollout_status(ws, run_days(ws, *range(9)))
    assert (status.step, status.days, status.since) == ("shadow", 8, datetime(2013, 3, 25, 12))
    assert status.obstacles == [TOO_FEW_DAYS]
    with pytest.raises(RolloutError, match="stays at shadow: this step has 8 whole days"):
        advance_rollout(ws, "Ada", "let's", ws.use_case.day_start(LIVE_DAYS[9]))
    assert ws.rollout_ledger.rows() == []


def test_without_answers_it_stays_where_it_is(unaccepted: Workspace) -> None:
    status = read_rollout_status(unaccepted, run_days(unaccepted, 0, 1, 2, 3))
    assert "Nobody has answered a decision yet." in status.obstacles


def test_in_shadow_the_suggestions_are_valued_and_the_decisions_gain_nothing(ws: Workspace) -> None:
    run_days(ws, *IN_SHADOW)
    for daily_value in kpi_ledger.read_daily_values(ws, "live"):
        assert (daily_value.model, daily_value.differ, daily_value.fallback) == (daily_value.current_process, 0, 0)
    gain = 0.0
    for key in KEYS[1:11]:
        for decision in read_decisions(ws, key, "live"):
            late = float(decision.unit["id"] % 100 * 37 % 100 / 100 > 0.5)
            payoffs = ChoicePayoffs(ws.use_case.kpi, pd.DataFrame(index=[0]))
            (action,) = payoffs.choose_actions(np.array([decision.expected]))
            gain += (10 * late - 3) * ((action == "act") - (decision.current_action == "act"))
    suggested = value_shadow_days(ws, KEYS[1:11])
    assert sum(d.model - d.current_process for d in suggested) == pytest.approx(gain)
    assert gain > 0
    assert read_rollout_status(ws, ws.use_case.day_start(LIVE_DAYS[11])).lift == follow_lift(suggested, block_days=1)


def test_a_veto_binds_suggestions_as_it_binds_decisions(ws: Workspace) -> None:
    veto = {"model": {"vetoes": {"never": {"when": "load >= 0", "never": "act", "why": "for a test"}}}}
    run_days(ws, 0, 1, 2, 3)
    use_case = make_use_case(ws.home / "use_case", **merge(ROLLOUT, veto))
    vetoed = value_shadow_days(Workspace(use_case, ws.home, ws.database_url))
    assert {d.acted for d in vetoed} == {0}
    assert all(d.acted for d in value_shadow_days(ws))


def test_where_the_model_could_not_decide_the_current_process_counts(ws: Workspace) -> None:
    take_decisions(ws, KEYS[1:3], "live", ws.use_case.day_start(LIVE_DAYS[3]))  # too late for all of them
    kpi_ledger.write_accounts(ws, KEYS[1:3], "live")
    daily_values = value_shadow_days(ws)
    assert [(d.model - d.current_process, d.fallback) for d in daily_values] == [(0.0, 30)] * 2


def test_suggestions_for_units_that_recur_have_the_sums_of_groups(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_days(ws, *IN_SHADOW[:3])
    plain = value_shadow_days(ws)
    monkeypatch.setattr(DecisionChain, "units_recur", property(lambda _: True))
    grouped = value_shadow_days(ws)
    assert [replace(day, unit_groups=None) for day in grouped] == plain
    assert all(sum((day.unit_groups or {})["model"]) == pytest.approx(day.model) for day in grouped)


def test_steps_are_taken_one_at_a_time(ws: Workspace) -> None:
    now = run_days(ws, *IN_SHADOW)
    row = advance_rollout(ws, by="Ada", why="it would have paid", now=now)
    expected = ("holdout", "Ada", "it would have paid", KEYS[11] + "T04:00:00")
    assert (row.step, row.by, row.why, row.effective_from) == expected
    assert row.evidence["lift"]["low"] > 0
    status = read_rollout_status(ws, now)
    assert (status.step, status.since, status.days, len(status.obstacles)) == ("holdout", now, 0, 2)
    later = run_days(ws, *IN_HOLDOUT)
    status = read_rollout_status(ws, later)
    assert (status.step, status.days, status.obstacles) == ("holdout", 10, [])
    in_step = [d for d in kpi_ledger.read_daily_values(ws, "live") if d.partition >= KEYS[11]]
    assert status.lift == follow_lift(in_step, block_days=1)
    assert advance_rollout(ws, by="Bo", why="it pays", now=later).step == "full"
    with pytest.raises(RolloutError, match="full is the last rollout step"):
        advance_rollout(ws, by="Bo", why="more", now=later)
    assert ws.rollout_ledger.step_at(now - timedelta(seconds=1)) is None
    json.dumps([row.model_dump() for row in ws.rollout_ledger.rows()], allow_nan=False)


def test_a_step_counts_what_people_did(ws: Workspace) -> None:
    """Nobody has answered, and unanswered decisions aren't carried out. So the step has no gain, and stays unproven."""
    start = ws.use_case.day_start(LIVE_DAYS[1]).isoformat()
    ws.rollout_ledger.take_step("holdout", by="Ada", why="x", effective_from=start)
    now = run_days(ws, 0, 1, 2, 3)
    decided = read_rollout_status(ws, now)
    assert decided.days == 3 and decided.lift is not None and decided.lift.value > 0
    changes = merge(merge(ROLLOUT, WITH_RESPONSES), {"people": {"unanswered": "not_done"}})
    recorded = Workspace(make_use_case(ws.home / "use_case", **changes), ws.home, ws.database_url)
    uncounted = read_rollout_status(recorded, now)
    assert uncounted.obstacles[0].startswith("What people did isn't known") and uncounted.days == 0
    usage.write_accounts(recorded, KEYS[1:4], "live")
    done = read_rollout_status(recorded, now)
    assert done.days == 3 and done.lift is not None and done.lift.value == 0
    assert any("isn't proven in this step: EUR 0" in obstacle for obstacle in done.obstacles)


def test_anybody_may_step_back_whatever_people_object(unaccepted: Workspace) -> None:
    ws = unaccepted
    start = run_days(ws, 0)
    for step in ("holdout", "full"):
        ws.rollout_ledger.take_step(step, by="Ada", why="x", effective_from=f"{start.isoformat()}")
    with pytest.raises(RolloutError, match="full is the last rollout step"):
        advance_rollout(ws, by="Ada", why="more", now=start)
    hours = [start + timedelta(hours=h) for h in range(1, 4)]
    assert step_back_rollout(ws, by="Cy", why="complaints", now=hours[0]).step == "holdout"
    with pytest.raises(RolloutError, match="Nobody has answered"):
        advance_rollout(ws, by="Ada", why="on", now=hours[0])
    assert step_back_rollout(ws, by="Cy", why="more of them", now=hours[1]).step == "shadow"
    with pytest.raises(RolloutError, match="shadow is the first step"):
        step_back_rollout(ws, by="Cy", why="still", now=hours[2])
    steps = [ws.rollout_ledger.step_at(hour) for hour in (start, *hours[:2])]
    assert [step.step for step in steps if step] == ["full", "holdout", "shadow"]


def test_the_same_step_is_taken_once(ws: Workspace) -> None:
    now = run_days(ws, *IN_SHADOW)
    first = advance_rollout(ws, by="Ada", why="it would have paid", now=now)
    assert ws.rollout_ledger.take_step("holdout", by="Bo", why="I thought so", effective_from=f"{now}") == first


def test_a_changed_ledger_leaves_decisions_to_the_current_process(ws: Workspace) -> None:
    for step in ("holdout", "full"):
        ws.rollout_ledger.take_step(step, by="Ada", why="x", effective_from="2013-03-26T00:00:00")
    path = ws.rollout_ledger.path
    assert isinstance(path, Path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(lines[0]) | {"by": "Eve"}), lines[1]]) + "\n")
    with pytest.raises(LedgerError, match=r"rollout\.jsonl, row 1: .*was changed"):
        ws.rollout_ledger.step_at(datetime(2013, 4, 1))
    path.write_text(lines[0] + "\n")
    taken = take_decisions(ws, KEYS, "live", None)
    assert taken and sum(decisions.by_model for decisions in taken.values()) == 0
    reasons = {decision.reason for decision in read_decisions(ws, KEYS[1], "live")}
    assert len(reasons) == 1 and "rollout.jsonl, row 2: rows are missing at the end" in reasons.pop()


def test_a_step_keeps_the_evidence_of_its_earlier_periods_and_of_the_steps_before_it(ws: Workspace) -> None:
    now = run_days(ws, *IN_SHADOW)
    shadow = read_rollout_status(ws, now).evidence
    assert [(e.step, e.first, e.last, e.days) for e in shadow] == [("shadow", KEYS[1], KEYS[10], 10)]
    assert advance_rollout(ws, by="Ada", why="on", now=now).evidence["evidence"][0]["days"] == 10
    kept = read_rollout_status(ws, now).evidence
    assert kept[0] == shadow[0], "the step forward keeps the evidence of the shadow step"
    now = run_days(ws, *range(11, 20))
    step_back_rollout(ws, by="Bo", why="a complaint", now=now)
    in_shadow = read_rollout_status(ws, now)
    assert (in_shadow.step, in_shadow.days, in_shadow.obstacles) == ("shadow", 10, []), "nothing was lost"
    now = run_days(ws, 20)
    advance_rollout(ws, by="Ada", why="on", now=now)
    status = read_rollout_status(ws, run_days(ws, 21))
    assert [(e.step, e.first, e.last, e.days) for e in status.evidence] == [
        ("shadow", KEYS[1], KEYS[20], 11),
        ("holdout", KEYS[11], KEYS[21], 10),
    ]
    assert (status.step, status.days, status.obstacles) == ("holdout", 10, []), "nine earlier days and one new one"
    days_in_holdout = (*KEYS[11:20], KEYS[21])
    in_step = [d for d in kpi_ledger.read_daily_values(ws, "live") if d.partition in days_in_holdout]
    assert status.lift == follow_lift(in_step, block_days=1)
    suggested = value_shadow_days(ws, [*KEYS[1:11], KEYS[20]])
    assert status.evidence[0].lift == follow_lift(suggested, block_days=1)


@settings(max_examples=15)
@given(st.lists(st.booleans(), max_size=8))
def test_no_step_is_ever_skipped(trained: Workspace, advances: list[bool]) -> None:
    home = Path(tempfile.mkdtemp(dir=trained.home))
    ws = Workspace(trained.use_case, home, f"sqlite:///{home}/deliveries.db")
    shutil.copytree(str(trained.champion_ledger.path.parent), str(ws.champion_ledger.path.parent))
    position = 0
    for number, is_advance in enumerate(advances):
        now = datetime(2013, 3, 26, number)
        obstacles = ["no"] * (position == 2)
        change = advance_rollout if is_advance else step_back_rollout
        with patch("sixtyforty.lifecycle.rollout.list_obstacles", return_value=obstacles), suppress(RolloutError):
            change(ws, "Ada", "why not", now)
        step = ws.rollout_ledger.step_at(now)
        before, position = position, STEPS.index(step.step) if step else 0
        assert position == (min(before + 1, 2) if is_advance else max(before - 1, 0))


def test_without_a_declared_rollout_or_live_decisions_there_is_no_status(tmp_path: Path) -> None:
    with pytest.raises(RolloutError, match=r"declares no automation\.rollout"):
        read_rollout_status(make_workspace(tmp_path / "a"), datetime(2013, 4, 1))
    with pytest.raises(RolloutError, match="isn't live yet"):
        read_rollout_status(make_workspace(tmp_path / "b", **ROLLOUT), datetime(2013, 4, 1))


def test_in_an_experiment_shadow_shows_no_gain_and_the_holdout_does(ws: Workspace) -> None:
    holdout = {"share": 0.1, "value_per_outcome": -10, "planned_units": 100}
    changes = merge(ROLLOUT, {"kpi": {"measurement": "randomized", "holdout": holdout}})
    ws = Workspace(make_use_case(ws.home / "use_case", **changes), ws.home, ws.database_url)
    now = run_days(ws, *IN_SHADOW)
    status = read_rollout_status(ws, now)
    assert (status.days, status.lift, status.obstacles) == (10, None, [])
    assert kpi_ledger.read_daily_values(ws, "live") == []
    advance_rollout(ws, by="Ada", why="people like it", now=now)
    status = read_rollout_status(ws, run_days(ws, *IN_HOLDOUT))
    assert (status.step, status.days) == ("holdout", 10)
    assert status.lift is not None and status.lift.low < status.lift.value < status.lift.high
    assert "isn't proven" in status.obstacles[0], "in these tests the action doesn't change the outcome"
    last = ws.use_case.day_start(LIVE_DAYS[21])
    step_back_rollout(ws, by="Bo", why="a complaint", now=last)
    advance_rollout(ws, by="Ada", why="on", now=last)
    returned = read_rollout_status(ws, last)
    assert (returned.days, returned.lift) == (status.days, status.lift), "the estimate covers all holdout days"
