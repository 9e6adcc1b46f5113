"""Generate daily gains whose expectation is known: one world for each kind of dependence between days or units.

A day has DECISIONS decisions, so the gain of a day in money is also its gain per 1,000 decisions. The standard
deviation of a day's gain is 1, except in the worlds of units. A sample of several runs is an array (runs, days).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sixtyforty.value.unit_groups import GROUPS, GroupedSums

Floats = NDArray[np.float64]

DECISIONS = 1000
YEAR = 365
CAMPAIGN_DAYS = 28  # days from one campaign to the next
LOOK_DAYS = 180  # days of a period in which the gain is looked at each day
WEEK_SHARE = 0.1  # share of a day's variance that all days of a week have in common
MEMORY_SHARE = 0.05  # share of a day's variance with a long memory
MEMORY = 0.95  # correlation of the part with a long memory from one day to the next
SEASON = 1.0  # amplitude of the season
UNITS_A_DAY = 30
LOG_DEVIATION = 2.0  # standard deviation of the logarithm of a log-normal unit
PARETO_SHAPE = 2.1  # the variance is finite above 2
HOUSEHOLDS = 250
HOUSEHOLD_SHARE = 0.2  # share of the variance of a household's gain that returns in each campaign


@dataclass(frozen=True)
class DailySample:
    """The gains of each day and their expectations, both of shape (runs, days).

    groups: the gain of each group of units on each day, (runs, days, GROUPS). group_shares: the share of a day's
    decisions that belong to each group, (GROUPS,). Both are None if no unit recurs.
    """

    gains: Floats
    expected: Floats
    groups: Floats | None = None
    group_shares: Floats | None = None

    def group_days(self, run: int, days: int | None = None) -> GroupedSums | None:
        """Return the sums of each group on the first days of a run; None if no unit recurs. days: None means all."""
        if self.groups is None or self.group_shares is None:
            return None
        gains = self.groups[run, :days]
        return GroupedSums(gains, np.broadcast_to(DECISIONS * self.group_shares, gains.shape))


@dataclass(frozen=True)
class DailyWorld:
    """A generator of daily gains.

    - name, generator, estimand: texts for the page.
    - draw: returns a sample of some runs and days.
    - partition_days: the number of days from one partition to the next: 1, or that between two campaigns. The other
      numbers of days are numbers of partitions.
    - period: the number of days of the evaluated period.
    - history, month: the numbers of days before a forecast, and of those that it is about.
    - first_look, last_look: the first and the last day on which the gain is looked at.
    """

    name: str
    generator: str
    draw: Callable[[np.random.Generator, int, int], DailySample]
    estimand: str = "mean gain per 1,000 decisions"
    partition_days: int = 1
    period: int = YEAR
    history: int = 180
    month: int = 30
    first_look: int = 14
    last_look: int = LOOK_DAYS


def around_zero(gains: Floats) -> DailySample:
    """Return a sample of gains whose expectation is 0 on each day."""
    return DailySample(gains, np.zeros_like(gains))


def draw_independent(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw independent standard normal gains."""
    return around_zero(rng.standard_normal((runs, days)))


def draw_weekly(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw normal gains with an effect of the week, a one-way random effect with WEEK_SHARE of the variance.

    Source: Cameron & Miller (2015), "A Practitioner's Guide to Cluster-Robust Inference", section II.
    """
    weeks = rng.standard_normal((runs, -(-days // 7)))
    noise = rng.standard_normal((runs, days))
    shared = np.repeat(weeks, 7, axis=1)[:, :days]
    return around_zero(np.sqrt(WEEK_SHARE) * shared + np.sqrt(1 - WEEK_SHARE) * noise)


def draw_season(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw independent normal gains around a sine with a period of a year and the same phase in each run."""
    season = SEASON * np.sin(2 * np.pi * np.arange(days) / YEAR)
    expected = np.broadcast_to(season, (runs, days))
    return DailySample(expected + rng.standard_normal((runs, days)), expected)


def draw_long_memory(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw normal gains that contain a stationary first-order autoregression, with MEMORY_SHARE of the variance.

    Source: Brockwell & Davis (2016), Introduction to Time Series and Forecasting, example 2.2.1.
    """
    from scipy.signal import lfilter

    shocks = np.sqrt(1 - MEMORY**2) * rng.standard_normal((runs, days))
    shocks[:, 0] /= np.sqrt(1 - MEMORY**2)  # the first day has the variance of all later days
    memory = lfilter([1.0], [1.0, -MEMORY], shocks, axis=1)
    noise = rng.standard_normal((runs, days))
    return around_zero(np.sqrt(MEMORY_SHARE) * memory + np.sqrt(1 - MEMORY_SHARE) * noise)


def draw_recurring(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw campaigns that always contain the same households: a day is the mean of HOUSEHOLDS units.

    Each household has a gain of its own, with HOUSEHOLD_SHARE of the variance, and noise in each campaign: a one-way
    random effect of the household. The groups of households are dealt at random, as by a hash of their keys.
    """
    members = np.eye(GROUPS)[rng.integers(0, GROUPS, HOUSEHOLDS)]
    groups = np.empty((runs, days, GROUPS))
    for run in range(runs):  # the households of all runs together would take gigabytes
        own = np.sqrt(HOUSEHOLD_SHARE) * rng.standard_normal(HOUSEHOLDS)
        noise = np.sqrt(1 - HOUSEHOLD_SHARE) * rng.standard_normal((days, HOUSEHOLDS))
        groups[run] = (own + noise) @ members / HOUSEHOLDS
    gains = groups.sum(axis=-1)
    return DailySample(gains, np.zeros_like(gains), groups, members.mean(axis=0))


def draw_log_normal_units(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw log-normal values, minus their expectation exp(LOG_DEVIATION² / 2).

    Source: Johnson, Kotz & Balakrishnan (1994), Continuous Univariate Distributions, volume 1, chapter 14.
    """
    return rng.lognormal(0.0, LOG_DEVIATION, shape) - np.exp(LOG_DEVIATION**2 / 2)


def draw_pareto_units(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw Pareto values of at least 1, minus their expectation PARETO_SHAPE / (PARETO_SHAPE - 1).

    Source: Johnson, Kotz & Balakrishnan (1994), Continuous Univariate Distributions, volume 1, chapter 20.
    """
    return rng.pareto(PARETO_SHAPE, shape) + 1 - PARETO_SHAPE / (PARETO_SHAPE - 1)


def draw_log_normal(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw days that are the mean of UNITS_A_DAY log-normal units."""
    return around_zero(_mean_of_units(rng, runs, days, draw_log_normal_units))


def draw_pareto(rng: np.random.Generator, runs: int, days: int) -> DailySample:
    """Draw days that are the mean of UNITS_A_DAY Pareto units."""
    return around_zero(_mean_of_units(rng, runs, days, draw_pareto_units))


def _mean_of_units(
    rng: np.random.Generator,
    runs: int,
    days: int,
    draw_units: Callable[[np.random.Generator, tuple[int, ...]], Floats],
) -> Floats:
    """Draw run by run, because the units of all runs together would take gigabytes."""
    return np.stack([draw_units(rng, (days, UNITS_A_DAY)).mean(axis=1) for _ in range(runs)])


RECURRING = DailyWorld(
    "recurring households",
    f"12 campaigns for the same {HOUSEHOLDS} households. {HOUSEHOLD_SHARE:.0%} of the variance belongs to the"
    " household and returns in each campaign.",
    draw_recurring,
    "mean gain of the population of households, per 1,000 decisions",
    partition_days=CAMPAIGN_DAYS,
    period=12,
    history=12,
    month=1,
    first_look=2,
    last_look=12,
)
INDEPENDENT = DailyWorld("independent days", "Normal gains, each day on its own.", draw_independent)
WEEKLY = DailyWorld(
    "weekly dependence",
    f"Normal gains. The days of a week share {WEEK_SHARE:.0%} of the variance.",
    draw_weekly,
)
WORLDS = (
    INDEPENDENT,
    WEEKLY,
    DailyWorld(
        "fixed season",
        "Independent normal noise around an annual sine. Its amplitude is the standard deviation of the noise.",
        draw_season,
        "mean of the season's gain on the days so far, per 1,000 decisions",
    ),
    DailyWorld(
        "month-long dependence",
        f"Normal gains. {MEMORY_SHARE:.0%} of the variance is a first-order autoregression with the coefficient"
        f" {MEMORY}, which remembers for about a month.",
        draw_long_memory,
    ),
    DailyWorld(
        "six campaigns",
        "Six independent normal campaigns instead of days.",
        draw_independent,
        partition_days=CAMPAIGN_DAYS,
        period=6,
        history=6,
        month=1,
        first_look=2,
        last_look=6,
    ),
    RECURRING,
    DailyWorld(
        "heavy tails, log-normal",
        f"{UNITS_A_DAY} log-normal units a day. The standard deviation of the logarithm is {LOG_DEVIATION:g}.",
        draw_log_normal,
    ),
    DailyWorld(
        "heavy tails, Pareto",
        f"{UNITS_A_DAY} Pareto units a day, with the shape {PARETO_SHAPE}.",
        draw_pareto,
    ),
)
