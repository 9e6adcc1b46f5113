"""Each world of daily gains has the expectation and the dependence that the page states."""

from __future__ import annotations

import numpy as np
import pytest

from bench.coverage.daily_worlds import (
    DECISIONS,
    HOUSEHOLD_SHARE,
    HOUSEHOLDS,
    INDEPENDENT,
    LOG_DEVIATION,
    MEMORY,
    MEMORY_SHARE,
    PARETO_SHAPE,
    RECURRING,
    WEEK_SHARE,
    WEEKLY,
    WORLDS,
    DailyWorld,
    Floats,
    draw_log_normal_units,
    draw_pareto_units,
)

RUNS = 400


def draw(name: str, days: int, runs: int = RUNS) -> tuple[Floats, Floats]:
    """Return gains and expectations of a world."""
    (world,) = (world for world in WORLDS if world.name == name)
    sample = world.draw(np.random.default_rng(1), runs, days)
    return sample.gains, sample.expected


def correlation(gains: Floats, first: int, second: int) -> float:
    """Return the correlation of two days over the runs."""
    return float(np.corrcoef(gains[:, first], gains[:, second])[0, 1])


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_mean_of_the_runs_is_the_stated_expectation(world: DailyWorld) -> None:
    sample = world.draw(np.random.default_rng(2), RUNS, world.period)
    assert sample.gains.shape == sample.expected.shape == (RUNS, world.period)
    deviations = (sample.gains - sample.expected).mean(1)
    assert abs(deviations.mean()) < 4 * deviations.std(ddof=1) / np.sqrt(RUNS)


def test_only_the_season_has_an_expectation_other_than_zero() -> None:
    for world in WORLDS:
        expected = world.draw(np.random.default_rng(3), 2, world.period).expected
        assert bool(expected.any()) is (world.name == "fixed season")
        assert abs(expected.mean()) < 1e-12


@pytest.mark.parametrize("world", [INDEPENDENT, WEEKLY], ids=lambda world: world.name)
def test_a_day_has_the_standard_deviation_one(world: DailyWorld) -> None:
    gains = world.draw(np.random.default_rng(4), 2000, 14).gains
    assert np.allclose(gains.std(0), 1, atol=0.08)


def test_days_of_a_week_share_a_part_of_the_variance_and_other_days_share_nothing() -> None:
    gains, _ = draw("weekly dependence", 14, runs=20_000)
    assert correlation(gains, 0, 6) == pytest.approx(WEEK_SHARE, abs=0.03)
    assert correlation(gains, 6, 7) == pytest.approx(0, abs=0.03)


def test_the_long_memory_fades_from_day_to_day_and_starts_stationary() -> None:
    gains, _ = draw("month-long dependence", 40, runs=20_000)
    assert correlation(gains, 0, 1) == pytest.approx(MEMORY_SHARE * MEMORY, abs=0.03)
    assert correlation(gains, 0, 39) == pytest.approx(0, abs=0.03)
    assert gains[:, 0].std() == pytest.approx(gains[:, -1].std(), abs=0.03) == pytest.approx(1, abs=0.03)


def test_campaigns_share_the_households() -> None:
    gains, _ = draw("recurring households", 12, runs=5000)
    assert correlation(gains, 0, 11) == pytest.approx(HOUSEHOLD_SHARE, abs=0.05)
    assert gains.std() == pytest.approx(HOUSEHOLDS**-0.5, rel=0.03)


def test_the_groups_of_households_add_up_to_the_day() -> None:
    sample = RECURRING.draw(np.random.default_rng(6), 3, 12)
    grouped = sample.group_days(2, 5)
    assert grouped is not None and grouped.totals is not None and grouped.counts is not None
    assert np.allclose(grouped.totals.sum(1), sample.gains[2, :5])
    assert np.allclose(grouped.counts.sum(1), DECISIONS)
    assert INDEPENDENT.draw(np.random.default_rng(7), 2, 3).group_days(0) is None


def test_heavy_tailed_units_have_the_stated_distribution() -> None:
    rng = np.random.default_rng(5)
    log_normal = draw_log_normal_units(rng, (100_000,)) + np.exp(LOG_DEVIATION**2 / 2)
    assert np.median(log_normal) == pytest.approx(1, abs=0.03)
    assert np.log(log_normal).std() == pytest.approx(LOG_DEVIATION, abs=0.03)
    pareto = draw_pareto_units(rng, (100_000,)) + PARETO_SHAPE / (PARETO_SHAPE - 1)
    assert pareto.min() >= 1
    assert np.median(pareto) == pytest.approx(2 ** (1 / PARETO_SHAPE), abs=0.03)
