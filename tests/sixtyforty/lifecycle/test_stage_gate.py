"""From proof of concept to retirement: by gates said before the figures, no step skipped, nothing taken back."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import suppress
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.due_decisions import count_due
from sixtyforty.lifecycle import stage_gate, stage_history, stage_steps, training
from sixtyforty.lifecycle.champions import ChampionError, adopt
from sixtyforty.lifecycle.stage_gate import (
    StageError,
    interval,
    judge,
    lead_times,
    record,
    register,
    retire,
    standing,
    up,
)
from sixtyforty.reports.alert_rules import stopped
from sixtyforty.reports.model_record import text
from sixtyforty.spec.stages import STAGES, StageGate
from sixtyforty.storage.hash_chain import LedgerError
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval
from sixtyforty.workspace import Workspace
from tests.accounted_home import write_accounts
from tests.helpers import (
    day_range,
    make_use_case,
    make_workspace,
    merge,
    publish_days,
    put_champion_in_force,
    read_files,
)

GATE = {"target": 500, "minimum_gain": 100, "stop": "2013-07-01"}
STAGES_ = {
    "stages": {
        "idea_date": "2012-12-01",
        "poc": GATE,
        "pilot": GATE | {"scope": {"site": "north"}},
        "production": GATE | {"stop_date": "2015-07-01"},
    }
}
NOW = datetime(2014, 1, 1)
GOOD, NULL, BAD = 20.0, 0.0, -20.0  # gain of a day of 20 decisions


def days(gain: float, first: date = date(2013, 4, 1), count: int = 80, track: int = 0) -> list[DailyValue]:
    """Days of 20 decisions that gain about so much; no two neighbours alike."""
    keys = day_range(first, first + timedelta(days=count - 1))
    return [DailyValue(p, 20, 40.0 + gain + (i * 7 % 11 - 5), 40.0, 10.0, 90.0, 6, 4, 1) for i, p in enumerate(keys)]


@pytest.fixture
def ws(tmp_path) -> Workspace:
    return make_workspace(tmp_path, **STAGES_)


def passed(ws: Workspace) -> Workspace:
    write_accounts(ws, days(GOOD))
    return ws


@pytest.mark.parametrize(
    ("partitions", "lift", "today", "unready", "said"),
    [
        (14, Interval(600, 200, 1000), "2013-05-01", [], "pass"),
        (14, Interval(600, 200, 1000), "2013-09-01", [], "pass"),
        (13, Interval(600, 200, 1000), "2013-05-01", [], "continue"),
        (14, Interval(600, 200, 1000), "2013-05-01", ["nobody was asked"], "continue"),
        (14, Interval(600, 200, 1000), "2013-09-01", ["nobody was asked"], "continue"),  # the effect is there
        (14, Interval(400, 200, 600), "2013-05-01", [], "continue"),
        (14, Interval(400, 200, 600), "2013-07-01", [], "stop"),
        (14, Interval(600, -1, 1000), "2013-06-30", [], "continue"),
        (14, Interval(600, -1, 1000), "2013-07-01", [], "stop"),
        (14, Interval(10, -50, 99), "2013-05-01", [], "stop"),  # surely less than what is worth having
        (13, Interval(10, -50, 99), "2013-05-01", [], "continue"),
        (0, Interval(math.nan, math.nan, math.nan), "2013-05-01", [], "continue"),
        (0, Interval(math.nan, math.nan, math.nan), "2013-07-01", [], "stop"),
    ],
)
def test_pass_continue_or_stop(partitions, lift, today, unready, said):
    verdict, against = judge(StageGate(**GATE), partitions, lift, date.fromisoformat(today), unready)
    assert verdict == said
    assert bool(against) == (said != "pass")


def test_in_production_a_proven_gain_short_of_its_target_goes_on_and_none_is_stopped():
    short, none = Interval(400, 200, 600), Interval(150, -10, 300)
    late = date(2013, 9, 1)
    assert judge(StageGate(**GATE), 14, short, late, [], "production")[0] == "continue"
    assert judge(StageGate(**GATE), 14, none, late, [], "production")[0] == "stop"


def test_a_poc_without_effect_is_stopped_by_itself_at_the_stop_date_and_stays_so(ws):
    write_accounts(ws, days(NULL, count=22))
    assert record(ws, NOW).said == "continue"  # its interval is still wide enough for something worth having
    write_accounts(ws, days(NULL, count=100))
    assert record(ws, NOW).said == "stop"
    write_accounts(ws, days(GOOD, count=150))
    assert record(ws, NOW).said == "stop"
    assert [(r.stage, r.event, r.by) for r in ws.stage_ledger.rows()] == [
        ("poc", "enter", "chain"),
        ("poc", "continue", "chain"),
        ("poc", "stop", "chain"),
    ]
    with pytest.raises(StageError, match="it stays in poc: "):
        up(ws, "Ada", "please", NOW)
    with pytest.raises(ChampionError, match="it can't go live: poc was stopped"):
        adopt(ws, "Ada", "please", NOW)


def test_before_anything_is_known_of_the_past_nothing_is_said_against_it(ws):
    assert record(ws, NOW).said == "continue"


def test_a_poc_that_loses_surely_is_stopped_before_its_date(ws):
    write_accounts(ws, days(BAD, count=60))
    assert record(ws, NOW).said == "stop"
    assert "surely less than the +100 per 1,000 that would be worth having" in ws.stage_ledger.rows()[-1].why


def test_figures_after_the_stop_date_do_not_count(ws):
    write_accounts(ws, [*days(NULL, count=91), *days(GOOD * 9, date(2013, 7, 1), 60)])
    now = standing(ws, NOW)
    assert (now.said, now.partitions) == ("stop", 91)


def test_each_step_needs_its_gate_and_none_is_skipped(ws):
    passed(ws)
    assert up(ws, "Ada", "it pays", NOW).stage == "pilot"
    assert [r.event for r in ws.stage_ledger.rows()] == ["enter", "pass", "enter"]
    assert "| pilot | enter | Ada | it pays |" in text(ws, "replay")  # the next person reads it
    assert ws.stage_ledger.rows()[1].evidence["lift"]["low"] > 0
    with pytest.raises(StageError, match="it stays in pilot: it hadn't passed by 2013-07-01"):
        up(ws, "Ada", "and on", NOW + timedelta(hours=1))  # a stop date in the past is one
    assert [r["stage"] for r in lead_times(ws, NOW + timedelta(days=3))] == ["idea", "poc", "pilot"]


def test_a_pilot_is_judged_on_live_days_since_it_began(ws):
    passed(ws)
    changes = {"stages": {"pilot": {"stop_date": "2014-06-01"}}}
    ws = Workspace(make_use_case(ws.home / "use_case", **merge(STAGES_, changes)), ws.home, ws.database_url)
    up(ws, "Ada", "it pays", datetime(2013, 10, 1, 4))
    write_accounts(ws, days(BAD, date(2013, 8, 1), 61), "live")
    later = datetime(2013, 12, 20)
    assert standing(ws, later).partitions == 0
    write_accounts(ws, days(GOOD, date(2013, 10, 1), 70), "live")
    now = record(ws, later)
    assert (now.stage, now.said, now.track, now.label, now.partitions) == ("pilot", "pass", "live", "exact", 70)
    assert up(ws, "Ada", "it pays live", later).stage == "production"
    spells = {s["stage"]: s["days"] for s in lead_times(ws, datetime(2013, 12, 30))}
    assert spells == {"idea": 304.0, "poc": 0.0, "pilot": 79.8, "production": 10.0}
    with pytest.raises(StageError, match="no stage above production"):
        up(ws, "Ada", "more", later)
    assert retire(ws, "Ada", "the process is gone", later).stage == "retired"
    with pytest.raises(StageError, match="it is retired since"):
        retire(ws, "Ada", "again", later)
    with pytest.raises(StageError, match="no stage above retired"):
        up(ws, "Ada", "again", later)


def test_assumed_figures_carry_nothing_into_production(ws):
    """However it came to the pilot: its live figures are a holdout's, and those of the past never count there."""
    randomized = {"kpi": {"measurement": "randomized", "holdout": {"share": 0.1, "value_per_outcome": -10}}}
    case = make_use_case(ws.home / "use_case", **merge(STAGES_, randomized))
    ws = Workspace(case, ws.home, ws.database_url)
    passed(ws)
    now = standing(ws, NOW)
    assert (now.label, now.said) == ("assumed", "pass")
    assert up(ws, "Ada", "let the holdout tell", datetime(2013, 6, 20)).stage == "pilot"
    now = standing(ws, datetime(2013, 6, 25))
    assert (now.label, now.partitions, now.said) == ("randomized", 0, "continue")
    with pytest.raises(StageError, match="0 partitions of this stage have outcomes"):
        up(ws, "Ada", "please", datetime(2013, 6, 25))


def test_a_goalpost_moved_after_the_start_counts_only_once_it_is_registered_with_a_reason(ws):
    write_accounts(ws, days(GOOD / 4))
    assert record(ws, NOW).said == "continue"
    lower = make_use_case(ws.home / "use_case", **merge(STAGES_, {"stages": {"poc": {"target": 150}}}))
    moved = Workspace(lower, ws.home, ws.database_url)
    assert standing(moved, NOW).said == "continue"
    assert stage_steps.find_declaration_differences(moved) == [
        "stages.poc isn't the gate registered on 2014-01-01, which counts"
    ]
    with pytest.raises(StageError, match="declares no other gate"):
        register(ws, "Ada", "why not", NOW)
    register(moved, "Ada", "the crew got cheaper", NOW)
    assert record(moved, NOW).said == "pass"
    assert stage_steps.find_declaration_differences(moved) == []
    assert [r.gate.target for r in ws.stage_ledger.rows() if r.gate] == [500, 150]


def test_people_count(tmp_path):
    task = {"title": "Read a list", "role": "dispatcher", "headcount": 2}
    asked = {"day": "2013-01-05", "participants": "two dispatchers", "finding": "they want reasons"}
    told = {"people": {"change": {"training": {"lists": task}}, "research": [asked]}}
    gate = {"stages": {"poc": GATE | {"minimum_findings": 2, "minimum_trained_share": 1.0}}}
    ws = passed(make_workspace(tmp_path, **merge(told, gate)))
    now = record(ws, NOW)
    assert (now.said, now.against) == (
        "continue",
        ["1 findings of user research are declared, 2 are needed", "0% of the training is done, 100% is needed"],
    )
    training.record_completion(ws, "lists", "ann")
    training.record_completion(ws, "lists", "ann")
    assert training.share_trained(ws) == 0.5
    for name in ("bo", "cy"):
        training.record_completion(ws, "lists", name)
    assert (training.share_trained(ws), training.list_trained_people(ws)) == (1.0, {"lists": ["ann", "bo", "cy"]})
    with pytest.raises(training.TrainingError, match="no training 'swimming' is planned; there are: lists"):
        training.record_completion(ws, "swimming", "ann")
    assert record(ws, NOW).against == ["1 findings of user research are declared, 2 are needed"]


def test_what_was_stopped_or_retired_is_decided_by_the_current_process(tmp_path):
    ws = make_workspace(tmp_path, **STAGES_)
    trained = [date(2013, 3, 10) + timedelta(days=i) for i in range(15)]
    lived = [trained[-1] + timedelta(days=1 + i) for i in range(3)]
    publish_days(ws, [*trained, *lived], count=30)
    put_champion_in_force(ws, lived[0], "live")
    retire(ws, "Ada", "it is over", ws.use_case.day_start(lived[1]))
    keys = [d.isoformat() for d in lived]
    take_decisions(ws, keys, "live", None)
    by = [{(d["decided_by"], d["reason"]) for d in read_decisions(ws, p, "live")} for p in keys]
    assert {b for b, _ in by[0]} == {"model"}
    assert by[1] == by[2] == {("current_process", "retired: the current process decides")}
    take_decisions(ws, keys, "replay", None)  # what would have been is another matter
    assert ws.stage_ledger.end_reason_at(ws.use_case.day_start(lived[0])) is None


def test_its_ledger_is_chained(ws):
    passed(ws)
    record(ws, NOW)
    lines = ws.stage_ledger.path.read_text().splitlines()
    ws.stage_ledger.path.write_text("\n".join([lines[0], json.dumps(json.loads(lines[1]) | {"said": "stop"})]) + "\n")
    with pytest.raises(LedgerError, match=r"stages\.jsonl, row 2: was changed"):
        standing(ws, NOW)


def test_judged_again_on_the_same_figures_it_says_nothing_new(ws):
    passed(ws)
    record(ws, NOW)
    before = ws.stage_ledger.path.read_bytes()
    record(ws, NOW + timedelta(days=1))
    assert ws.stage_ledger.path.read_bytes() == before


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(["up", "retire", "record", "register"]), max_size=6))
def test_whatever_is_asked_no_stage_is_skipped(tmp_path_factory, asked):
    ws = passed(make_workspace(tmp_path_factory.mktemp("x"), **STAGES_))
    acts = {"up": up, "retire": retire, "register": register}
    for number, name in enumerate(asked):
        moment = datetime(2013, 5, 1 + number)
        with suppress(StageError):
            record(ws, moment) if name == "record" else acts[name](ws, "Ada", "why not", moment)
    entered = [r.stage for r in ws.stage_ledger.entered_stages()]
    climbed = [s for s in entered if s != "retired"]
    assert climbed == list(STAGES[: len(climbed)])
    assert "retired" not in entered[:-1]


def test_looked_at_daily_a_null_effect_passes_seldom():
    """500 pocs of 90 days without effect: looked at each day from the 20th on, and once at the end."""
    rng, gate, found = np.random.default_rng(0), StageGate(**GATE | {"target": 0.001, "minimum_gain": 0.001}), 0
    for _ in range(500):
        gained = rng.normal(0, 30, 90)
        known = [DailyValue(f"{i:03}", 20, g, 0.0, 0.0, 0.0, 1, 1, 0) for i, g in enumerate(gained)]
        looks = [(n, False) for n in range(20, 90, 10)] + [(90, True)]
        today = {False: date(2013, 6, 1), True: gate.stop}
        found += any(judge(gate, n, interval(known[:n], 90, last), today[last], [])[0] == "pass" for n, last in looks)
    assert found / 500 < 0.05


def test_a_gate_that_makes_no_sense_is_refused():
    with pytest.raises(ValidationError, match="what is aimed at must be worth having"):
        StageGate(**GATE | {"minimum_gain": 501})


def test_without_stages_nothing_is_judged(tmp_path):
    ws = make_workspace(tmp_path)
    with pytest.raises(StageError, match="declares no stages"):
        standing(ws, NOW)
    assert (stage_history.current_stage(ws), stage_steps.find_declaration_differences(ws)) == ("poc", [])


def test_a_pilot_decides_only_where_it_reaches(tmp_path):
    """And what it didn't reach isn't caught up on once production reaches everywhere."""
    gates = {
        "stages": {
            "poc": GATE,
            "pilot": GATE | {"scope": {"site": "north", "where": "site = 'north'"}},
            "production": GATE | {"stop_date": "2015-01-01"},
        }
    }
    ws = make_workspace(tmp_path, **gates)
    trained = [date(2013, 3, 10) + timedelta(days=i) for i in range(15)]
    lived = [trained[-1] + timedelta(days=1 + i) for i in range(3)]
    publish_days(ws, [*trained, *lived], count=30)
    put_champion_in_force(ws, lived[0], "live")
    keys, gate = [d.isoformat() for d in lived], ws.use_case.stages
    for stage, day in (("poc", trained[0]), ("pilot", lived[1]), ("production", lived[2])):
        stage_gate._add(
            ws, stage, "enter", "Ada", "x", ws.use_case.day_start(day), stage_gate._evidence(gate.gate(stage))
        )
    end = ws.use_case.day_start(lived[-1] + timedelta(days=1))
    assert count_due(ws, ws.lake.partitions("features"), "live", end) == dict(zip(keys, (30, 15, 30), strict=True))
    take_decisions(ws, keys, "live", None)
    sites = [Counter(d["id"] % 2 for d in read_decisions(ws, p, "live")) for p in keys]
    assert sites == [{0: 15, 1: 15}, {1: 15}, {0: 15, 1: 15}]
    assert count_due(ws, ws.lake.partitions("features"), "live", end) == {}
    take_decisions(ws, keys, "replay", None)
    assert {len(read_decisions(ws, p, "replay")) for p in keys} == {30}


def test_owners_are_told_when_it_is_stopped(ws):
    assert stopped(ws, "live") == []
    write_accounts(ws, days(BAD, count=60))
    record(ws, NOW)
    (alert,) = stopped(ws, "live")
    assert alert.text.startswith("The poc was stopped by its gate: surely less than the +100 per 1,000")


def test_retiring_one_touches_no_other(tmp_path):
    ours, theirs = (make_workspace(tmp_path, name=n, **STAGES_) for n in ("ours", "theirs"))
    for ws in (ours, theirs):
        write_accounts(ws, days(GOOD, count=30))
        record(ws, NOW)
    before = {k: v for k, v in read_files(tmp_path / "data").items() if "/theirs/" in k}
    retire(ours, "Ada", "the process is gone", NOW)
    after = read_files(tmp_path / "data")
    assert before and {k: after[k] for k in before} == before
    assert standing(theirs, NOW).stage == "poc"
