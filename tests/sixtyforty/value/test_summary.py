"""The summary adds up to the cent, losses included, and costs are subtracted day by day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.actions import Candidate, Costs
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.value.daily_value import POLICIES, DailyValue
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.summary import compute_balance, summarize_days
from tests.helpers import make_use_case
from tests.sixtyforty.value.kpis import TWO, account_day, day_worth

MONEY = st.floats(-1e6, 1e6).map(lambda amount: round(amount, 2))
DAYS = st.lists(
    st.builds(DailyValue, st.just("d"), st.integers(1, 1000), *[MONEY] * 4, *[st.integers(0, 1000)] * 3), max_size=8
).map(
    lambda days: [
        DailyValue(**{**vars(day), "partition": str(date(2013, 1, 30) + timedelta(days=i))})
        for i, day in enumerate(days)
    ]
)


def kpi_with_costs(build: float, per_day: float) -> Kpi:
    return TWO.model_copy(update={"costs": Costs(build=build, per_month=per_day * DAYS_A_MONTH)})


def days_with_gains(*gains: float) -> list[DailyValue]:
    return [day_worth(f"2013-03-{10 + i}", 100, gain, 0) for i, gain in enumerate(gains)]


@given(DAYS)
def test_a_summary_adds_up(days: list[DailyValue]) -> None:
    summary = summarize_days(TWO, "replay", days)
    totals = summary.totals
    for policy in POLICIES:
        assert totals[policy] == pytest.approx(sum(getattr(day, policy) for day in days), abs=0.006)
    assert summary.net_impact == pytest.approx(totals["model"] - totals["current_process"], abs=0.006)
    assert summary.decisions == sum(day.decisions for day in days)
    assert summary.acted == sum(day.acted for day in days)
    assert summary.differ_from_current == sum(day.differ for day in days)
    assert summary.decided_by_current_process == sum(day.fallback for day in days)
    assert summary.days == len(days)


@given(DAYS.filter(bool))
def test_the_lift_agrees_with_the_totals(days: list[DailyValue]) -> None:
    summary = summarize_days(TWO, "replay", days)
    lift, decisions = summary.lift_vs_current.value, summary.decisions
    assert lift * decisions / 1000 == pytest.approx(summary.net_impact, abs=0.02 + 0.006 * decisions / 1000)
    per_1000 = summary.per_1000
    assert per_1000["model"] - per_1000["current_process"] == pytest.approx(lift, abs=0.03)


def test_a_summary_of_no_days_has_no_figures() -> None:
    summary = summarize_days(TWO, "replay", [])
    assert summary.decisions == summary.days == summary.net_impact == 0
    assert set(summary.per_1000.values()) == {None}
    assert summary.lift_vs_current == RoundedInterval(None, None, None)
    assert (summary.first, summary.last) == (None, None)


def test_a_loss_is_shown_as_a_loss() -> None:
    summary = summarize_days(
        TWO, "replay", [day_worth("2013-03-10", 100, -50, 20), day_worth("2013-03-11", 100, -30, 0)]
    )
    assert summary.net_impact == -100
    assert summary.lift_vs_current.value == -500
    assert (summary.first, summary.last, summary.unit) == ("2013-03-10", "2013-03-11", "EUR")


def test_costs_are_subtracted_and_the_payback_day_is_found() -> None:
    # With running costs of 10 a day and build costs of 60, the balance is -40, -80, -40, -10, 0.
    days = days_with_gains(30, -30, 50, 40, 20)
    balance = compute_balance(kpi_with_costs(60, 10), days)
    assert (balance.gain, balance.build) == (110, 60)
    assert (balance.running, balance.net_impact) == (pytest.approx(50), pytest.approx(0))
    assert compute_balance(kpi_with_costs(59.9, 10), days).payback == "2013-03-14"
    assert compute_balance(kpi_with_costs(61, 10), days).payback is None
    assert compute_balance(kpi_with_costs(0, 0), days).payback == "2013-03-10"


def test_a_decision_every_four_weeks_bears_the_costs_of_four_weeks(tmp_path: Path) -> None:
    days = days_with_gains(100, 100)
    weekly = make_use_case(
        tmp_path, partitions={"every": "week"}, decision={"every_partitions": 4, "anchor_day": "2013-03-08"}
    )
    balance = compute_balance(kpi_with_costs(0, 1), days, weekly.days_between_decisions)
    assert balance.running == pytest.approx(2 * 28)
    hourly = make_use_case(tmp_path, partitions={"every": "hour"})
    balance = compute_balance(kpi_with_costs(0, 1), days[:1], hourly.days_between_decisions)
    assert 24 * balance.running == pytest.approx(1)


def test_a_gain_that_is_lost_again_is_no_payback() -> None:
    days = days_with_gains(100, -80, 60)
    assert compute_balance(kpi_with_costs(50, 0), days).payback == "2013-03-12"
    assert compute_balance(kpi_with_costs(50, 0), days[:2]).payback is None


@given(DAYS, st.floats(0, 1e5), st.floats(0, 1e3))
def test_money_reconciles(days: list[DailyValue], build: float, per_day: float) -> None:
    summary = summarize_days(kpi_with_costs(build, per_day), "replay", days)
    gain = summary.totals["model"] - summary.totals["current_process"]
    assert summary.net_impact == pytest.approx(gain - summary.build - summary.running, abs=0.03)
    assert (summary.payback is not None) <= bool(days)


def test_a_candidate_is_compared_on_its_own_days_only() -> None:
    days = [
        account_day(
            TWO,
            f"2013-03-1{i}",
            ["act", "wait"],
            ["wait", "wait"],
            np.array([1.0, float(i)]),
            candidates={"rule": ["act", "act"]},
        )
        for i in range(2)
    ]
    before_the_rule = day_worth("2013-03-12", 100, 500, 0)
    declared = {name: Candidate(description=name, action="'act'") for name in ("rule", "new")}
    kpi = TWO.model_copy(update={"candidates": declared})
    candidates = summarize_days(kpi, "replay", [*days, before_the_rule]).candidates
    rule, new = candidates["rule"], candidates["new"]
    assert (rule.decisions, rule.per_1000, rule.lift_vs_current.value) == (4, 4500, 4500)
    assert rule.model_minus.value == 1000 * (14 - 18) / 4
    assert rule.model_minus.low is None
    assert rule.model_minus.problem
    assert (new.decisions, new.per_1000, new.model_minus.value) == (0, None, None)


def test_a_model_that_changes_no_decision_is_not_operational() -> None:
    same = account_day(TWO, "2013-03-10", ["act", "wait"], ["act", "wait"], np.zeros(2))
    other = account_day(TWO, "2013-03-11", ["act", "wait"], ["act", "act"], np.zeros(2))
    unchanged, changed = summarize_days(TWO, "replay", [same]), summarize_days(TWO, "replay", [same, other])
    assert (unchanged.operational, unchanged.differ_share) == (False, 0)
    assert (changed.operational, changed.differ_share) == (True, 0.25)


def test_the_live_track_has_the_interval_for_many_looks() -> None:
    gains = np.random.default_rng(3).normal(20, 30, 140)
    days = [day_worth(str(date(2024, 1, 1) + timedelta(days=i)), 100, float(gain), 0) for i, gain in enumerate(gains)]
    live, replay = (summarize_days(TWO, track, days).lift_vs_current for track in ("live", "replay"))
    assert live.value == replay.value
    assert live.low < replay.low < replay.high < live.high
