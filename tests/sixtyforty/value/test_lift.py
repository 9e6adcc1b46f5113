"""What decisions were worth: exact money, and an interval that is honest about days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from sixtyforty.spec.kpi import Action, Candidate, Costs, Kpi
from sixtyforty.spec.partitions import DAYS_A_MONTH
from sixtyforty.value.lift import (
    RESAMPLES,
    DailyValue,
    Interval,
    compute_balance,
    estimate_lift,
    estimate_ratio,
    group_by_month,
    group_by_period,
    period_name,
    summarize_days,
    value_of_day,
)
from sixtyforty.value.payoffs import build_payoffs
from tests.helpers import make_use_case


def kpi(**actions: tuple[float, float]) -> Kpi:
    return Kpi(
        name="k",
        currency="EUR",
        measurement="exact",
        outcome="o",
        outcome_name="o",
        unit_plural="n",
        target=0,
        actions={a: Action(description=a, cost=cost, gain=gain) for a, (cost, gain) in actions.items()},
    )


TWO = kpi(wait=(0, 0), act=(3, 10))
THREE = kpi(act=(3, 10), rush=(7, 16), wait=(1, 0))
UNITS = st.lists(st.tuples(*[st.sampled_from(sorted(THREE.actions))] * 2, st.sampled_from([0.0, 1.0])), max_size=6)


def accounted(
    of: Kpi,
    partition: str,
    actions: Sequence[str],
    present: Sequence[str],
    outcome: np.ndarray,
    fallback: int = 0,
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> DailyValue:
    by = ["fallback"] * fallback + ["model"] * (len(actions) - fallback)
    rows = pd.DataFrame({"action": list(actions), "current_action": list(present), "decided_by": by}, dtype=object)
    return value_of_day(of, partition, rows, outcome, candidates)


def a_day(partition: str, decisions: int, model: float, present: float) -> DailyValue:
    return DailyValue(partition, decisions, model, present, 0.0, 0.0, 0, 0, 0)


def test_a_day_is_accounted_for_as_by_hand() -> None:
    # acting pays 10 on an outcome of 1 and costs 3
    found = accounted(
        TWO,
        "2013-03-10",
        ["act", "act", "wait", "wait"],
        ["wait", "act", "act", "wait"],
        np.array([1.0, 0.0, 1.0, 0.0]),
        fallback=1,
    )
    assert found == DailyValue(
        partition="2013-03-10",
        decisions=4,
        model=7 - 3,
        current_process=-3 + 7,
        random_choice=0.5 * (7 - 3 + 7 - 3),  # half act, half wait
        perfect_foresight=7 + 7,
        acted=2,
        differ=2,
        fallback=1,
    )


def test_a_day_without_decisions_is_worth_nothing() -> None:
    assert accounted(TWO, "2013-03-10", [], [], np.array([])) == DailyValue("2013-03-10", 0, 0, 0, 0, 0, 0, 0, 0)


def test_whatever_is_cheapest_counts_as_not_acting() -> None:
    for cheapest in THREE.actions:
        costs = {a: (0 if a == cheapest else 2, 1) for a in THREE.actions}
        assert accounted(kpi(**costs), "d", ["wait", "act", "rush", cheapest], ["act"] * 4, np.zeros(4)).acted == 2


@given(UNITS.filter(bool))
def test_the_random_choice_is_the_mean_over_all_ways_to_deal_out_the_actions(units: list[tuple]) -> None:
    actions, present, outcome = (list(x) for x in zip(*units, strict=True))
    deals = [
        build_payoffs(THREE, pd.DataFrame(index=range(len(deal)))).paid(deal, np.array(outcome)).sum()
        for deal in permutations(actions)
    ]
    assert accounted(THREE, "d", actions, present, np.array(outcome)).random_choice == pytest.approx(np.mean(deals))


@given(UNITS)
def test_no_policy_beats_perfect_foresight_and_a_policy_that_never_differs_gains_nothing(units: list[tuple]) -> None:
    actions, present, outcome = (list(x) for x in zip(*units, strict=True)) if units else ([], [], [])
    found = accounted(THREE, "d", actions, present, np.array(outcome, float))
    assert found.perfect_foresight >= max(found.model, found.current_process, found.random_choice) - 1e-9
    same = accounted(THREE, "d", present, present, np.array(outcome, float))
    assert (same.model - same.current_process, same.differ) == (0, 0)


def test_a_ratio_is_the_sum_over_the_count_per_thousand() -> None:
    found = estimate_ratio([10.0, 30.0], [10, 30])
    assert found == Interval(1000.0, 1000.0, 1000.0)
    assert estimate_ratio([10.0, 0.0, 5.0], [10, 30, 20]).value == pytest.approx(250)


@pytest.mark.parametrize(("totals", "counts"), [([], []), ([0.0], [0]), ([0.0, 0.0], [0, 0])])
def test_a_ratio_of_nothing_is_unknown(totals: list[float], counts: list[int]) -> None:
    assert np.isnan(list(estimate_ratio(totals, counts).__dict__.values())).all()


def test_a_single_day_has_a_value_and_no_interval() -> None:
    found = estimate_ratio([5.0], [10])
    assert found.value == 500
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.filterwarnings("error")
def test_days_without_decisions_do_not_spoil_the_interval() -> None:
    assert estimate_ratio([5.0, 0.0, 9.0, 0.0], [10, 0, 10, 0]) == estimate_ratio([5.0, 9.0], [10, 10])
    one_day = estimate_ratio([5.0, 0.0, 0.0], [10, 0, 0])
    assert one_day.value == 500
    assert np.isnan([one_day.low, one_day.high]).all()


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(1, 500)), min_size=2, max_size=30))
def test_the_interval_contains_the_value_and_is_the_same_every_time(found: list[tuple[int, int]]) -> None:
    totals, counts = [float(t) for t, _ in found], [c for _, c in found]
    one = estimate_ratio(totals, counts)
    assert one == estimate_ratio(totals, counts)
    tolerance = 1e-9 * max(1.0, abs(one.value))
    assert one.low - tolerance <= one.value <= one.high + tolerance


@pytest.mark.parametrize(("days", "confidence"), [(2, 0.95), (5, 0.9), (60, 1 - 0.05 / 18), (400, 0.95)])
def test_the_interval_is_that_of_scipys_bootstrap(days: int, confidence: float) -> None:
    rng = np.random.default_rng(days)
    sums, counts = rng.normal(10, 1000, days), rng.integers(1, 2000, days).astype(float)
    there = bootstrap(
        (sums, counts),
        lambda s, n, axis=-1: 1000 * s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    here = estimate_ratio(sums, counts, confidence)
    assert (here.low, here.high) == pytest.approx((there.low, there.high), rel=1e-9)


def test_more_confidence_is_a_wider_interval() -> None:
    rng = np.random.default_rng(1)
    totals, counts = rng.normal(5, 10, 60).tolist(), [100] * 60
    narrow, wide = estimate_ratio(totals, counts, 0.8), estimate_ratio(totals, counts, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_planted_effect_is_inside_the_interval_about_as_often_as_promised() -> None:
    planted, covered, above_zero = 40.0, 0, 0
    rng = np.random.default_rng(6)
    for _ in range(200):
        counts = rng.integers(50, 150, 40)
        shared = rng.normal(0, 60, 40)  # what all decisions of a day have in common: the interval must know days
        gain = (planted + shared) * counts / 1000 + rng.normal(0, 0.5, 40)
        found = estimate_lift(
            [a_day(str(i), int(n), float(g), 0.0) for i, (n, g) in enumerate(zip(counts, gain, strict=True))]
        )
        covered += found.low <= planted <= found.high
        above_zero += found.low > 0
    assert 180 <= covered < 200
    assert above_zero > 180


def test_a_gain_that_is_not_there_is_seldom_proven() -> None:
    rng = np.random.default_rng(7)
    proven = sum(
        estimate_lift([a_day(str(i), 100, float(g), 0.0) for i, g in enumerate(rng.normal(0, 5, 40))]).low > 0
        for _ in range(200)
    )
    assert proven <= 14  # 2.5% of 200 is 5


def test_lift_can_be_taken_against_any_policy() -> None:
    days = [DailyValue(str(i), 100, 10, 6, 3, 20, 0, 0, 0) for i in range(2)]
    assert [estimate_lift(days, a).value for a in ("current_process", "random_choice", "perfect_foresight")] == [
        40,
        70,
        -100,
    ]
    assert estimate_lift(days, "random_choice", of="current_process").value == 30


MONEY = st.floats(-1e6, 1e6).map(lambda v: round(v, 2))
DAYS = st.lists(
    st.builds(DailyValue, st.just("d"), st.integers(1, 1000), *[MONEY] * 4, *[st.integers(0, 1000)] * 3), max_size=8
).map(
    lambda ds: [
        DailyValue(**{**d.__dict__, "partition": str(date(2013, 1, 30) + timedelta(days=i))}) for i, d in enumerate(ds)
    ]
)


@given(DAYS)
def test_a_summary_adds_up(days: list[DailyValue]) -> None:
    found = summarize_days(TWO, days)
    for policy in ("model", "current_process", "random_choice", "perfect_foresight"):
        assert found["totals"][policy] == pytest.approx(sum(getattr(d, policy) for d in days), abs=0.006)
    assert found["net_impact"] == pytest.approx(
        found["totals"]["model"] - found["totals"]["current_process"], abs=0.006
    )
    assert found["total"] == found["totals"]["model"]
    assert found["decisions"] == sum(d.decisions for d in days)
    assert (found["acted"], found["differ_from_current"], found["decided_by_current_process"], found["days"]) == (
        sum(d.acted for d in days),
        sum(d.differ for d in days),
        sum(d.fallback for d in days),
        len(days),
    )
    if days:
        lifted = found["lift_vs_current"]["value"] * found["decisions"] / 1000
        assert lifted == pytest.approx(found["net_impact"], abs=0.02 + 0.006 * found["decisions"] / 1000)
        per = found["per_1000"]
        assert per["model"] - per["current_process"] == pytest.approx(found["lift_vs_current"]["value"], abs=0.03)


def test_a_summary_of_nothing_says_so_without_figures() -> None:
    found = summarize_days(TWO, [])
    assert found["decisions"] == found["days"] == found["net_impact"] == 0
    assert set(found["per_1000"].values()) == set(found["lift_vs_current"].values()) == {None}
    assert (found["from"], found["to"]) == (None, None)


def test_a_losing_summary_shows_the_loss() -> None:
    found = summarize_days(TWO, [a_day("2013-03-10", 100, -50, 20), a_day("2013-03-11", 100, -30, 0)])
    assert found["net_impact"] == -100
    assert found["lift_vs_current"]["value"] == -500
    assert (found["from"], found["to"], found["unit"]) == ("2013-03-10", "2013-03-11", "EUR")


def costly(build: float, a_day: float) -> Kpi:
    return TWO.model_copy(update={"costs": Costs(build=build, per_month=a_day * DAYS_A_MONTH)})


def test_what_it_cost_is_subtracted_and_the_day_it_was_earned_back_is_told() -> None:
    gains = [30, -30, 50, 40, 20]  # with 10 a day to run and 60 to build: left -40, -80, -40, -10, 0
    days = [a_day(f"2013-03-{10 + i}", 100, gain, 0) for i, gain in enumerate(gains)]
    found = compute_balance(costly(60, 10), days)
    assert (found.gain, found.build, found.running, found.net_impact) == (110, 60, pytest.approx(50), pytest.approx(0))
    assert compute_balance(costly(59.9, 10), days).payback == "2013-03-14"
    assert compute_balance(costly(61, 10), days).payback is None
    assert compute_balance(costly(0, 0), days).payback == "2013-03-10"


def test_a_decision_every_four_weeks_costs_four_weeks(tmp_path: Path) -> None:
    days = [a_day(f"2013-03-{10 + i}", 100, gain, 0) for i, gain in enumerate([100, 100])]
    weekly = make_use_case(
        tmp_path, partitions={"every": "week"}, decision={"every_partitions": 4, "anchor_day": "2013-03-08"}
    )
    assert compute_balance(costly(0, 1), days, weekly.days_between_decisions).running == pytest.approx(2 * 28)
    hourly = make_use_case(tmp_path, partitions={"every": "hour"})
    assert 24 * compute_balance(costly(0, 1), days[:1], hourly.days_between_decisions).running == pytest.approx(1)


def test_what_was_earned_back_and_lost_again_is_not_earned_back() -> None:
    days = [a_day(f"2013-03-{10 + i}", 100, gain, 0) for i, gain in enumerate([100, -80, 60])]
    assert compute_balance(costly(50, 0), days).payback == "2013-03-12"
    assert compute_balance(costly(50, 0), days[:2]).payback is None


@given(DAYS, st.floats(0, 1e5), st.floats(0, 1e3))
def test_money_reconciles(days: list[DailyValue], build: float, a_day: float) -> None:
    found = summarize_days(costly(build, a_day), days)
    model, present = found["totals"]["model"], found["totals"]["current_process"]
    assert found["net_impact"] == pytest.approx(model - present - found["build"] - found["running"], abs=0.03)
    assert (found["payback"] is not None) <= bool(days)


@given(DAYS)
def test_months_hold_every_day_once_in_order(days: list[DailyValue]) -> None:
    months = group_by_month(days[::-1])
    assert [d for ds in months.values() for d in ds] == days
    assert list(months) == sorted(months)
    assert all(d.partition.startswith(m) for m, ds in months.items() for d in ds)


def test_a_candidate_is_paid_on_the_same_units_and_beside_the_decisions_taken() -> None:
    found = [
        accounted(
            TWO,
            f"2013-03-1{i}",
            ["act", "wait"],
            ["wait", "wait"],
            np.array([1.0, float(i)]),
            candidates={"rule": ["act", "act"]},
        )
        for i in range(2)
    ]
    assert [d.candidates for d in found] == [{"rule": 4.0}, {"rule": 14.0}]
    declared = TWO.model_copy(
        update={
            "candidates": {
                "rule": Candidate(description="r", action="'act'"),
                "new": Candidate(description="n", action="'act'"),
            }
        }
    )
    beside = summarize_days(declared, [*found, a_day("2013-03-12", 100, 500, 0)])["candidates"]
    assert beside["rule"]["decisions"] == 4, "a day accounted for before it was declared says nothing of it"
    assert beside["rule"]["per_1000"] == 4500
    assert beside["rule"]["lift_vs_current"]["value"] == 4500
    assert beside["rule"]["model_minus"]["value"] == 1000 * (14 - 18) / 4
    assert beside["rule"]["model_minus"]["low"] <= -1000 <= beside["rule"]["model_minus"]["high"]
    assert (beside["new"]["decisions"], beside["new"]["per_1000"], beside["new"]["model_minus"]["value"]) == (
        0,
        None,
        None,
    )


def test_a_model_that_changes_nothing_is_not_operational() -> None:
    same = accounted(TWO, "2013-03-10", ["act", "wait"], ["act", "wait"], np.zeros(2))
    other = accounted(TWO, "2013-03-11", ["act", "wait"], ["act", "act"], np.zeros(2))
    assert (summarize_days(TWO, [same])["operational"], summarize_days(TWO, [same])["differ_share"]) == (False, 0)
    assert (summarize_days(TWO, [same, other])["operational"], summarize_days(TWO, [same, other])["differ_share"]) == (
        True,
        0.25,
    )


def test_a_century_of_days_is_drawn_from_in_longer_blocks_and_says_the_same() -> None:
    rng = np.random.default_rng(3)
    gains, counts = rng.normal(50, 400, 36_500), np.full(36_500, 10)
    found = estimate_ratio(gains, counts)
    assert found.value == 1000 * gains.sum() / counts.sum()
    error = 1000 * gains.std() / 10 / np.sqrt(len(gains))
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)


def test_up_to_four_hundred_days_each_is_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    gains, counts = rng.normal(50, 400, 400), np.full(400, 10)
    found = estimate_ratio(gains, counts)
    monkeypatch.setattr("sixtyforty.value.lift.BLOCKS", 1_000_000)
    assert found == estimate_ratio(gains, counts)


def test_three_years_are_told_by_month_and_more_by_year() -> None:
    days = [
        DailyValue(f"{y}-{m:02}-01", 1, 1.0, 0.0, 0.0, 1.0, 0, 0, 0) for y in range(2010, 2014) for m in range(1, 13)
    ]
    assert list(group_by_period(days[:36])) == list(group_by_month(days[:36]))
    assert {y: len(ds) for y, ds in group_by_period(days).items()} == {"2010": 12, "2011": 12, "2012": 12, "2013": 12}
    assert [period_name("2013-04"), period_name("2013-04", "%B"), period_name("2013")] == [
        "April 2013",
        "April",
        "2013",
    ]
