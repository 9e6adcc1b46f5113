"""The methods under test equal independent libraries, and the shortcuts of the simulation change no figure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from bench.coverage.daily_worlds import CAMPAIGN_DAYS, WORLDS, DailyWorld
from bench.coverage.methods import METHODS, IntervalMethod, Refresh, half_widths, judge_each_look
from bench.coverage.scenarios import count_misses
from bench.coverage.unit_worlds import INDEPENDENT, RECURRING
from sixtyforty.spec.kpi import BLOCK_DAYS


def test_the_interval_of_one_look_is_the_t_interval_of_the_blocks() -> None:
    gains = np.random.default_rng(1).standard_normal(20 * BLOCK_DAYS)
    interval = METHODS.estimate.interval(gains)
    expected = ttest_1samp(gains.reshape(20, BLOCK_DAYS).mean(1), 0).confidence_interval(0.95)
    assert interval.value == pytest.approx(gains.mean(), abs=1e-9)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_each_campaign_is_a_block() -> None:
    gains = np.random.default_rng(4).standard_normal(12)
    interval = METHODS.estimate.interval(gains, CAMPAIGN_DAYS)
    expected = ttest_1samp(gains, 0).confidence_interval(0.95)
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


@pytest.mark.parametrize("days", [112, 125, 126, 365])
def test_the_quick_widths_are_those_of_the_intervals(days: int) -> None:
    gains = np.random.default_rng(days).standard_normal((3, days))
    widths = half_widths(gains, 0.95)
    for of_run, width in zip(gains, widths, strict=True):
        interval = METHODS.daily_look.interval(of_run)
        assert (interval.high - interval.low) / 2 == pytest.approx(width + 1e-6, rel=1e-9)


def test_too_few_blocks_have_no_width() -> None:
    assert np.isinf(half_widths(np.zeros((2, 111)), 0.95)).all()
    assert np.isfinite(half_widths(np.zeros((2, 8)), 0.95, partition_days=CAMPAIGN_DAYS)).all()


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("method", [METHODS.daily_look, METHODS.always_valid], ids=["daily_look", "always_valid"])
def test_no_interval_that_is_skipped_would_miss_the_truth(world: DailyWorld, method: IntervalMethod) -> None:
    sample = world.draw(np.random.default_rng(5), 20, world.last_look)
    truths = sample.expected.cumsum(1) / np.arange(1, world.last_look + 1)
    looks = range(world.first_look, world.last_look + 1, 1 if world.last_look < 20 else 9)
    with_skips, without = (
        count_misses("looks", world, tried, sample, truths, looks)
        for tried in (method, replace(method, half_widths=None))
    )
    assert with_skips == without
    assert with_skips.runs == 20


def test_no_look_that_is_skipped_would_promote_a_recipe() -> None:
    rng = np.random.default_rng(6)
    gains = rng.uniform(0, 0.6, (20, 2, 1)) + rng.standard_normal((20, 2, 200))
    looks = range(100, 201, 10)
    promotions, without_skips = judge_each_look(gains, looks), judge_each_look(gains, looks, skip=False)
    assert (promotions.recipe == without_skips.recipe).all()
    assert np.array_equal(promotions.forecast, without_skips.forecast, equal_nan=True)
    assert 0 < (promotions.recipe >= 0).sum() < 20


def test_a_later_recipe_needs_more_evidence() -> None:
    gains = 0.35 + np.random.default_rng(9).standard_normal((300, 1, 150))
    alone = METHODS.first_promotions(gains, [150]).recipe >= 0
    second = METHODS.first_promotions(np.concatenate([np.full_like(gains, -1.0), gains], 1), [150]).recipe == 1
    assert 0 < second.sum() < alone.sum()
    assert not (second & ~alone).any()


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


@pytest.mark.parametrize(("loss", "passes"), [(0.0, True), (1.0, False)])
def test_a_refresh_passes_unless_its_twin_is_proven_worse(loss: float, passes: bool) -> None:
    days = 2 + np.random.default_rng(8).standard_normal(180)
    twin = days[-15:] - loss + 0.1 * np.random.default_rng(9).standard_normal(15)
    assert METHODS.passes_refresh(Refresh(days, days[-len(twin) :], twin)) is passes


def test_the_share_test_notices_units_that_are_lost() -> None:
    assert not METHODS.rejects_shares(0.1, [(90, 10), (900, 100)])
    assert METHODS.rejects_shares(0.1, [(90, 10), (900, 10)])
