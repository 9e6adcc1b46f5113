"""The planned number of units detects an effect as often as promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f_oneway

from sixtyforty.value.experiment import Arm, compare_arms
from sixtyforty.value.experiment_design import ArmClusters, ClusterSpread, HoldoutDesign
from tests.sixtyforty.value.simulated_arms import DAILY_UNITS, SHARE, UNITS, is_outside, make_arms, simulate


def test_the_planned_units_detect_the_effect_as_often_as_promised() -> None:
    held, value, _ = simulate(21, runs=100)
    design = HoldoutDesign(SHARE, float(value.std()), DAILY_UNITS)
    effect = design.detectable_effect(UNITS)
    assert design.units(effect) == pytest.approx(UNITS)
    held, value, _ = simulate(22, effect=effect)
    detected = is_outside(compare_arms(*make_arms(held, value)).single_look_interval())
    assert detected.mean() == pytest.approx(0.8, abs=0.05)
    larger = design.detectable_effect(UNITS, always_valid=True)
    held, value, _ = simulate(23, effect=larger)
    detected = is_outside(compare_arms(*make_arms(held, value)).always_valid_interval(UNITS))
    assert detected.mean() == pytest.approx(0.8, abs=0.05)


@given(st.floats(0.01, 10), st.floats(0.01, 0.99), st.floats(0.1, 100), st.floats(1, 1e4), st.booleans())
def test_a_smaller_effect_needs_more_units(
    effect: float, share: float, deviation: float, units_a_day: float, always_valid: bool
) -> None:
    design = HoldoutDesign(share, deviation, units_a_day)
    units = design.units(effect, always_valid)
    assert units < design.units(effect / 2, always_valid)
    assert units < design.units(effect, always_valid, power=0.9)
    assert units >= HoldoutDesign(0.5, deviation, units_a_day).units(effect, always_valid) * (1 - 1e-9)
    assert design.units(effect) <= design.units(effect, always_valid=True)
    days = design.days(effect, always_valid)
    assert days == pytest.approx(math.ceil(units / units_a_day))
    assert design.days(effect, always_valid, observed_units=units) == 0
    assert design.days(effect, always_valid, observed_units=units / 2) <= days


def test_without_units_or_without_an_effect_no_number_of_days_suffices() -> None:
    assert HoldoutDesign(0.1, 1, 0).days(1) == math.inf
    assert HoldoutDesign(0.1, 1, 10).days(0) == math.inf
    assert HoldoutDesign(0.1, 1, 10).detectable_effect(0) == math.inf
    assert HoldoutDesign(0.1, 1, 0).days(1, observed_units=1e9) == 0


GUESTS, VISITS_A_DAY = 150, 50
GUEST_DEVIATION, VISIT_DEVIATION = 4.0, 6.0
FIXED = HoldoutDesign(0.5, VISIT_DEVIATION, VISITS_A_DAY, GUEST_DEVIATION, GUESTS)


def test_150_fixed_guests_never_show_a_small_gain() -> None:
    smallest = FIXED.smallest_effect()
    assert smallest == pytest.approx((1.959964 + 0.841621) * 2 * GUEST_DEVIATION / math.sqrt(GUESTS), rel=1e-5)
    assert FIXED.units(0.99 * smallest) == FIXED.days(0.99 * smallest) == math.inf
    units = FIXED.units(1.2 * smallest)
    assert FIXED.detectable_effect(units) == pytest.approx(1.2 * smallest)
    assert FIXED.days(1.2 * smallest) == math.ceil(units / VISITS_A_DAY)
    assert FIXED.detectable_effect(1e12) == pytest.approx(smallest)
    assert smallest < FIXED.smallest_effect(always_valid=True)


@pytest.mark.parametrize(("factor", "days", "at_most"), [(0.8, 2000, 0.75), (1.2, None, 0.85)])
def test_simulated_guests_show_a_gain_as_often_as_planned(factor: float, days: int | None, at_most: float) -> None:
    """Waiting 2,000 days doesn't bring the power to 80% below the smallest gain; above it, the planned days do."""
    effect, runs = factor * FIXED.smallest_effect(), 1500
    units = VISITS_A_DAY * days if days else FIXED.units(effect)
    rng = np.random.default_rng(5)
    visits = units / GUESTS
    held = rng.permuted(np.tile(np.arange(GUESTS) < GUESTS / 2, (runs, 1)), axis=1)
    means = rng.normal(0, GUEST_DEVIATION, (runs, GUESTS)) + ~held * effect
    means += rng.normal(0, VISIT_DEVIATION / math.sqrt(visits), (runs, GUESTS))
    sums = np.stack([np.full_like(means, visits), visits * means, np.zeros_like(means)], -1)
    arms = [Arm.from_cluster_sums(sums[arm].reshape(runs, GUESTS // 2, 1, 3)) for arm in (~held, held)]
    low, high = compare_arms(*arms).single_look_interval()
    power = float(((low > 0) | (high < 0)).mean())
    assert power <= at_most
    if days is None:
        assert power >= 0.75


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.01, 5), st.floats(1, 100))
def test_with_new_guests_every_gain_is_detected_in_the_end(
    between: float, deviation: float, new_a_day: float, factor: float
) -> None:
    fixed = HoldoutDesign(0.3, deviation, VISITS_A_DAY, between, GUESTS)
    growing = HoldoutDesign(0.3, deviation, VISITS_A_DAY, between, GUESTS, new_a_day)
    effect = fixed.detectable_effect(1000) / factor
    units = growing.units(effect)
    assert units < math.inf and growing.smallest_effect() == 0
    assert units <= fixed.units(effect) * (1 + 1e-9)
    assert growing.detectable_effect(units) == pytest.approx(effect, rel=1e-6)


def test_the_spread_is_that_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(8)
    sizes = rng.integers(1, 30, 800)
    means = rng.normal(5, GUEST_DEVIATION, 800)
    values = [mean + rng.normal(0, VISIT_DEVIATION, size) for mean, size in zip(means, sizes, strict=True)]
    spread = ClusterSpread.of_arms([sums_of(values[:300]), sums_of(values[300:])], days=100)
    assert spread is not None
    assert spread.between == pytest.approx(GUEST_DEVIATION, rel=0.08)
    assert spread.within == pytest.approx(VISIT_DEVIATION, rel=0.03)
    assert spread.clusters == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())
    # an oracle for one arm of equal groups: the mean squares of scipy's one-way analysis of variance
    equal = rng.normal(0, 1, (40, 6)) + rng.normal(0, 2, (40, 1))
    one_arm = ClusterSpread.of_arms([sums_of(list(equal))], days=10)
    assert one_arm is not None
    mean_square = equal.var(axis=1, ddof=1).mean()
    ratio = f_oneway(*equal).statistic
    assert one_arm.within**2 == pytest.approx(mean_square)
    assert one_arm.between**2 == pytest.approx((ratio - 1) * mean_square / 6)


def sums_of(values: list[np.ndarray]) -> ArmClusters:
    """Return the sums of an arm whose clusters have these values."""
    sizes, sums = np.array([len(v) for v in values]), np.array([v.sum() for v in values])
    squares = sum(float((v**2).sum()) for v in values)
    mean_squares = float((sums**2 / sizes).sum())
    units, units_squares = float(sizes.sum()), float((sizes**2).sum())
    return ArmClusters(len(values), 0, units, units_squares, float(sums.sum()), squares, mean_squares)


def test_units_that_do_not_recur_have_no_spread_of_clusters() -> None:
    assert ClusterSpread.of_arms([sums_of([np.ones(1)] * 30)], days=10) is None
