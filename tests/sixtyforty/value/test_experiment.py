"""The holdout's figures, by simulation: false alarms as rare as promised, planted effects covered, early looks safe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm, ttest_ind

from sixtyforty.value.experiment import (
    MISMATCH_LEVEL,
    Arm,
    Effect,
    HoldoutDesign,
    HoldoutEstimate,
    compare_arms,
    describe_estimate,
    sample_ratio_p_value,
    sequence_rho,
)
from sixtyforty.value.lift import Interval

Floats = NDArray[np.float64]

RUNS = 1000
UNITS = 2000
DAYS, A_DAY = 60, 50
SHARE = 0.2


def dealt(seed: int, units: int = UNITS, effect: float = 0.0, runs: int = RUNS) -> tuple[Floats, Floats, Floats]:
    """Who is held back, values and covariates, (runs, units): a risk that is seen coming, a loss of 10 if it comes.

    The model acts on the greater risks: what that saves beyond its cost is worth `effect` a unit, over all units.
    """
    rng = np.random.default_rng(seed)
    held, risk = rng.random((runs, units)) < SHARE, rng.beta(0.6, 1.4, (runs, units))
    late, acts = rng.random((runs, units)) < risk, risk > 0.3
    return held, -10.0 * late + ~held * acts * effect / acts.mean(), risk


def arms(held: Floats, value: Floats, covariate: Floats | None = None, looks: int = 1) -> tuple[Arm, Arm]:
    """Both arms after each of so many looks, evenly spread: leading axes runs and looks."""
    x = np.zeros_like(value) if covariate is None else covariate
    found = []
    for mine in (~held, held):
        columns = (np.ones_like(value), value, x, value**2, value * x, x**2)
        sums = np.stack([(c * mine).reshape(len(value), looks, -1).sum(-1).cumsum(-1) for c in columns], -1)
        found.append(Arm.of_units(sums[:, :, None, :]))
    return found[0], found[1]


def outside(interval: tuple[Floats, Floats], truth: float = 0.0) -> Floats:
    return (interval[0] > truth) | (interval[1] < truth)


# The figures themselves


@pytest.fixture
def small() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    return rng.gamma(2, 5, 40), rng.normal(8, 3, 15)


def unit_arm(value: Floats, covariate: Floats | None = None) -> Arm:
    x = np.zeros_like(value) if covariate is None else covariate
    return Arm.of_units(np.array([[len(value), *(c.sum() for c in (value, x, value**2, value * x, x**2))]]))


def test_units_dealt_by_themselves_give_welchs_interval(small: tuple[Floats, Floats]) -> None:
    ours, theirs = small
    found = compare_arms(unit_arm(ours), unit_arm(theirs))
    known = ttest_ind(ours, theirs, equal_var=False)
    assert found.value == pytest.approx(ours.mean() - theirs.mean())
    assert found.freedom == pytest.approx(known.df)
    assert found.interval() == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert found.interval(0.8) == pytest.approx(tuple(known.confidence_interval(0.8)))


def test_a_cluster_of_one_is_a_unit(small: tuple[Floats, Floats]) -> None:
    rng = np.random.default_rng(4)
    both = [(v, v + rng.normal(0, 2, len(v))) for v in small]
    units = compare_arms(*(unit_arm(v, x) for v, x in both))
    clusters = compare_arms(*(Arm.of_clusters(np.stack([np.ones_like(v), v, x], -1)[:, None, :]) for v, x in both))
    for name in Effect.__dataclass_fields__:
        assert getattr(units, name) == pytest.approx(getattr(clusters, name)), name


def test_the_slope_is_the_least_squares_one_where_the_arms_are_alike() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, 5000)
    y = 2 * x + rng.normal(0, 1, 5000)
    found = compare_arms(unit_arm(y[:2500], x[:2500]), unit_arm(y[2500:], x[2500:]))
    assert found.slope == pytest.approx(np.cov(x, y)[0, 1] / x.var(ddof=1), rel=0.03)  # theta of the source
    adjusted = y - found.slope * x
    assert found.value == pytest.approx(adjusted[:2500].mean() - adjusted[2500:].mean())


def test_strata_are_compared_within_each_and_weighed_by_the_models_units() -> None:
    """Half held back in a poor season, a tenth in a good one: pooled, the season would look like an effect."""
    rng = np.random.default_rng(6)
    parts = [(rng.normal(0, 1, 500), rng.normal(0, 1, 500)), (rng.normal(10, 1, 900), rng.normal(10, 1, 100))]
    moments = [np.array([[len(v), v.sum(), 0, (v**2).sum(), 0, 0] for v in arm]) for arm in zip(*parts, strict=True)]
    found = compare_arms(Arm.of_units(moments[0]), Arm.of_units(moments[1]))
    each = [compare_arms(unit_arm(a), unit_arm(b)) for a, b in parts]
    assert found.value == pytest.approx((500 * each[0].value + 900 * each[1].value) / 1400)
    assert found.error == pytest.approx(math.hypot(500 * each[0].error, 900 * each[1].error) / 1400, rel=0.01)
    pooled = compare_arms(*(unit_arm(np.concatenate(arm)) for arm in zip(*parts, strict=True)))
    assert abs(found.value) < 0.2 < 4 < pooled.value


def test_one_unit_in_an_arm_has_a_difference_and_no_interval() -> None:
    found = compare_arms(unit_arm(np.array([1.0, 2.0, 4.0])), unit_arm(np.array([1.0])))
    assert found.value == pytest.approx(4 / 3)
    assert all(math.isnan(v) for v in (*found.interval(), *found.always(100)))


def test_the_always_valid_interval_is_tightest_where_it_is_planned_for() -> None:
    planned = 1234
    effect = Effect(0.0, 1.0, 1e9, np.arange(100, 10_000), 0.0, 0.0, 50)
    assert effect.units[effect.always(planned)[1].argmin()] == planned
    known = planned * sequence_rho(planned) ** 2
    assert known == pytest.approx(math.log((known + 1) / 0.05**2))  # the minimum's condition
    assert 3 < effect.always(planned)[1].min() < 3.1 < 1.6 * norm.ppf(0.975)


# What is promised, by simulation


@pytest.mark.parametrize("with_covariate", [False, True])
def test_without_an_effect_one_look_in_twenty_finds_one(with_covariate: bool) -> None:
    held, value, risk = dealt(11)
    found = compare_arms(*arms(held, value, risk if with_covariate else None))
    assert 0.03 <= outside(found.interval()).mean() <= 0.07


@pytest.mark.parametrize("with_covariate", [False, True])
def test_a_planted_effect_is_covered(with_covariate: bool) -> None:
    held, value, risk = dealt(12, effect=0.8)
    found = compare_arms(*arms(held, value, risk if with_covariate else None))
    assert found.value.mean() == pytest.approx(0.8, abs=0.03)
    assert 0.93 <= 1 - outside(found.interval(), 0.8).mean() <= 0.97
    assert outside(found.interval()).mean() > 0.8


def test_a_covariate_that_says_something_narrows_the_interval_and_one_that_says_nothing_does_no_harm() -> None:
    held, value, risk = dealt(13, runs=200)
    noise = np.random.default_rng(14).random(risk.shape)
    plain, useful, useless = (compare_arms(*arms(held, value, x)).error for x in (None, risk, noise))
    explained = np.corrcoef(value.ravel(), risk.ravel())[0, 1] ** 2
    assert (useful / plain).mean() == pytest.approx(math.sqrt(1 - explained), rel=0.02)
    assert (useless / plain).mean() == pytest.approx(1, abs=0.01)


def clusters(seed: int, number: int = 120, looks: int = 1, runs: int = RUNS) -> tuple[Floats, Floats, Floats]:
    """Sites with ways of their own, one in two held back, larger and smaller: arms' sums by site after each look."""
    rng = np.random.default_rng(seed)
    held = rng.random((runs, number)) < 0.5
    size = rng.integers(1, 6, (runs, 1, number)).repeat(looks, 1)
    own = rng.normal(0, 1, (runs, 1, number))
    n = size.cumsum(1).astype(float)
    y = (own * size + rng.normal(0, 1, size.shape) * np.sqrt(size)).cumsum(1)
    return held, n, y


def cluster_arms(held: Floats, n: Floats, y: Floats) -> tuple[Arm, Arm]:
    sums = np.stack([n, y, np.zeros_like(y)], -1)[..., None, :]  # runs, looks, clusters, one stratum, 3
    found = []
    for mine in (~held, held):
        arm = Arm.of_clusters(sums * mine[:, None, :, None, None])
        many = np.broadcast_to(mine.sum(-1)[:, None].astype(float), arm.dealt.shape)
        found.append(Arm(arm.clusters, arm.total, arm.gram, many))
    return found[0], found[1]


def test_units_that_were_dealt_together_are_counted_together() -> None:
    held, n, y = clusters(15, looks=10)
    last = cluster_arms(held, n[:, -1:], y[:, -1:])
    assert 0.03 <= outside(compare_arms(*last).interval()).mean() <= 0.07
    # as if each unit had been dealt by itself: a unit's variance is 2, half of it its site's
    lone = [Arm(a.clusters, a.total, 2.0 * np.diag([0, 1, 0]) * a.total[..., :1], a.total[..., 0, 0]) for a in last]
    assert outside(compare_arms(*lone).interval()).mean() > 0.3


def test_looking_daily_breaks_the_interval_of_one_look_and_not_the_always_valid_one() -> None:
    held, value, risk = dealt(16, units=DAYS * A_DAY)
    for x in (None, risk):
        found = compare_arms(*arms(held, value, x, looks=DAYS))
        assert np.isfinite(found.error[:, 5:]).all()
        assert outside(found.interval()).any(-1).mean() > 0.2
        for planned in (DAYS * A_DAY, 100):  # the interval of one planned for less is tighter in the first days
            assert outside(found.always(planned)).any(-1).mean() <= 0.05


def test_looking_daily_is_safe_with_clusters_that_come_back_each_day() -> None:
    held, n, y = clusters(17, looks=DAYS, number=80, runs=500)
    found = compare_arms(*cluster_arms(held, n, y))
    assert outside(found.always(DAYS * 80 * 3)).any(-1).mean() <= 0.05


def test_looking_daily_is_safe_across_a_change_of_the_share() -> None:
    """A half is held back for thirty days, a tenth for thirty better ones: two strata, the second empty at first."""
    rng = np.random.default_rng(18)
    season = np.repeat([0.5, 0.1], DAYS * A_DAY // 2)
    held = rng.random((RUNS, DAYS * A_DAY)) < season
    value = rng.normal(20 * (season == 0.1), 3, held.shape)
    pair = []
    for mine in (~held, held):
        parts = [mine & (season == s) for s in (0.5, 0.1)]
        sums = [
            [(c * p).reshape(RUNS, DAYS, -1).sum(-1).cumsum(-1) for c in (np.ones_like(value), value, value**2)]
            for p in parts
        ]
        nothing = np.zeros((RUNS, DAYS))
        pair.append(np.stack([np.stack([n, v, nothing, vv, nothing, nothing], -1) for n, v, vv in sums], -2))
    first = compare_arms(*(Arm.of_units(m[:, : DAYS // 2, :1]) for m in pair))
    second = compare_arms(*(Arm.of_units(m[:, DAYS // 2 :]) for m in pair))
    missed = [outside(e.always(DAYS * A_DAY)).any(-1) for e in (first, second)]
    assert (missed[0] | missed[1]).mean() <= 0.05
    assert 0.03 <= outside(second.interval())[:, -1].mean() <= 0.07


# The sample ratio


def test_sound_arms_are_let_be_and_lossy_ones_are_noticed() -> None:
    held, value, _ = dealt(19, units=DAYS * A_DAY)
    ours, theirs = arms(held, value, looks=DAYS)
    share = np.array([SHARE])
    likely = sample_ratio_p_value(ours, theirs, share)
    assert (likely[:, -1] < MISMATCH_LEVEL).mean() <= 0.005
    assert (likely < MISMATCH_LEVEL).any(-1).mean() <= 0.02  # at any of sixty daily looks
    lost = held & (np.random.default_rng(20).random(held.shape) < 0.25)  # a quarter of the outcomes never comes back
    broken = Arm.of_units(np.stack([(held & ~lost).sum(-1, dtype=float)[:, None]] * 6, -1)[..., None, :])
    model = Arm(*(getattr(ours, f)[:, -1:] for f in Arm.__dataclass_fields__))
    assert (sample_ratio_p_value(model, broken, share) < MISMATCH_LEVEL).mean() > 0.95


def test_the_ratio_is_that_of_chi_square_and_a_handful_says_nothing() -> None:
    def arm(*counts: float) -> Arm:
        return Arm.of_units(np.array([[n, 0, 0, 0, 0, 0] for n in counts], float))

    assert sample_ratio_p_value(arm(60), arm(40), np.array([0.5])) == pytest.approx(0.0455, abs=1e-4)
    assert math.isnan(sample_ratio_p_value(arm(3), arm(0), np.array([0.5])))
    two = sample_ratio_p_value(arm(60, 900), arm(40, 100), np.array([0.5, 0.1]))
    assert two == pytest.approx(math.exp(-4 / 2))  # chi-square 4 + 0, two degrees of freedom


# Power


def test_the_planned_units_find_the_effect_as_often_as_promised() -> None:
    held, value, _ = dealt(21, runs=100)
    design = HoldoutDesign(SHARE, float(value.std()), A_DAY)
    effect = design.detectable(UNITS)
    assert design.units(effect) == pytest.approx(UNITS)
    held, value, _ = dealt(22, effect=effect)
    assert outside(compare_arms(*arms(held, value)).interval()).mean() == pytest.approx(0.8, abs=0.05)
    larger = design.detectable(UNITS, always=True)
    held, value, _ = dealt(23, effect=larger)
    assert outside(compare_arms(*arms(held, value)).always(UNITS)).mean() == pytest.approx(0.8, abs=0.05)


@given(st.floats(0.01, 10), st.floats(0.01, 0.99), st.floats(0.1, 100), st.floats(1, 1e4), st.booleans())
def test_more_is_needed_for_less(effect: float, share: float, deviation: float, a_day: float, always: bool) -> None:
    design = HoldoutDesign(share, deviation, a_day)
    units = design.units(effect, always)
    assert units < design.units(effect / 2, always)
    assert units < design.units(effect, always, power=0.9)
    assert units >= HoldoutDesign(0.5, deviation, a_day).units(effect, always) * (1 - 1e-9)
    assert design.units(effect) <= design.units(effect, always=True)
    assert design.days(effect, always) == pytest.approx(math.ceil(units / a_day))
    assert design.days(effect, always, seen=units) == 0
    assert design.days(effect, always, seen=units / 2) <= design.days(effect, always)


def test_what_never_comes_is_never_known() -> None:
    assert HoldoutDesign(0.1, 1, 0).days(1) == math.inf
    assert HoldoutDesign(0.1, 1, 10).days(0) == math.inf
    assert HoldoutDesign(0.1, 1, 0).days(1, seen=1e9) == 0


# Told


def measured(value: float, low: float, high: float, likely: float = 0.5, imbalance: float = 0.0) -> HoldoutEstimate:
    around = Interval(value, low, high)
    return HoldoutEstimate(
        "2013-03-01", 5000, 500, around, around, 4500 * value / 1000, likely, imbalance, HoldoutDesign(0.1, 5.0, 100)
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "Nothing is known yet"),
        (measured(120, 40, 200), "It gains: +120 EUR per 1,000 calls, surely between +40 and +200."),
        (measured(-120, -200, -40), "It loses: -120 EUR per 1,000 calls, surely between -200 and -40."),
        (measured(20, -40, 80), "No effect found: +20 EUR per 1,000 calls, surely between -40 and +80."),
        (measured(120, 40, 200, likely=1e-6), "Nothing can be said"),
        (measured(120, 40, 200, imbalance=-5), "Nothing can be said"),
        (measured(120, 40, 200, likely=math.nan), "It gains"),
        (measured(120, math.nan, math.nan), "Too early to say"),
    ],
)
def test_no_effect_is_told_as_plainly_as_a_gain(found: HoldoutEstimate | None, said: str) -> None:
    assert describe_estimate(found, "EUR", "calls", 300).startswith(said)


def test_no_effect_says_how_long_until_one_would_show() -> None:
    found = measured(20, -40, 80)
    days = found.days_left(0.3)
    assert 0 < days < math.inf
    assert f"after some {days:,.0f} days more" in describe_estimate(found, "EUR", "calls", 300)
    assert "would be likely to have shown by now" in describe_estimate(found, "EUR", "calls", 3000)
