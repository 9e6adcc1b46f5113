"""The rollout: one step at a time, up only with reasons for it, down at any time, and nothing of it lost."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.accounting import kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.rollout import RolloutError, down, may_go_up, shadow_days, standing, up
from sixtyforty.modeling import trainer, training_plan
from sixtyforty.spec.operation import Rollout
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.storage.rollout_ledger import STEPS
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.lift import Interval, estimate_lift
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case, make_workspace, merge, publish_days

TRAINED = [date(2013, 3, 1) + timedelta(days=i) for i in range(12)]
LIVE = [date(2013, 3, 25) + timedelta(days=i) for i in range(8)]
P = [d.isoformat() for d in LIVE]
YES, NO = [], ["nobody has used it for a week"]
GOOD, UNSURE = Interval(120.0, 40.0, 200.0), Interval(20.0, -40.0, 80.0)
ROLLOUT = {"model": {"params": {"max_iter": 40}}, "automation": {"rollout": {"holdout_share": 0.5, "min_days": 3}}}
DECLARED = Rollout(holdout_share=0.5, min_days=3)


@pytest.mark.parametrize(
    ("step", "days", "lift", "unaccepted", "against"),
    [
        ("shadow", 3, GOOD, YES, []),
        ("holdout", 3, GOOD, YES, []),
        ("full", 99, GOOD, YES, ["there is no step above full"]),
        ("shadow", 2, GOOD, YES, ["2 whole days of this step have outcomes, 3 are needed"]),
        ("shadow", 3, GOOD, NO, NO),
        ("shadow", 3, None, YES, []),  # what can't be known in shadow isn't asked for
        (
            "holdout",
            3,
            UNSURE,
            YES,
            ["the gain over the current process isn't proven in this step: +20 per 1,000 [-40 to +80]"],
        ),
        (
            "holdout",
            3,
            Interval(20, math.nan, math.nan),
            YES,
            ["the gain over the current process isn't proven in this step: +20 per 1,000"],
        ),
        ("holdout", 3, Interval(math.nan, math.nan, math.nan), YES, ["nothing can be said of this step's figures yet"]),
        (
            "holdout",
            0,
            UNSURE,
            NO,
            [
                *NO,
                "0 whole days of this step have outcomes, 3 are needed",
                "the gain over the current process isn't proven in this step: +20 per 1,000 [-40 to +80]",
            ],
        ),
    ],
)
def test_it_goes_up_only_if_people_and_figures_bear_it(step, days, lift, unaccepted, against):
    assert may_go_up(DECLARED, step, days, lift, unaccepted) == against


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A home that is live since noon UTC of the first of some days, in shadow."""
    ws = make_workspace(tmp_path_factory.mktemp("trained"), **ROLLOUT)
    publish_days(ws, [*TRAINED, *LIVE], count=30)
    plan = training_plan.plan_training(ws.use_case, ws.lake, LIVE[0])
    ws.models.write_training_set(ws.use_case, ws.lake, plan)
    list(trainer.train_models(ws.models, ws.use_case.kpi, [plan.version]))
    ws.champion_ledger.append(
        track="live",
        version=plan.version,
        verdict="PROMOTE",
        kind="adopted",
        as_of=P[0],
        effective_from=f"{P[0]}T12:00:00",
        reasons=["better"],
    )
    return ws


@pytest.fixture
def ws(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("sixtyforty.lifecycle.rollout.list_objections_of_people", lambda _: YES)
    shutil.copytree(trained.home, tmp_path / "home")
    return Workspace(trained.use_case, tmp_path / "home", trained.database_url)


def live(ws, *days):
    """These days (numbers), lived: decided and accounted for. Returns the moment after them."""
    take_decisions(ws, [P[i] for i in days], "live", None)
    kpi_ledger.write_accounts(ws, [P[i] for i in days], "live")
    return ws.use_case.day_start(LIVE[days[-1]] + timedelta(days=1))


def test_it_begins_in_shadow_and_counts_whole_days(ws):
    now = standing(ws, live(ws, 0, 1, 2))
    assert (now.step, now.days, now.since) == ("shadow", 2, datetime(2013, 3, 25, 12))
    assert now.against == ["2 whole days of this step have outcomes, 3 are needed"]
    with pytest.raises(RolloutError, match="it stays at shadow: 2 whole days"):
        up(ws, "Ada", "let's", ws.use_case.day_start(LIVE[3]))
    assert ws.rollout_ledger.rows() == []


def test_as_long_as_nobody_uses_it_it_stays_where_it_is(trained, tmp_path):
    shutil.copytree(trained.home, tmp_path / "home")
    ws = Workspace(trained.use_case, tmp_path / "home", trained.database_url)
    assert "Nobody has answered a decision yet." in standing(ws, live(ws, 0, 1, 2, 3)).against


def test_in_shadow_the_suggestions_are_valued_and_the_decisions_gain_nothing(ws):
    live(ws, 0, 1, 2, 3)
    for one in kpi_ledger.read_daily_values(ws, "live"):
        assert (one.model, one.differ, one.fallback) == (one.current_process, 0, 0)
    suggested = 0.0
    for p in P[1:4]:
        for d in read_decisions(ws, p, "live"):
            late = float(d["id"] % 100 * 37 % 100 / 100 > 0.5)
            (action,) = ChoicePayoffs(ws.use_case.kpi, pd.DataFrame(index=[0])).choose(np.array([d["expected"]]))
            suggested += (10 * late - 3) * ((action == "act") - (d["current_action"] == "act"))
    days = shadow_days(ws, P[1:4])
    assert sum(d.model - d.current_process for d in days) == pytest.approx(suggested)
    assert suggested > 0
    assert standing(ws, ws.use_case.day_start(LIVE[4])).lift == estimate_lift(days)


def test_a_veto_binds_what_is_suggested_as_it_would_what_is_done(ws):
    never = {"model": {"vetoes": {"never": {"when": "load >= 0", "never": "act", "why": "for a test"}}}}
    live(ws, 0, 1, 2, 3)
    case = make_use_case(ws.home / "use_case", **merge(ROLLOUT, never))
    vetoed = shadow_days(Workspace(case, ws.home, ws.database_url))
    assert {d.acted for d in vetoed} == {0}
    assert all(d.acted for d in shadow_days(ws))


def test_what_the_model_is_not_fit_for_suggests_the_current_process(ws):
    take_decisions(ws, P[1:3], "live", ws.use_case.day_start(LIVE[3]))  # too late for all of them
    kpi_ledger.write_accounts(ws, P[1:3], "live")
    assert [(d.model - d.current_process, d.fallback) for d in shadow_days(ws)] == [(0.0, 30)] * 2


def test_up_and_down_a_step_at_a_time(ws):
    moment = live(ws, 0, 1, 2, 3)
    row = up(ws, by="Ada", why="it would have paid", moment=moment)
    assert (row.step, row.by, row.why, row.effective_from) == (
        "holdout",
        "Ada",
        "it would have paid",
        P[4] + "T04:00:00",
    )
    assert row.evidence["lift"]["low"] > 0
    now = standing(ws, moment)
    assert (now.step, now.since, now.days, len(now.against)) == ("holdout", moment, 0, 2)
    later = live(ws, 4, 5, 6)
    now = standing(ws, later)
    assert (now.step, now.days, now.against) == ("holdout", 3, [])
    assert now.lift == estimate_lift([d for d in kpi_ledger.read_daily_values(ws, "live") if d.partition >= P[4]])
    with (
        patch("sixtyforty.lifecycle.rollout.list_objections_of_people", return_value=NO),
        pytest.raises(RolloutError, match="nobody has used"),
    ):
        up(ws, by="Ada", why="on", moment=later)
    assert up(ws, by="Bo", why="it pays", moment=later).step == "full"
    with pytest.raises(RolloutError, match="no step above full"):
        up(ws, by="Bo", why="more", moment=later)
    with patch("sixtyforty.lifecycle.rollout.list_objections_of_people", return_value=NO):
        assert down(ws, by="Cy", why="complaints", moment=later + timedelta(hours=1)).step == "holdout"
        assert down(ws, by="Cy", why="more of them", moment=later + timedelta(hours=2)).step == "shadow"
        with pytest.raises(RolloutError, match="no step below shadow"):
            down(ws, by="Cy", why="still", moment=later + timedelta(hours=3))
    assert [ws.rollout_ledger.step_at(later + timedelta(hours=h)).step for h in range(3)] == [
        "full",
        "holdout",
        "shadow",
    ]
    assert ws.rollout_ledger.step_at(moment - timedelta(seconds=1)) is None
    json.dumps([r.model_dump() for r in ws.rollout_ledger.rows()], allow_nan=False)


def test_two_who_take_the_same_step_take_it_once(ws):
    moment = live(ws, 0, 1, 2, 3)
    first = up(ws, by="Ada", why="it would have paid", moment=moment)
    assert ws.rollout_ledger.take_step("holdout", by="Bo", why="so I thought", effective_from=f"{moment}") == first


def test_its_ledger_is_chained_as_that_of_champions(ws):
    for step in ("holdout", "full"):
        ws.rollout_ledger.take_step(step, by="Ada", why="x", effective_from="2013-03-26T00:00:00")
    lines = ws.rollout_ledger.path.read_text().splitlines()
    ws.rollout_ledger.path.write_text("\n".join([json.dumps(json.loads(lines[0]) | {"by": "Eve"}), lines[1]]) + "\n")
    with pytest.raises(LedgerError, match=r"rollout\.jsonl, row 1: was changed"):
        ws.rollout_ledger.step_at(datetime(2013, 4, 1))
    ws.rollout_ledger.path.write_text(lines[0] + "\n")
    with pytest.raises(LedgerError, match="rows were cut off the end"):
        take_decisions(ws, P, "live", None)


@settings(max_examples=15)
@given(st.lists(st.booleans(), max_size=8))
def test_no_step_is_ever_skipped(trained, ups):
    ws, at = Workspace(trained.use_case, Path(tempfile.mkdtemp(dir=trained.home)), trained.database_url), 0
    shutil.copytree(trained.ledger.path.parent, ws.champion_ledger.path.parent)
    for number, is_up in enumerate(ups):
        moment = datetime(2013, 3, 26, number)
        with (
            patch("sixtyforty.lifecycle.rollout.list_obstacles", return_value=["no"] * (at == 2)),
            suppress(RolloutError),
        ):
            (up if is_up else down)(ws, "Ada", "why not", moment)
        now = ws.rollout_ledger.step_at(moment)
        before, at = at, STEPS.index(now.step) if now else 0
        assert at == (min(before + 1, 2) if is_up else max(before - 1, 0))


def test_what_is_not_declared_or_not_live_has_no_rollout(tmp_path):
    with pytest.raises(RolloutError, match=r"declares no automation\.rollout"):
        standing(make_workspace(tmp_path / "a"), datetime(2013, 4, 1))
    with pytest.raises(RolloutError, match="isn't live yet"):
        standing(make_workspace(tmp_path / "b", **ROLLOUT), datetime(2013, 4, 1))


def test_of_a_randomized_use_case_shadow_shows_nothing_and_the_holdout_tells(ws):
    changes = merge(
        ROLLOUT,
        {
            "kpi": {
                "measurement": "randomized",
                "holdout": {"share": 0.1, "value_per_outcome": -10, "planned_units": 100},
            }
        },
    )
    case = make_use_case(ws.home / "use_case", **changes)
    ws = Workspace(case, ws.home, ws.database_url)
    moment = live(ws, 0, 1, 2, 3)
    now = standing(ws, moment)
    assert (now.days, now.lift, now.against) == (3, None, [])
    assert kpi_ledger.read_daily_values(ws, "live") == []
    up(ws, by="Ada", why="people like it", moment=moment)
    now = standing(ws, live(ws, 4, 5, 6))
    assert (now.step, now.days) == ("holdout", 3)
    assert now.lift.low < now.lift.value < now.lift.high
    assert "isn't proven" in now.against[0]  # the outcomes of these tests don't care for what is done
