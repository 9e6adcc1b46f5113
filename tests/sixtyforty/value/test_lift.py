"""The lift and its intervals: equal to that of a t-test for equal blocks, and with the promised error rates."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import sem, ttest_1samp

from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import (
    Interval,
    estimate_lift,
    estimate_ratio,
    follow_lift,
    follow_ratio,
    measure_lift,
    predict_lift,
)
from sixtyforty.value.shrinkage import predict_shrunk
from tests.sixtyforty.value.kpis import day_worth


def days_from(count: int, start: str = "2024-01-01") -> list[str]:
    """Return the keys of consecutive days."""
    first = date.fromisoformat(start)
    return [str(first + timedelta(days=number)) for number in range(count)]


def gaining(gains: np.ndarray, decisions: int = 100) -> list[DailyValue]:
    """Return consecutive days with these gains over a current process that earns nothing."""
    return [day_worth(day, decisions, float(gain), 0.0) for day, gain in zip(days_from(len(gains)), gains, strict=True)]


def test_a_ratio_is_the_sum_over_the_count_per_thousand() -> None:
    partitions = days_from(8)
    assert estimate_ratio(partitions, [10.0] * 8, [10] * 8, block_days=1) == Interval(1000.0, 1000.0, 1000.0)
    assert estimate_ratio(days_from(3), [10.0, 0.0, 5.0], [10, 30, 20]).value == pytest.approx(250)


@pytest.mark.parametrize(("totals", "counts"), [([], []), ([0.0], [0]), ([0.0, 0.0], [0, 0])])
def test_a_ratio_without_decisions_is_unknown(totals: list[float], counts: list[int]) -> None:
    for estimate in (estimate_ratio, follow_ratio):
        ratio = estimate(days_from(len(totals)), totals, counts)
        assert np.isnan([ratio.value, ratio.low, ratio.high]).all()
        assert not ratio.problem


@pytest.mark.parametrize("days", [1, 2, 13, 111])
def test_too_few_days_have_an_estimate_and_no_interval(days: int) -> None:
    for estimate in (estimate_ratio, follow_ratio):
        ratio = estimate(days_from(days), [5.0] * days, [10] * days)
        assert ratio.value == pytest.approx(500)
        assert np.isnan([ratio.low, ratio.high]).all()
        assert "of 8 needed blocks of at least 14 days" in ratio.problem


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(1, 500)), min_size=8, max_size=40))
def test_the_intervals_contain_the_estimate(days: list[tuple[int, int]]) -> None:
    partitions, totals, counts = days_from(len(days)), [float(total) for total, _ in days], [n for _, n in days]
    once, always = (estimate(partitions, totals, counts, block_days=1) for estimate in (estimate_ratio, follow_ratio))
    if not once.problem:
        assert always.low <= once.low <= once.value <= once.high <= always.high


def test_the_interval_of_equal_blocks_is_that_of_a_t_test() -> None:
    gains = np.random.default_rng(4).normal(10, 1000, 140)
    lift = estimate_lift(gaining(gains), confidence=0.9)
    expected = ttest_1samp(1000 * gains.reshape(10, 14).sum(1) / 1400, 0).confidence_interval(0.9)
    assert (lift.low, lift.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_more_confidence_gives_a_wider_interval() -> None:
    days = gaining(np.random.default_rng(1).normal(5, 10, 140))
    for estimate in (estimate_lift, follow_lift, predict_lift):
        narrow, wide = estimate(days, confidence=0.8), estimate(days, confidence=0.99)
        assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("shared", [0.0, 0.3])
def test_the_interval_covers_a_planted_effect_as_often_as_promised(shared: float) -> None:
    """shared: the part of the variance that the days of a week have in common."""
    rng, planted = np.random.default_rng(6), 40.0
    covered = 0
    for _ in range(300):
        weekly = np.repeat(rng.normal(0, math.sqrt(shared), 20), 7)
        gains = planted / 10 + 50 * (weekly + rng.normal(0, math.sqrt(1 - shared), 140))
        lift = estimate_lift(gaining(gains))
        covered += lift.low <= planted <= lift.high
    assert 0.92 <= covered / 300 <= 0.985


def test_a_gain_of_zero_is_rarely_proven_in_a_year_of_looks() -> None:
    rng = np.random.default_rng(7)
    proven = 0
    for _ in range(100):
        days = gaining(rng.normal(0, 5, 365))
        proven += any(not follow_lift(days[:look]).low <= 0 for look in range(112, 366, 7))
    assert proven <= 5


def test_a_prediction_holds_for_the_next_month() -> None:
    rng = np.random.default_rng(8)
    inside = 0
    for _ in range(300):
        gains = rng.normal(3, 40, 210)
        forecast = predict_lift(gaining(gains[:180]))
        inside += forecast.low <= 10 * gains[180:].mean() <= forecast.high
    assert 0.86 <= inside / 300 <= 0.95


def test_a_prediction_rests_on_the_mean_and_standard_error_of_the_blocks() -> None:
    gains = np.random.default_rng(11).normal(30, 40, 140)
    of_blocks = 10 * gains.reshape(10, 14).mean(axis=1)  # per 1,000 decisions, of 100 a day
    expected = predict_shrunk(of_blocks.mean(), sem(of_blocks), 10, 30 / 14, 0.9)
    forecast = predict_lift(gaining(gains))
    assert (forecast.value, forecast.low, forecast.high) == pytest.approx(expected)
    assert expected[0] < of_blocks.mean()


@pytest.mark.parametrize(("days", "problem"), [(0, ""), (111, "too few days to say: 7 of 8 needed blocks")])
def test_too_few_days_have_no_prediction(days: int, problem: str) -> None:
    forecast = predict_lift(gaining(np.ones(days)))
    assert np.isnan([forecast.value, forecast.low, forecast.high]).all()
    assert forecast.problem.startswith(problem)
    assert bool(forecast.problem) == bool(problem)


def test_a_few_extreme_days_give_the_interval_for_many_looks() -> None:
    gains = np.random.default_rng(9).normal(5, 10, 140)
    gains[70] = 1000
    assert estimate_lift(gaining(gains)) == follow_lift(gaining(gains))


def test_the_lift_can_be_estimated_against_any_policy() -> None:
    days = [DailyValue(day, 100, 10, 6, 3, 20, 0, 0, 0) for day in days_from(2)]
    policies = ("current_process", "random_choice", "perfect_foresight")
    assert [estimate_lift(days, policy).value for policy in policies] == [40, 70, -100]
    assert estimate_lift(days, "random_choice", of="current_process").value == 30


def test_the_live_track_has_the_interval_for_many_looks() -> None:
    days = gaining(np.random.default_rng(9).normal(5, 10, 140))
    assert measure_lift("live", days) == follow_lift(days)
    assert measure_lift("replay", days) == estimate_lift(days)
