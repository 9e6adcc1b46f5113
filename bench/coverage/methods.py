"""The table of the methods under test: the project's own functions, called with plain arrays.

A change of a method changes its line in METHODS, and nothing else in this package. Each method takes gains per day,
shape (days,), of DECISIONS decisions a day. Exceptions are stated at the method.

Sources of the estimators:

- Resampled days: Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
- The interval of a stage gate, a ratio of sums: Cochran (1977), Sampling Techniques, chapter 6.
- Holdouts, and the always-valid interval: the sources in `sixtyforty/value/experiment.py`.
- The share test: Lindon & Malek (2022), "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 35.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from bench.coverage.daily_worlds import DECISIONS, LOOK_DAYS, YEAR, Floats
from bench.coverage.unit_worlds import LOOKS, UNITS_A_LOOK, UnitSample
from sixtyforty.accounting.forecast import compare_with_forecast
from sixtyforty.lifecycle.stage_gate import estimate_gain
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import GateEvidence, LatestBlock
from sixtyforty.spec.recipe import Gate
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.experiment import Arm, Effect, compare_arms
from sixtyforty.value.lift import Interval, estimate_lift
from sixtyforty.value.share_test import DealtUnits, find_mismatches

DOLLARS = 10_000  # the gate rounds gains to cents, so a standard deviation of a day is this amount for the gate
GATE = Gate(margin=300, confidence=0.95)
GATE_TWO_SIDED = 2 * GATE.confidence - 1
PARTITIONS = [str(date(2025, 1, 1) + timedelta(days=day)) for day in range(YEAR + 31)]


@dataclass(frozen=True)
class Refresh:
    """A refresh of the champion's recipe: gains per day.

    - walk_forward: of the recipe, out of sample.
    - champion: of the champion in the newest backtest block.
    - twin: of a model with the challenger's features that was trained up to the middle of this block. The days are the
      second half of the block.
    """

    walk_forward: Floats
    champion: Floats
    twin: Floats


@dataclass(frozen=True)
class Promotions:
    """The first promotion of each run, shape (runs,). recipe: its index, -1 without one. forecast: NaN without one."""

    recipe: NDArray[np.int64]
    forecast: Floats


@dataclass(frozen=True)
class IntervalMethod:
    """A method that returns the interval of the mean gain per 1,000 decisions.

    least_distance: a truth closer to the estimate than this is always inside the interval, so the simulation doesn't
    compute it. Unit: standard errors of independent days. 0 computes each interval.
    """

    interval: Callable[[Floats], Interval]
    least_distance: float = 0.0


@dataclass(frozen=True)
class Methods:
    """The methods under test.

    - estimate: the interval of the gain on pages. gate: the two-sided interval of the gate. final: the interval of a
      stage gate's final judgement.
    - daily_look: what pages and rollouts show each day. always_valid: that of a stage gate before its stop date.
    - forecast: the interval for the next month. compare: the verdict on a forecast, from the gains before and after it.
    - first_promotions: the first promotion in a year. It takes gains (runs, recipes, days) and the days of the looks.
    - passes_refresh: whether a refresh is promoted.
    - holdout_once, holdout_always, cluster_once, cluster_always: the ends of the interval of a holdout's effect at each
      look, both (runs, looks). The units are drawn one by one, or as clusters of the same position.
    - rejects_shares: whether the share test refuses a holdout. It takes the share that was declared, and for each look
      the numbers of units in the model's arm and in the holdout.
    """

    estimate: IntervalMethod
    gate: IntervalMethod
    final: IntervalMethod
    daily_look: IntervalMethod
    always_valid: IntervalMethod
    forecast: IntervalMethod
    compare: Callable[[Floats, Floats], str]
    first_promotions: Callable[[Floats, Sequence[int]], Promotions]
    passes_refresh: Callable[[Refresh], bool]
    holdout_once: Callable[[UnitSample], tuple[Floats, Floats]]
    holdout_always: Callable[[UnitSample], tuple[Floats, Floats]]
    cluster_once: Callable[[UnitSample], tuple[Floats, Floats]]
    cluster_always: Callable[[UnitSample], tuple[Floats, Floats]]
    rejects_shares: Callable[[float, Sequence[tuple[int, int]]], bool]


def to_days(gains: Floats) -> list[DailyValue]:
    """Return daily values with these gains over a current process that earns nothing."""
    return [
        DailyValue(partition, DECISIONS, gain, 0.0, math.nan, math.nan, 0, 0, 0)
        for partition, gain in zip(PARTITIONS, gains.tolist(), strict=False)
    ]


def bootstrap_interval(confidence: float) -> Callable[[Floats], Interval]:
    """Return the method that resamples days (`estimate_lift`), at a confidence level."""
    return lambda gains: estimate_lift(to_days(gains), confidence=confidence)


def stage_interval(planned_days: int, final: bool) -> Callable[[Floats], Interval]:
    """Return the method of the stage gate (`estimate_gain`). final: see there."""
    return lambda gains: estimate_gain(to_days(gains), planned_days, final)


def compare_month(history: Floats, month: Floats) -> str:
    """Return the verdict on the forecast from some days, after the days of the next month."""
    forecast, actual = (bootstrap_interval(GATE_TWO_SIDED)(gains) for gains in (history, month))
    return compare_with_forecast(forecast, actual)


def running_means(gains: Floats) -> tuple[Floats, Floats]:
    """Return the mean of the first 1, 2, … days and its standard error for independent days: same shape, days last."""
    days = np.arange(1, gains.shape[-1] + 1)
    mean = gains.cumsum(-1) / days
    variance = np.maximum((gains**2).cumsum(-1) / days - mean**2, 0.0)
    return mean, np.sqrt(variance / np.maximum(days - 1, 1))


def judge_each_look(gains: Floats, looks: Sequence[int], least_distance: float = 1.3) -> Promotions:
    """Judge each recipe at each look by the gate, as a first model, until one is promoted.

    The forecast is the gain that the gate reports with the promotion. least_distance: as in IntervalMethod.
    """
    recipe, forecast = np.full(len(gains), -1), np.full(len(gains), np.nan)
    means, errors = running_means(gains)
    is_far = means >= least_distance * errors
    for look in looks:
        far = is_far[:, :, look - 1] & (recipe < 0)[:, None]
        for run, candidate in zip(*np.nonzero(far), strict=True):
            if recipe[run] >= 0:
                continue
            days = to_days(DOLLARS * gains[run, candidate, :look])
            judgement = judge(GATE, GateEvidence("first", 0.0, days), "USD")
            reported = judgement.figures.lift_vs_current
            if judgement.verdict == "PROMOTE" and reported and reported.value is not None:
                recipe[run], forecast[run] = candidate, reported.value / DOLLARS
    return Promotions(recipe, forecast)


def judge_refresh(refresh: Refresh) -> bool:
    """Judge a refresh by the gate. Return whether it is promoted.

    In the newest backtest block, the model of the recipe is the champion itself. So the gate compares the champion with
    the champion, and the twin doesn't count.
    """
    walk_forward, champion = to_days(DOLLARS * refresh.walk_forward), to_days(DOLLARS * refresh.champion)
    evidence = GateEvidence("refresh", 0.0, walk_forward, latest=LatestBlock(champion, champion))
    return judge(GATE, evidence, "USD").verdict == "PROMOTE"


def compare_units(sample: UnitSample) -> Effect:
    """Compare the arms at each look by the sums over units, as if each unit had been drawn on its own."""
    return compare_arms(*(_sum_units(sample.values, in_arm) for in_arm in (~sample.held_out, sample.held_out)))


def _sum_units(values: Floats, in_arm: NDArray[np.bool_]) -> Arm:
    columns = (np.ones_like(values), values, np.zeros_like(values), values**2)
    sums = [(column * in_arm).sum(-1).cumsum(-1) for column in columns]
    zeros = np.zeros_like(sums[0])
    return Arm.from_unit_sums(np.stack([*sums, zeros, zeros], -1)[:, :, None, :])


def compare_clusters(sample: UnitSample) -> Effect:
    """Compare the arms at each look by the sums of clusters: the units at the same position are drawn together."""
    held_out = sample.held_out[0, 0]
    units = np.broadcast_to(np.arange(1, sample.values.shape[1] + 1)[:, None], sample.values.shape)
    sums = np.stack([units, sample.values.cumsum(1), np.zeros_like(sample.values)], -1)[..., None, :]
    return compare_arms(*(Arm.from_cluster_sums(sums[:, :, in_arm]) for in_arm in (~held_out, held_out)))


def rejects_shares(share: float, counts: Sequence[tuple[int, int]]) -> bool:
    """Return whether the share test finds a mismatch at any look. counts: units of model and holdout at each look."""
    declared = {"model": 1 - share, "holdout": share}
    return any(
        find_mismatches([DealtUnits("overall", declared, {"model": model, "holdout": held_out})])
        for model, held_out in counts
    )


METHODS = Methods(
    estimate=IntervalMethod(bootstrap_interval(0.95)),
    gate=IntervalMethod(bootstrap_interval(GATE_TWO_SIDED)),
    final=IntervalMethod(stage_interval(YEAR, final=True)),
    daily_look=IntervalMethod(bootstrap_interval(0.95), least_distance=1.3),
    always_valid=IntervalMethod(stage_interval(LOOK_DAYS, final=False), least_distance=2.4),
    forecast=IntervalMethod(bootstrap_interval(GATE_TWO_SIDED)),
    compare=compare_month,
    first_promotions=judge_each_look,
    passes_refresh=judge_refresh,
    holdout_once=lambda sample: compare_units(sample).single_look_interval(),
    holdout_always=lambda sample: compare_units(sample).always_valid_interval(LOOKS * UNITS_A_LOOK),
    cluster_once=lambda sample: compare_clusters(sample).single_look_interval(),
    cluster_always=lambda sample: compare_clusters(sample).always_valid_interval(sample.values[0].size),
    rejects_shares=rejects_shares,
)
