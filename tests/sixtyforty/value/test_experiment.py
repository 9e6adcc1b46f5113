"""The effect of a holdout, by simulation: false alarms as rare as promised, effects covered, daily looks safe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind

from sixtyforty.value.bounded_mean import bounded_reach
from sixtyforty.value.experiment import Arm, Effect, compare_arms
from sixtyforty.value.sequences import sequence_reach, sequence_rho
from tests.sixtyforty.value.simulated_arms import (
    DAILY_UNITS,
    DAYS,
    RUNS,
    Floats,
    is_outside,
    make_arms,
    simulate,
)

# The estimate


@pytest.fixture
def small() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    return rng.gamma(2, 5, 40), rng.normal(8, 3, 15)


def unit_arm(value: Floats, covariate: Floats | None = None) -> Arm:
    x = np.zeros_like(value) if covariate is None else covariate
    return Arm.from_unit_sums(
        np.array([[len(value), *(c.sum() for c in (value, x, value**2, value * x, x**2, value**3))]])
    )


def test_units_drawn_one_by_one_give_welchs_interval(small: tuple[Floats, Floats]) -> None:
    model, current = small
    effect = compare_arms(unit_arm(model), unit_arm(current))
    expected = ttest_ind(model, current, equal_var=False)
    assert effect.value == pytest.approx(model.mean() - current.mean())
    assert effect.freedom == pytest.approx(expected.df)
    assert effect.single_look_interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert effect.single_look_interval(0.8) == pytest.approx(tuple(expected.confidence_interval(0.8)))


def test_clusters_of_one_unit_give_the_same_effect_as_units(small: tuple[Floats, Floats]) -> None:
    rng = np.random.default_rng(4)
    both = [(v, v + rng.normal(0, 2, len(v))) for v in small]
    units = compare_arms(*(unit_arm(v, x) for v, x in both))
    clusters = compare_arms(
        *(Arm.from_cluster_sums(np.stack([np.ones_like(v), v, x], -1)[:, None, :]) for v, x in both)
    )
    for name in Effect.__dataclass_fields__:
        assert getattr(units, name) == pytest.approx(getattr(clusters, name)), name


def test_the_slope_is_the_least_squares_slope_if_the_arms_are_alike() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, 5000)
    y = 2 * x + rng.normal(0, 1, 5000)
    effect = compare_arms(unit_arm(y[:2500], x[:2500]), unit_arm(y[2500:], x[2500:]))
    assert effect.slope == pytest.approx(np.cov(x, y)[0, 1] / x.var(ddof=1), rel=0.03)  # theta in the source
    adjusted = y - effect.slope * x
    assert effect.value == pytest.approx(adjusted[:2500].mean() - adjusted[2500:].mean())


def test_strata_are_compared_separately_and_weighted_by_the_models_units() -> None:
    """Half is held out in a poor season, a tenth in a good one: pooled, the season would look like an effect."""
    rng = np.random.default_rng(6)
    parts = [(rng.normal(0, 1, 500), rng.normal(0, 1, 500)), (rng.normal(10, 1, 900), rng.normal(10, 1, 100))]
    moments = [
        np.array([[len(v), v.sum(), 0, (v**2).sum(), 0, 0, (v**3).sum()] for v in arm])
        for arm in zip(*parts, strict=True)
    ]
    effect = compare_arms(Arm.from_unit_sums(moments[0]), Arm.from_unit_sums(moments[1]))
    by_stratum = [compare_arms(unit_arm(a), unit_arm(b)) for a, b in parts]
    assert effect.value == pytest.approx((500 * by_stratum[0].value + 900 * by_stratum[1].value) / 1400)
    assert effect.error == pytest.approx(
        math.hypot(500 * by_stratum[0].error, 900 * by_stratum[1].error) / 1400, rel=0.01
    )
    pooled = compare_arms(*(unit_arm(np.concatenate(arm)) for arm in zip(*parts, strict=True)))
    assert abs(effect.value) < 0.2 < 4 < pooled.value


def test_an_arm_of_one_unit_gives_a_difference_and_no_interval() -> None:
    effect = compare_arms(unit_arm(np.array([1.0, 2.0, 4.0])), unit_arm(np.array([1.0])))
    assert effect.value == pytest.approx(4 / 3)
    assert all(math.isnan(v) for v in (*effect.single_look_interval(), *effect.always_valid_interval(100)))


def test_the_always_valid_interval_is_narrowest_at_the_planned_units() -> None:
    planned = 1234
    effect = Effect(0.0, 1.0, 1e9, np.arange(100, 10_000), 0.0, 0.0, 50, 0.0)
    assert effect.units[effect.always_valid_interval(planned)[1].argmin()] == planned
    scaled = planned * sequence_rho(planned) ** 2
    assert scaled == pytest.approx(math.log((scaled + 1) / 0.05**2))  # the condition of the minimum
    assert 3 < effect.always_valid_interval(planned)[1].min() < 3.1 < 1.6 * norm.ppf(0.975)


# Coverage and error rates, by simulation


@pytest.mark.parametrize("with_covariate", [False, True])
def test_without_an_effect_one_look_in_twenty_raises_a_false_alarm(with_covariate: bool) -> None:
    held, value, risk = simulate(11)
    effect = compare_arms(*make_arms(held, value, risk if with_covariate else None))
    assert 0.03 <= is_outside(effect.single_look_interval()).mean() <= 0.07


@pytest.mark.parametrize("with_covariate", [False, True])
def test_a_planted_effect_is_covered(with_covariate: bool) -> None:
    held, value, risk = simulate(12, effect=0.8)
    effect = compare_arms(*make_arms(held, value, risk if with_covariate else None))
    assert effect.value.mean() == pytest.approx(0.8, abs=0.03)
    assert 0.93 <= 1 - is_outside(effect.single_look_interval(), 0.8).mean() <= 0.97
    assert is_outside(effect.single_look_interval()).mean() > 0.8


def test_a_useful_covariate_narrows_the_interval_and_a_useless_one_does_no_harm() -> None:
    held, value, risk = simulate(13, runs=200)
    noise = np.random.default_rng(14).random(risk.shape)
    plain, useful, useless = (compare_arms(*make_arms(held, value, x)).error for x in (None, risk, noise))
    explained = np.corrcoef(value.ravel(), risk.ravel())[0, 1] ** 2
    assert (useful / plain).mean() == pytest.approx(math.sqrt(1 - explained), rel=0.02)
    assert (useless / plain).mean() == pytest.approx(1, abs=0.01)


def clusters(seed: int, number: int = 120, looks: int = 1, runs: int = RUNS) -> tuple[Floats, Floats, Floats]:
    """Return who is held out, and units and value by site after each look. Half of the sites are held out."""
    rng = np.random.default_rng(seed)
    held = rng.random((runs, number)) < 0.5
    size = rng.integers(1, 6, (runs, 1, number)).repeat(looks, 1)
    own = rng.normal(0, 1, (runs, 1, number))
    n = size.cumsum(1).astype(float)
    y = (own * size + rng.normal(0, 1, size.shape) * np.sqrt(size)).cumsum(1)
    return held, n, y


def cluster_arms(held: Floats, n: Floats, y: Floats) -> tuple[Arm, Arm]:
    sums = np.stack([n, y, np.zeros_like(y)], -1)[..., None, :]  # runs, looks, clusters, one stratum, 3
    pair = []
    for in_arm in (~held, held):
        arm = Arm.from_cluster_sums(sums * in_arm[:, None, :, None, None])
        drawn = np.broadcast_to(in_arm.sum(-1)[:, None].astype(float), arm.drawn.shape)
        pair.append(Arm(arm.clusters, arm.total, arm.gram, arm.cubes, drawn))
    return pair[0], pair[1]


def test_units_of_a_cluster_are_not_counted_as_independent() -> None:
    held, n, y = clusters(15, looks=10)
    last = cluster_arms(held, n[:, -1:], y[:, -1:])
    assert 0.03 <= is_outside(compare_arms(*last).single_look_interval()).mean() <= 0.07
    # As if each unit had been drawn by itself: a unit's variance is 2, and half of it belongs to its site.
    independent = [
        Arm(a.clusters, a.total, 2.0 * np.diag([0, 1, 0]) * a.total[..., :1], 0 * a.cubes, a.total[..., 0, 0])
        for a in last
    ]
    assert is_outside(compare_arms(*independent).single_look_interval()).mean() > 0.3


def test_daily_looks_break_the_single_look_interval_but_not_the_always_valid_one() -> None:
    held, value, risk = simulate(16, units=DAYS * DAILY_UNITS)
    for x in (None, risk):
        effect = compare_arms(*make_arms(held, value, x, looks=DAYS))
        assert np.isfinite(effect.error[:, 5:]).all()
        assert is_outside(effect.single_look_interval()).any(-1).mean() > 0.2
        for planned in (DAYS * DAILY_UNITS, 100):  # planned for fewer units, it is narrower in the first days
            assert is_outside(effect.always_valid_interval(planned)).any(-1).mean() <= 0.05


def test_daily_looks_are_safe_with_clusters_that_return_each_day() -> None:
    held, n, y = clusters(17, looks=DAYS, number=80, runs=500)
    effect = compare_arms(*cluster_arms(held, n, y))
    assert is_outside(effect.always_valid_interval(DAYS * 80 * 3)).any(-1).mean() <= 0.05


def test_daily_looks_are_safe_when_the_share_changes() -> None:
    """Half is held out for thirty days, a tenth for thirty better days: two strata, the second one empty at first."""
    rng = np.random.default_rng(18)
    season = np.repeat([0.5, 0.1], DAYS * DAILY_UNITS // 2)
    held = rng.random((RUNS, DAYS * DAILY_UNITS)) < season
    value = rng.normal(20 * (season == 0.1), 3, held.shape)
    pair = []
    for in_arm in (~held, held):
        parts = [in_arm & (season == share) for share in (0.5, 0.1)]
        sums = [
            [
                (c * p).reshape(RUNS, DAYS, -1).sum(-1).cumsum(-1)
                for c in (np.ones_like(value), value, value**2, value**3)
            ]
            for p in parts
        ]
        zeros = np.zeros((RUNS, DAYS))
        pair.append(np.stack([np.stack([n, v, zeros, vv, zeros, zeros, vvv], -1) for n, v, vv, vvv in sums], -2))
    first = compare_arms(*(Arm.from_unit_sums(m[:, : DAYS // 2, :1]) for m in pair))
    second = compare_arms(*(Arm.from_unit_sums(m[:, DAYS // 2 :]) for m in pair))
    misses = [is_outside(e.always_valid_interval(DAYS * DAILY_UNITS)).any(-1) for e in (first, second)]
    assert (misses[0] | misses[1]).mean() <= 0.05
    assert 0.03 <= is_outside(second.single_look_interval())[:, -1].mean() <= 0.07


# Heavy tails


def draw_tails(seed: int, runs: int = 300) -> tuple[Floats, Floats]:
    """Return who is held out, and log-normal values whose logarithm has the standard deviation 2."""
    rng = np.random.default_rng(seed)
    return rng.random((runs, DAYS * DAILY_UNITS)) < 0.1, rng.lognormal(0, 2, (runs, DAYS * DAILY_UNITS))


def test_daily_looks_at_heavy_tails_raise_no_false_alarms() -> None:
    effect = compare_arms(*make_arms(*draw_tails(19), looks=DAYS))
    naive = sequence_reach(effect.units, effect.freedom, DAYS * DAILY_UNITS) * effect.error
    assert (np.abs(effect.value) > naive)[:, 10:].any(-1).mean() > 0.08
    assert is_outside(effect.always_valid_interval(DAYS * DAILY_UNITS)).any(-1).mean() <= 0.05
    assert is_outside(effect.single_look_interval())[:, -1].mean() <= 0.05


def test_too_heavy_tails_are_named_and_declared_bounds_give_an_interval() -> None:
    held, values = draw_tails(20, runs=1)
    values = values.clip(max=500)
    arms = [
        Arm(a.clusters[0, 0], a.total[0, 0], a.gram[0, 0], a.cubes[0, 0], a.drawn[0, 0])
        for a in make_arms(held, values)
    ]
    effect = compare_arms(*arms)
    assert effect.problem.startswith("too heavy-tailed to say: a few extreme values decide, so each arm needs at least")
    assert effect.problem.endswith(f"and the smaller one has {held.sum()}")
    assert np.isnan([*effect.always_valid_interval(3000), *effect.single_look_interval()]).all()
    bounded = compare_arms(*arms, bounds=(0, 500))
    low, high = bounded.always_valid_interval(3000)
    assert (bounded.problem, bounded.value) == ("", effect.value)
    assert low < 0 < high
    means = (values[~held], values[held])
    reaches = [bounded_reach(len(v), v.sum(), (v**2).sum(), (0, 500), 0.025) for v in means]
    assert (high - low) / 2 == pytest.approx(sum(reaches))


def test_bounds_leave_the_interval_of_ordinary_values_as_it_is() -> None:
    values = np.random.default_rng(21).normal(0, 1, 1000)
    arms = unit_arm(values[:500]), unit_arm(values[500:])
    plain, bounded = compare_arms(*arms), compare_arms(*arms, bounds=(-9, 9))
    assert bounded.always_valid_interval(1000) == plain.always_valid_interval(1000)
    assert plain.problem == ""


def test_the_skewness_of_clusters_and_of_strata_is_that_of_their_distances_from_the_mean() -> None:
    rng = np.random.default_rng(22)
    values, held = rng.exponential(1, 600), np.arange(600) < 300
    clusters = [
        Arm.from_cluster_sums(np.stack([np.ones(300), v, 0 * v], -1)[:, None, :]) for v in (values[held], values[~held])
    ]
    units = [unit_arm(v) for v in (values[held], values[~held])]
    assert compare_arms(*clusters).needed == pytest.approx(compare_arms(*units).needed)
    moved = np.where(np.arange(600) % 2 == 0, values, values + 100)  # a second stratum with another mean
    strata = []
    for in_arm in (held, ~held):
        parts = [moved[in_arm & (np.arange(600) % 2 == s)] for s in (0, 1)]
        strata.append(
            Arm.from_unit_sums(np.array([[len(v), v.sum(), 0, (v**2).sum(), 0, 0, (v**3).sum()] for v in parts]))
        )
    assert compare_arms(*strata).needed == pytest.approx(compare_arms(*units).needed, rel=0.1)
