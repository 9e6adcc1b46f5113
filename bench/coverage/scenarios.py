"""Simulate the methods in each world. A scenario is a function that returns the figures of some runs.

The seed of a scenario is SEED and the scenario's name, so scenarios run in any order and in several processes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from bench.coverage import daily_worlds, unit_worlds
from bench.coverage.daily_worlds import DailySample, DailyWorld, Floats
from bench.coverage.figures import Figure, ForecastBias
from bench.coverage.gate_scenarios import RETRAIN_DAYS, measure_bias, measure_null_promotions, measure_refreshes
from bench.coverage.methods import METHODS, IntervalMethod
from bench.coverage.unit_worlds import UnitWorld
from sixtyforty.value.lift import Interval

SEED = 20261130
UNIT_RUNS = 250  # runs of a world of units that are in memory at once
Scenario = Callable[[np.random.Generator, int], Sequence[Figure | ForecastBias]]


def run_scenario(name: str, runs: int) -> Sequence[Figure | ForecastBias]:
    """Run a scenario of SCENARIOS with its seed. Return its figures."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    return SCENARIOS[name](rng, runs)


def measure_coverage(world: DailyWorld, rng: np.random.Generator, runs: int) -> list[Figure]:
    """Return how often each interval contains the true mean gain of the period."""
    sample = world.draw(rng, runs, world.period)
    truths = sample.expected.mean(1)
    methods = (("estimate", METHODS.estimate), ("gate", METHODS.gate))
    return [
        count_inside(measure, world.name, _intervals(method, world, sample, world.period), truths)
        for measure, method in methods
    ]


def _intervals(method: IntervalMethod, world: DailyWorld, sample: DailySample, days: int) -> list[Interval]:
    """Return the interval of each run for its first days."""
    return [
        method.interval(gains[:days], world.partition_days, sample.group_days(run, days))
        for run, gains in enumerate(sample.gains)
    ]


def count_inside(measure: str, row: str, intervals: Sequence[Interval], truths: Floats) -> Figure:
    """Count the intervals that contain their truth. An interval with an unknown end is no answer."""
    answers = [(i, truth) for i, truth in zip(intervals, truths, strict=True) if not math.isnan(i.low)]
    inside = sum(interval.low <= truth <= interval.high for interval, truth in answers)
    return Figure(measure, row, int(inside), len(answers), len(intervals))


def measure_looks(world: DailyWorld, rng: np.random.Generator, runs: int) -> list[Figure]:
    """Return how often an interval misses the true mean gain so far, at one or more of the looks of a period."""
    sample = world.draw(rng, runs, world.last_look)
    truths = sample.expected.cumsum(1) / np.arange(1, world.last_look + 1)
    looks = range(world.first_look, world.last_look + 1)
    return [
        count_misses(measure, world, method, sample, truths, looks)
        for measure, method in (("daily_look", METHODS.daily_look), ("always_valid", METHODS.always_valid))
    ]


def count_misses(
    measure: str, world: DailyWorld, method: IntervalMethod, sample: DailySample, truths: Floats, looks: Sequence[int]
) -> Figure:
    """Count the runs in which the interval misses the truth at any look.

    truths: (runs, days). A run has an answer if it misses, or if the interval of its last look is known.
    An interval is computed only if it can miss, according to the method's `half_widths`.
    """
    gains = sample.gains
    missed = np.zeros(len(gains), bool)
    for look in looks:
        is_open = ~missed
        if method.half_widths:
            distances = np.abs(gains[:, :look].mean(1) - truths[:, look - 1])
            is_open &= distances > method.half_widths(gains[:, :look], world.partition_days)
        for run in np.flatnonzero(is_open):
            groups, truth = sample.group_days(int(run), look), truths[run, look - 1]
            interval = method.interval(gains[run, :look], world.partition_days, groups)
            missed[run] = interval.low > truth or interval.high < truth
    last = _intervals(method, world, sample, looks[-1])
    answered = missed | [not math.isnan(interval.low) for interval in last]
    return Figure(measure, world.name, int(missed.sum()), int(answered.sum()), len(gains))


def measure_forecast(world: DailyWorld, rng: np.random.Generator, runs: int) -> list[Figure]:
    """Return how often the gain of the next month is inside the forecast."""
    sample = world.draw(rng, runs, world.history + world.month)
    forecasts = _intervals(METHODS.forecast, world, sample, world.history)
    return [count_inside("forecast", world.name, forecasts, sample.gains[:, world.history :].mean(1))]


def measure_holdout(world: UnitWorld, rng: np.random.Generator, runs: int) -> list[Figure]:
    """Return how often a holdout reports an effect where none is: at the last look only, and at any look.

    Units that recur are drawn as clusters, as the project draws them (`assignment.cluster_columns`).
    """
    once, always = METHODS.holdout_once, METHODS.holdout_always
    if world.is_recurring:
        once, always = METHODS.cluster_once, METHODS.cluster_always
    counts = np.zeros((3, 2), int)  # by measure: misses and answers
    for size in _portions(runs):
        sample = world.draw(rng, size)
        single, sequence = once(sample), always(sample)
        counts += [_count_last(single), _count_any(single), _count_any(sequence)]
    measures = ("holdout_once", "holdout_daily", "holdout_always")
    return [
        Figure(measure, world.name, int(misses), int(answers), runs)
        for measure, (misses, answers) in zip(measures, counts, strict=True)
    ]


def _portions(runs: int) -> list[int]:
    return [min(UNIT_RUNS, runs - start) for start in range(0, runs, UNIT_RUNS)]


def _count_last(ends: tuple[Floats, Floats]) -> tuple[int, int]:
    """Return the runs whose last interval misses 0, and the runs with an interval at the last look."""
    low, high = ends[0][:, -1], ends[1][:, -1]
    return int(((low > 0) | (high < 0)).sum()), int((~np.isnan(low)).sum())


def _count_any(ends: tuple[Floats, Floats]) -> tuple[int, int]:
    """Return the runs with an interval that misses 0 at any look, and the runs with an interval at any look."""
    low, high = ends
    return int(((low > 0) | (high < 0)).any(1).sum()), int((~np.isnan(low)).any(1).sum())


def measure_shares(rng: np.random.Generator, runs: int) -> list[Figure]:
    """Return how often the share test refuses a holdout whose units were dealt by the declared shares."""
    world = unit_worlds.INDEPENDENT
    alarms = 0
    for size in _portions(runs):
        held_out = world.draw(rng, size).held_out.sum(-1).cumsum(-1)
        units = unit_worlds.UNITS_A_LOOK * np.arange(1, unit_worlds.LOOKS + 1)
        counts = [list(zip((units - of_run).tolist(), of_run.tolist(), strict=True)) for of_run in held_out]
        alarms += sum(METHODS.rejects_shares(unit_worlds.SHARE, of_run) for of_run in counts)
    return [Figure("shares", world.name, alarms, runs, runs)]


def _list_scenarios() -> Mapping[str, Scenario]:
    scenarios: dict[str, Scenario] = {}
    for world in daily_worlds.WORLDS:
        scenarios[f"coverage: {world.name}"] = partial(measure_coverage, world)
        scenarios[f"looks: {world.name}"] = partial(measure_looks, world)
        scenarios[f"forecast: {world.name}"] = partial(measure_forecast, world)
    for units in unit_worlds.WORLDS:
        scenarios[f"holdout: {units.name}"] = partial(measure_holdout, units)
    scenarios["shares"] = measure_shares
    for world in (daily_worlds.INDEPENDENT, daily_worlds.WEEKLY):
        for recipes in (1, 5):
            for schedule in ("monthly", "nightly"):
                name = f"null: {world.name}, {recipes}, {schedule}"
                scenarios[name] = partial(measure_null_promotions, world, recipes, schedule)
        for retraining in RETRAIN_DAYS:
            scenarios[f"refreshes: {world.name}, {retraining}"] = partial(measure_refreshes, world, retraining)
        scenarios[f"bias: {world.name}"] = partial(measure_bias, world)
    for recipes in (1, 5):
        name = f"null: {daily_worlds.RECURRING.name}, {recipes}"
        scenarios[name] = partial(measure_null_promotions, daily_worlds.RECURRING, recipes, "each campaign")
    return scenarios


SCENARIOS = _list_scenarios()
