"""The methods under test equal independent libraries, and the shortcuts of the simulation change no figure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from bench.coverage.daily_worlds import WORLDS, DailyWorld
from bench.coverage.methods import METHODS, IntervalMethod, Refresh, judge_each_look
from bench.coverage.scenarios import count_misses
from bench.coverage.unit_worlds import INDEPENDENT, RECURRING


def test_the_final_interval_is_the_t_interval_of_the_days() -> None:
    gains = np.random.default_rng(1).standard_normal(40)
    interval, expected = METHODS.final.interval(gains), ttest_1samp(gains, 0).confidence_interval(0.95)
    assert interval.value == pytest.approx(gains.mean(), abs=1e-9)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_single_look_of_a_holdout_is_the_interval_of_welch() -> None:
    sample = INDEPENDENT.draw(np.random.default_rng(2), 3)
    low, high = METHODS.holdout_once(sample)
    for run in range(3):
        values, held_out = sample.values[run], sample.held_out[run]
        expected = ttest_ind(values[~held_out], values[held_out], equal_var=False).confidence_interval(0.95)
        assert (low[run, -1], high[run, -1]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_clusters_are_compared_by_their_means() -> None:
    sample = RECURRING.draw(np.random.default_rng(3), 2)
    low, high = METHODS.cluster_once(sample)
    means, held_out = sample.values[1].mean(0), sample.held_out[1, 0]
    expected = ttest_ind(means[~held_out], means[held_out], equal_var=False).confidence_interval(0.95)
    assert (low[1, -1], high[1, -1]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_resampled_days_give_nearly_the_normal_interval() -> None:
    gains = np.random.default_rng(4).standard_normal(365)
    error = gains.std(ddof=1) / math.sqrt(len(gains))
    for method, normal in ((METHODS.estimate, 1.96), (METHODS.gate, 1.645)):
        interval = method.interval(gains)
        assert interval.value == pytest.approx(gains.mean(), abs=1e-9)
        assert (interval.high - interval.low) / 2 == pytest.approx(normal * error, rel=0.06)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("method", [METHODS.daily_look, METHODS.always_valid], ids=["daily_look", "always_valid"])
def test_no_interval_that_is_skipped_would_miss_the_truth(world: DailyWorld, method: IntervalMethod) -> None:
    sample = world.draw(np.random.default_rng(5), 20, world.last_look)
    truths = sample.expected.cumsum(1) / np.arange(1, world.last_look + 1)
    looks = range(world.first_look, world.last_look + 1, 1 if world.last_look < 20 else 9)
    with_skips, without = (
        count_misses("looks", world.name, tried, sample.gains, truths, looks)
        for tried in (method, replace(method, least_distance=0.0))
    )
    assert with_skips == without
    assert with_skips.runs == 20


def test_no_look_that_is_skipped_would_promote_a_recipe() -> None:
    gains = np.random.default_rng(6).standard_normal((20, 2, 120))
    looks = range(30, 121, 10)
    promotions, without_skips = judge_each_look(gains, looks), judge_each_look(gains, looks, least_distance=-1e6)
    assert (promotions.recipe == without_skips.recipe).all()
    assert np.array_equal(promotions.forecast, without_skips.forecast, equal_nan=True)
    assert 0 < (promotions.recipe >= 0).sum() < 20


def test_a_promotion_carries_the_forecast_from_its_look() -> None:
    gains = 1 + 0.1 * np.random.default_rng(7).standard_normal((1, 1, 150))
    promotions = METHODS.first_promotions(gains, [90, 120, 150])
    assert (promotions.recipe[0], promotions.look[0]) == (0, 120)
    forecast = METHODS.forecast.interval(gains[0, 0, :120])
    published = (promotions.forecast[0], promotions.low[0], promotions.high[0])
    assert published == pytest.approx((forecast.value, forecast.low, forecast.high), abs=1e-5)
    assert forecast.value == pytest.approx(gains[0, 0, :120].mean(), rel=0.001)


def test_campaigns_are_forecast_like_days_of_longer_blocks() -> None:
    gains = np.random.default_rng(9).standard_normal(12)
    assert math.isnan(METHODS.forecast.interval(gains).low), "12 days are too few"
    assert METHODS.forecast.interval(gains, 28).low < METHODS.forecast.interval(gains, 28).high


def test_a_refresh_passes_only_if_the_gain_of_its_recipe_is_proven() -> None:
    noise = np.random.default_rng(8).standard_normal(60)
    for gain, passes in ((2.0, True), (-2.0, False)):
        days = gain + noise
        assert METHODS.passes_refresh(Refresh(days, days[-30:], days[-15:])) is passes


def test_the_share_test_notices_units_that_are_lost() -> None:
    assert not METHODS.rejects_shares(0.1, [(90, 10), (900, 100)])
    assert METHODS.rejects_shares(0.1, [(90, 10), (900, 10)])
