"""The gate of a stage: it passes, continues or stops by its figures, and by what people still have to do."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sixtyforty.lifecycle.stage_gate import (
    StageError,
    StageFigures,
    StageVerdict,
    judge_gate,
    list_unready,
    measure_stage,
    read_stage_status,
)
from sixtyforty.lifecycle.training import record_completion
from sixtyforty.spec.stages import Stage, StageGate
from sixtyforty.storage.rollout_ledger import StepName
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, follow_lift
from tests.accounted_home import append_verdict, write_accounts
from tests.helpers import make_workspace
from tests.stage_declarations import GATE, GOOD, NULL, STAGES, make_days

NOW = datetime(2014, 1, 1)
UNKNOWN = (math.nan, math.nan, math.nan)


def judge(
    partitions: int, lift: tuple[float, float, float], today: str, unready: list[str], stage: Stage = "poc"
) -> tuple[StageVerdict, list[str]]:
    figures = StageFigures("replay", "exact", partitions, Interval(*lift), date.fromisoformat(today))
    judgement = judge_gate(StageGate(**GATE), figures, unready, stage, "EUR")
    return judgement.verdict, judgement.obstacles


@pytest.mark.parametrize(
    ("partitions", "lift", "today", "unready", "verdict"),
    [
        (14, (600, 200, 1000), "2013-05-01", [], "pass"),
        (14, (600, 200, 1000), "2013-09-01", [], "pass"),
        (13, (600, 200, 1000), "2013-05-01", [], "continue"),
        (14, (600, 200, 1000), "2013-05-01", ["nobody was asked"], "continue"),
        (14, (600, 200, 1000), "2013-09-01", ["nobody was asked"], "continue"),  # the gain is proven
        (14, (400, 200, 600), "2013-05-01", [], "continue"),
        (14, (400, 200, 600), "2013-07-01", [], "stop"),
        (14, (600, -1, 1000), "2013-06-30", [], "continue"),
        (14, (600, -1, 1000), "2013-07-01", [], "stop"),
        (14, (10, -50, 99), "2013-05-01", [], "stop"),  # below the minimum gain
        (13, (10, -50, 99), "2013-05-01", [], "continue"),
        (0, UNKNOWN, "2013-05-01", [], "continue"),
        (0, UNKNOWN, "2013-07-01", [], "stop"),
    ],
)
def test_a_gate_passes_continues_or_stops(
    partitions: int, lift: tuple[float, float, float], today: str, unready: list[str], verdict: str
) -> None:
    judged, obstacles = judge(partitions, lift, today, unready)
    assert judged == verdict
    assert bool(obstacles) == (verdict != "pass")


def test_obstacles_state_figures_and_limits() -> None:
    assert judge(14, (10, -50, 99), "2013-05-01", ["nobody was asked"])[1] == [
        "the gain is below the minimum of EUR 100 per 1,000 units: EUR 10 per 1,000 units"
        " (95% confidence interval: -EUR 50 to EUR 99)",
        "the gain over the current process isn't proven: EUR 10 per 1,000 units"
        " (95% confidence interval: -EUR 50 to EUR 99)",
        "the gain doesn't reach the target of EUR 500 per 1,000 units",
        "nobody was asked",
    ]
    assert judge(1, UNKNOWN, "2013-07-01", [])[1] == [
        "the stage missed its deadline, 1 July 2013",
        "this stage has 1 partition with known outcomes; its gate needs 14",
        "too early to judge: no gain over the current process is known yet",
    ]


def test_in_production_a_proven_gain_short_of_its_target_continues() -> None:
    assert judge(14, (400, 200, 600), "2013-09-01", [], "production")[0] == "continue"
    assert judge(14, (150, -10, 300), "2013-09-01", [], "production")[0] == "stop"


def test_with_daily_looks_a_null_effect_seldom_passes() -> None:
    """Simulate 500 proofs of concept of 90 days without effect, with looks from the 20th day on."""
    rng, gate = np.random.default_rng(0), StageGate(**GATE | {"target": 0.001, "minimum_gain": 0.001})
    passed = 0
    for _ in range(500):
        gains = rng.normal(0, 30, 90)
        days = [DailyValue(f"{i:03}", 20, gain, 0.0, 0.0, 0.0, 1, 1, 0) for i, gain in enumerate(gains)]
        looks = [(n, date(2013, 6, 1)) for n in range(20, 90, 10)] + [(90, gate.stop_date)]
        figures = [
            StageFigures("replay", "exact", n, follow_lift(days[:n], block_days=1, planned_blocks=90), today)
            for n, today in looks
        ]
        passed += any(judge_gate(gate, f, [], "poc", "EUR").verdict == "pass" for f in figures)
    assert passed / 500 < 0.05


def test_figures_after_the_stop_date_do_not_count(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    write_accounts(ws, [*make_days(NULL, count=91), *make_days(GOOD * 9, date(2013, 7, 1), 60)])
    status = read_stage_status(ws, NOW)
    assert (status.verdict, status.figures.partitions) == ("stop", 91)


def test_a_proof_of_concept_is_judged_on_the_day_its_newest_outcomes_could_be_known(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    write_accounts(ws, make_days(GOOD, count=20))
    assert read_stage_status(ws, NOW).figures.today == date(2013, 4, 22)


def test_days_before_the_first_champion_do_not_count(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, **STAGES)
    write_accounts(ws, make_days(GOOD, count=20))
    append_verdict(ws, "2013-04-06")
    figures = read_stage_status(ws, NOW).figures
    assert (figures.partitions, figures.today) == (15, date(2013, 4, 22))


def test_in_shadow_no_live_day_counts(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, automation={"rollout": {"holdout_share": 0.5}}, **STAGES)
    write_accounts(ws, make_days(GOOD, count=20), "live")
    figures = measure_stage(ws, "pilot", datetime(2013, 4, 1), NOW, StageGate(**GATE))
    assert (figures.track, figures.partitions) == ("live", 0)


@pytest.mark.parametrize(
    ("steps", "days"),
    [
        ({"holdout": 5}, 15),
        ({"holdout": 5, "full": 12}, 15),  # a later step keeps the evidence of an earlier one
        ({"holdout": 5, "shadow": 8, "full": 12}, 11),
    ],
)
def test_every_rollout_step_but_shadow_counts(tmp_path: Path, steps: dict[StepName, int], days: int) -> None:
    ws = make_workspace(tmp_path, automation={"rollout": {"holdout_share": 0.5}}, **STAGES)
    write_accounts(ws, make_days(GOOD, count=20), "live")
    first = ws.use_case.opens_at("2013-04-01")
    for step, day in steps.items():
        at = (first + timedelta(days=day)).isoformat()
        ws.rollout_ledger.take_step(step, by="ola", why="We agreed on it.", effective_from=at)
    figures = measure_stage(ws, "pilot", first, NOW, StageGate(**GATE))
    assert figures.partitions == days


def test_without_figures_nothing_argues_for_a_stop(tmp_path: Path) -> None:
    assert read_stage_status(make_workspace(tmp_path, **STAGES), NOW).verdict == "continue"


def test_without_stages_nothing_is_judged(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="declares no stages"):
        read_stage_status(make_workspace(tmp_path), NOW)


def test_a_gate_may_wait_for_research_and_training(tmp_path: Path) -> None:
    task = {"title": "Read a list", "role": "dispatcher", "headcount": 1}
    research = {"day": "2013-01-05", "participants": "two dispatchers", "finding": "they want reasons"}
    people = {"change": {"training": {"lists": task}}, "research": [research]}
    ws = make_workspace(tmp_path, people=people)
    gate = StageGate(**GATE | {"minimum_findings": 2, "minimum_trained_share": 1.0})
    assert list_unready(ws, gate) == [
        "1 finding of user research declared; the gate needs 2",
        "0% of the training of people is completed; the gate needs 100%",
    ]
    record_completion(ws, "lists", "ann")
    assert list_unready(ws, gate) == ["1 finding of user research declared; the gate needs 2"]


def test_a_minimum_gain_above_the_target_is_refused() -> None:
    with pytest.raises(ValidationError, match="minimum_gain"):
        StageGate(**GATE | {"minimum_gain": 501})
