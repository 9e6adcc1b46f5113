"""The lift and its confidence interval: equal to SciPy's bootstrap, and with the promised error rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import RESAMPLES, Interval, estimate_lift, estimate_ratio
from tests.sixtyforty.value.kpis import day_worth


def test_a_ratio_is_the_sum_over_the_count_per_thousand() -> None:
    assert estimate_ratio([10.0, 30.0], [10, 30]) == Interval(1000.0, 1000.0, 1000.0)
    assert estimate_ratio([10.0, 0.0, 5.0], [10, 30, 20]).value == pytest.approx(250)


@pytest.mark.parametrize(("totals", "counts"), [([], []), ([0.0], [0]), ([0.0, 0.0], [0, 0])])
def test_a_ratio_without_decisions_is_unknown(totals: list[float], counts: list[int]) -> None:
    assert np.isnan(list(estimate_ratio(totals, counts).__dict__.values())).all()


def test_a_single_day_has_an_estimate_and_no_interval() -> None:
    ratio = estimate_ratio([5.0], [10])
    assert ratio.value == 500
    assert np.isnan([ratio.low, ratio.high]).all()


@pytest.mark.filterwarnings("error")
def test_days_without_decisions_do_not_change_the_interval() -> None:
    assert estimate_ratio([5.0, 0.0, 9.0, 0.0], [10, 0, 10, 0]) == estimate_ratio([5.0, 9.0], [10, 10])
    one_day = estimate_ratio([5.0, 0.0, 0.0], [10, 0, 0])
    assert one_day.value == 500
    assert np.isnan([one_day.low, one_day.high]).all()


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(1, 500)), min_size=2, max_size=30))
def test_the_interval_contains_the_estimate_and_is_deterministic(days: list[tuple[int, int]]) -> None:
    totals, counts = [float(total) for total, _ in days], [count for _, count in days]
    ratio = estimate_ratio(totals, counts)
    assert ratio == estimate_ratio(totals, counts)
    tolerance = 1e-9 * max(1.0, abs(ratio.value))
    assert ratio.low - tolerance <= ratio.value <= ratio.high + tolerance


@pytest.mark.parametrize(("days", "confidence"), [(2, 0.95), (5, 0.9), (60, 1 - 0.05 / 18), (400, 0.95)])
def test_the_interval_equals_that_of_scipys_bootstrap(days: int, confidence: float) -> None:
    rng = np.random.default_rng(days)
    sums, counts = rng.normal(10, 1000, days), rng.integers(1, 2000, days).astype(float)
    expected = bootstrap(
        (sums, counts),
        lambda s, n, axis=-1: 1000 * s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    ratio = estimate_ratio(sums, counts, confidence)
    assert (ratio.low, ratio.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_more_confidence_gives_a_wider_interval() -> None:
    rng = np.random.default_rng(1)
    totals, counts = rng.normal(5, 10, 60).tolist(), [100] * 60
    narrow, wide = estimate_ratio(totals, counts, 0.8), estimate_ratio(totals, counts, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_interval_covers_a_planted_effect_as_often_as_promised() -> None:
    planted, covered, above_zero = 40.0, 0, 0
    rng = np.random.default_rng(6)
    for _ in range(200):
        counts = rng.integers(50, 150, 40)
        shared = rng.normal(0, 60, 40)  # common to all decisions of a day, so the interval must be by day
        gains = (planted + shared) * counts / 1000 + rng.normal(0, 0.5, 40)
        lift = estimate_lift(
            [day_worth(str(i), int(n), float(gain), 0.0) for i, (n, gain) in enumerate(zip(counts, gains, strict=True))]
        )
        covered += lift.low <= planted <= lift.high
        above_zero += lift.low > 0
    assert 180 <= covered < 200
    assert above_zero > 180


def test_a_gain_of_zero_is_rarely_proven() -> None:
    rng = np.random.default_rng(7)
    proven = sum(
        estimate_lift([day_worth(str(i), 100, float(gain), 0.0) for i, gain in enumerate(rng.normal(0, 5, 40))]).low > 0
        for _ in range(200)
    )
    assert proven <= 14  # 2.5% of 200 is 5


def test_the_lift_can_be_estimated_against_any_policy() -> None:
    days = [DailyValue(str(i), 100, 10, 6, 3, 20, 0, 0, 0) for i in range(2)]
    policies = ("current_process", "random_choice", "perfect_foresight")
    assert [estimate_lift(days, policy).value for policy in policies] == [40, 70, -100]
    assert estimate_lift(days, "random_choice", of="current_process").value == 30


def test_a_century_of_days_has_longer_blocks_and_the_same_interval() -> None:
    rng = np.random.default_rng(3)
    gains, counts = rng.normal(50, 400, 36_500), np.full(36_500, 10)
    ratio = estimate_ratio(gains, counts)
    assert ratio.value == 1000 * gains.sum() / counts.sum()
    error = 1000 * gains.std() / 10 / np.sqrt(len(gains))
    assert (ratio.high - ratio.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)


def test_each_of_four_hundred_days_is_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    gains, counts = rng.normal(50, 400, 400), np.full(400, 10)
    ratio = estimate_ratio(gains, counts)
    monkeypatch.setattr("sixtyforty.value.lift.MAX_BLOCKS", 1_000_000)
    assert ratio == estimate_ratio(gains, counts)
