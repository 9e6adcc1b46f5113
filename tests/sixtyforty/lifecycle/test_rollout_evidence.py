"""The evidence of a rollout: each complete day belongs to one step, and no later step takes it away."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.lifecycle.rollout_evidence import (
    StepEvidence,
    StepPeriod,
    list_periods,
    measure_evidence,
    no_evidence,
)
from sixtyforty.storage.rollout_ledger import STEPS, RolloutStep, StepName
from sixtyforty.value.lift import Interval
from tests.helpers import make_workspace

LIVE_FROM = datetime(2024, 1, 1)
DAY = timedelta(days=1)


def make_row(step: StepName, effective_from: datetime) -> RolloutStep:
    return RolloutStep(step=step, by="Ada", why="x", effective_from=effective_from.isoformat(), evidence={})


def step_of_days(rows: list[RolloutStep], days: int) -> list[StepName | None]:
    """Return for each day after the live start the step that was in force all day, or None."""
    periods = list_periods(rows, LIVE_FROM, LIVE_FROM + days * DAY)
    starts = [LIVE_FROM + n * DAY for n in range(days)]
    return [next((p.step for p in periods if p.covers(start, start + DAY)), None) for start in starts]


def test_the_periods_follow_the_ledger_from_the_live_start_on() -> None:
    rows = [
        make_row("holdout", LIVE_FROM - DAY),
        make_row("shadow", LIVE_FROM + 2 * DAY),
        make_row("holdout", LIVE_FROM + 5 * DAY),
    ]
    assert list_periods(rows, LIVE_FROM, LIVE_FROM + 3 * DAY) == [
        StepPeriod("holdout", LIVE_FROM, LIVE_FROM + 2 * DAY),
        StepPeriod("shadow", LIVE_FROM + 2 * DAY, None),
    ]
    assert list_periods([], LIVE_FROM, LIVE_FROM) == [StepPeriod("shadow", LIVE_FROM, None)]


def test_a_day_with_two_steps_is_evidence_for_neither() -> None:
    assert step_of_days([make_row("holdout", LIVE_FROM + 1.5 * DAY)], 3) == ["shadow", None, "holdout"]


@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 240)), max_size=6).map(
        lambda steps: sorted(steps, key=lambda step: step[1])
    ),
    st.sampled_from(STEPS),
)
def test_a_later_step_never_changes_the_evidence_of_the_days_before_it(
    steps: list[tuple[StepName, int]], next_step: StepName
) -> None:
    rows = [make_row(step, LIVE_FROM + timedelta(hours=hours)) for step, hours in steps]
    before = step_of_days(rows, 11)
    assert step_of_days([*rows, make_row(next_step, LIVE_FROM + 11 * DAY)], 11) == before
    assert sum(step is None for step in before) <= len(rows)


@pytest.mark.parametrize(
    ("days", "lift", "text"),
    [
        (0, Interval(math.nan, math.nan, math.nan), "0 complete days with known outcomes"),
        (
            2,
            Interval(120.0, 40.0, 200.0),
            "2 complete days with known outcomes, gain EUR 120 per 1,000 units"
            " (95% confidence interval: EUR 40 to EUR 200)",
        ),
        (
            1,
            Interval(120.0, math.nan, math.nan),
            "1 complete day with known outcomes, gain EUR 120 per 1,000 units (too early for an interval)",
        ),
        (3, Interval(math.nan, math.nan, math.nan), "3 complete days with known outcomes, the gain isn't known yet"),
        (
            3,
            None,
            "3 complete days with known outcomes, no gain to measure, because nobody takes the model's actions",
        ),
    ],
)
def test_a_line_describes_the_evidence_of_a_step(days: int, lift: Interval | None, text: str) -> None:
    assert StepEvidence("shadow", None, None, days, lift).describe("EUR") == f"shadow: {text}"


def test_refused_figures_are_no_evidence() -> None:
    periods = list_periods([make_row("holdout", LIVE_FROM + DAY)], LIVE_FROM, LIVE_FROM + 9 * DAY)
    evidence = no_evidence(periods)
    assert list(evidence) == ["shadow", "holdout"]
    assert {e.days for e in evidence.values()} == {0}
    assert evidence["holdout"].to_dict()["lift"] == {"value": None, "low": None, "high": None, "problem": ""}


def test_a_day_on_which_the_model_decided_is_no_evidence_of_shadow(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    for day, facts in (
        ("2013-03-10", DecisionFacts(model=3)),
        ("2013-03-11", DecisionFacts(shadow=3)),
        ("2013-03-12", DecisionFacts(current_process=3)),
    ):
        ws.lake.write("decisions/live", day, pa.table({"x": [1]}), facts=facts.to_facts())
    rollout_declared_later = list_periods([], datetime(2013, 3, 1), datetime(2013, 3, 20))
    evidence = measure_evidence(ws, rollout_declared_later)["shadow"]
    assert (evidence.first, evidence.last) == ("2013-03-11", "2013-03-12")
