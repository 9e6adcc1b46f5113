"""The table of the methods under test: the project's own functions, called with plain arrays.

A change of a method changes its line in METHODS, and nothing else in this package. Each method takes gains per day,
shape (days,), of DECISIONS decisions a day. Exceptions are stated at the method.

Sources of the estimators:

- The interval of one look, from blocks of days: the sources in `sixtyforty/value/blocks.py`.
- The always-valid interval: the source in `sixtyforty/value/sequences.py`.
- Holdouts: the sources in `sixtyforty/value/experiment.py`.
- The share test: Lindon & Malek (2022), "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 35.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bench.coverage.daily_worlds import DECISIONS, LOOK_DAYS, Floats
from bench.coverage.unit_worlds import LOOKS, UNITS_A_LOOK, UnitSample
from sixtyforty.modeling.error_budget import RecipeTrial, error_share
from sixtyforty.modeling.gate import judge
from sixtyforty.modeling.gate_evidence import GateEvidence
from sixtyforty.modeling.refresh_twin import TwinComparison
from sixtyforty.spec.kpi import BLOCK_DAYS, MINIMUM_BLOCKS
from sixtyforty.spec.recipe import Gate
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.experiment import Arm, Effect, compare_arms
from sixtyforty.value.lift import PLANNED_BLOCKS, Interval, estimate_ratio, follow_ratio, predict_lift
from sixtyforty.value.sequences import sequence_reach
from sixtyforty.value.share_test import DealtUnits, find_mismatches
from sixtyforty.value.unit_groups import DECISIONS as UNITS
from sixtyforty.value.unit_groups import GROUPS, GroupedSums, GroupSums

DOLLARS = 10_000  # the gate rounds gains to cents, so a standard deviation of a day is this amount for the gate
GATE = Gate(margin=300, confidence=0.95)
FIRST_DAY = date(2025, 1, 1)


@dataclass(frozen=True)
class Refresh:
    """A refresh of the champion's recipe: gains per day.

    - walk_forward: of the recipe, out of sample.
    - champion, twin: of a champion, and of a model with the challenger's features that was trained about halfway from
      the champion's training to now. Both are valued on the days after that.
    """

    walk_forward: Floats
    champion: Floats
    twin: Floats


@dataclass(frozen=True)
class Promotions:
    """The first promotion of each run; all arrays have the shape (runs,).

    - recipe: its index, -1 without a promotion.
    - look: the number of days until the promotion, -1 without one.
    - forecast, low, high: the forecast at the promotion, and the ends of its interval. NaN without a promotion.
    """

    recipe: NDArray[np.int64]
    look: NDArray[np.int64]
    forecast: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class IntervalMethod:
    """A method that returns the interval of the mean gain per 1,000 decisions.

    interval: takes gains, and optionally the number of days from one partition to the next, by default 1, and the gains
    by group of units, by default none.
    half_widths: half of the widths for gains (runs, days), computed quickly, a little too small if anything. A truth
    that is nearer to the mean isn't computed. None computes each interval.
    """

    interval: Callable[..., Interval]
    half_widths: Callable[[Floats, int], Floats] | None = None


@dataclass(frozen=True)
class Methods:
    """The methods under test.

    - estimate: the interval of the gain of a replay. gate: the interval of the gate, for the first recipe of a year.
    - daily_look: what live pages and rollouts show each day. always_valid: that of a stage gate.
    - forecast: the interval for the next month.
    - first_promotions: the first promotion in a year. It takes gains (runs, recipes, days), the numbers of partitions
      at the looks, and the number of days from one partition to the next. It also takes a function that returns the
      gains by group of units, for a run, a recipe and a look.
    - passes_refresh: whether a refresh is promoted.
    - holdout_once, holdout_always, cluster_once, cluster_always: the ends of the interval of a holdout's effect at each
      look, both (runs, looks). The units are drawn one by one, or as clusters of the same position.
    - rejects_shares: whether the share test refuses a holdout. It takes the share that was declared, and for each look
      the numbers of units in the model's arm and in the holdout.
    """

    estimate: IntervalMethod
    gate: IntervalMethod
    daily_look: IntervalMethod
    always_valid: IntervalMethod
    forecast: IntervalMethod
    first_promotions: Callable[..., Promotions]
    passes_refresh: Callable[[Refresh], bool]
    holdout_once: Callable[[UnitSample], tuple[Floats, Floats]]
    holdout_always: Callable[[UnitSample], tuple[Floats, Floats]]
    cluster_once: Callable[[UnitSample], tuple[Floats, Floats]]
    cluster_always: Callable[[UnitSample], tuple[Floats, Floats]]
    rejects_shares: Callable[[float, Sequence[tuple[int, int]]], bool]


def to_days(gains: Floats, partition_days: int = 1, groups: GroupedSums | None = None) -> list[DailyValue]:
    """Return daily values with these gains over a current process that earns nothing.

    partition_days: the number of days from one partition to the next. groups: the gains by group of units.
    """
    partitions, *_ = _to_arrays(gains, partition_days)
    return [
        DailyValue(partition, DECISIONS, gain, 0.0, math.nan, math.nan, 0, 0, 0, unit_groups=sums)
        for partition, gain, sums in zip(
            partitions.tolist(), gains.tolist(), _to_group_sums(groups, len(gains)), strict=True
        )
    ]


def _to_group_sums(groups: GroupedSums | None, days: int) -> Sequence[GroupSums | None]:
    if groups is None or groups.totals is None or groups.counts is None:
        return [None] * days
    nothing = [0.0] * GROUPS
    return [
        {UNITS: counts, "model": totals, "current_process": nothing}
        for totals, counts in zip(groups.totals.tolist(), groups.counts.tolist(), strict=True)
    ]


def single_interval(confidence: float) -> Callable[..., Interval]:
    """Return the method for one look (`estimate_ratio`), at a confidence level."""

    def interval(gains: Floats, partition_days: int = 1, groups: GroupedSums | None = None) -> Interval:
        return estimate_ratio(*_to_arrays(gains, partition_days), confidence, groups=groups)

    return interval


def follow_method(confidence: float, planned_days: int = PLANNED_BLOCKS * BLOCK_DAYS) -> IntervalMethod:
    """Return the method for a look every day (`follow_ratio`), at a confidence level.

    planned_days: the number of days at which the interval is narrowest.
    """
    planned_blocks = planned_days / BLOCK_DAYS

    def interval(gains: Floats, partition_days: int = 1, groups: GroupedSums | None = None) -> Interval:
        arrays = _to_arrays(gains, partition_days)
        return follow_ratio(*arrays, confidence, groups=groups, planned_blocks=planned_blocks)

    def widths(gains: Floats, partition_days: int) -> Floats:
        return half_widths(gains, confidence, planned_blocks, partition_days)

    return IntervalMethod(interval, widths)


def half_widths(
    gains: Floats, confidence: float, planned_blocks: float = PLANNED_BLOCKS, partition_days: int = 1
) -> Floats:
    """Return half of the widths of always-valid intervals for gains (runs, days): (runs,).

    It computes the intervals of all runs at once, which is quick. They are infinite below the least number of blocks. A
    small tolerance allows for rounding.
    """
    size, look = max(BLOCK_DAYS // partition_days, 1), gains.shape[-1]
    blocks = look // size
    if blocks < MINIMUM_BLOCKS:
        return np.full(len(gains), np.inf)
    starts = size * np.arange(blocks)
    residuals = np.add.reduceat(gains, starts, -1) - gains.mean(-1)[:, None] * np.diff([*starts, look])
    errors: Floats = np.sqrt(blocks / (blocks - 1) * (residuals**2).sum(-1)) / look
    return float(sequence_reach(blocks, blocks - 1, planned_blocks, confidence)) * errors - 1e-6


def _to_arrays(gains: Floats, partition_days: int) -> tuple[NDArray[np.str_], Floats, Floats]:
    """Return the partitions' keys, the gains and the numbers of decisions."""
    days = np.datetime64(FIRST_DAY) + partition_days * np.arange(len(gains))
    return days.astype(str), gains, np.full(len(gains), float(DECISIONS))


def predict_month(gains: Floats, partition_days: int = 1, groups: GroupedSums | None = None) -> Interval:
    """Return the forecast for the next month (`predict_lift`)."""
    return predict_lift(to_days(gains, partition_days, groups))


def judge_each_look(
    gains: Floats,
    looks: Sequence[int],
    skip: bool = True,
    partition_days: int = 1,
    group_days: Callable[[int, int, int], GroupedSums | None] = lambda *_: None,
) -> Promotions:
    """Judge each recipe at each look by the gate, as a first model, until one is promoted.

    The recipes are tried together, so recipe j is number j + 1 of the year. The forecast is the one that the gate
    reports with the promotion. skip: leave out the looks at which the gate can't promote (see `could_pass`). For the
    other parameters, see `Methods.first_promotions`.
    """
    recipe, day, forecasts = np.full(len(gains), -1), np.full(len(gains), -1), np.full((3, len(gains)), np.nan)
    for look in looks:
        is_open = could_pass(gains[:, :, :look], partition_days) if skip else np.ones(gains.shape[:2], bool)
        for run, candidate in zip(*np.nonzero(is_open & (recipe < 0)[:, None]), strict=True):
            if recipe[run] >= 0:
                continue
            groups = group_days(run, candidate, look)
            dollars = groups if groups is None else replace(groups, totals=DOLLARS * np.asarray(groups.totals))
            days = to_days(DOLLARS * gains[run, candidate, :look], partition_days, dollars)
            trial = RecipeTrial(FIRST_DAY.year, int(candidate) + 1)
            judgement = judge(GATE, GateEvidence("first", 0.0, days, trial=trial), "USD")
            if judgement.verdict == "PROMOTE" and judgement.figures.forecast:
                forecast = judgement.figures.forecast.to_interval()
                recipe[run], day[run] = candidate, look
                forecasts[:, run] = np.array([forecast.value, forecast.low, forecast.high]) / DOLLARS
    return Promotions(recipe, day, *forecasts)


def could_pass(gains: Floats, partition_days: int = 1) -> NDArray[np.bool_]:
    """Return for gains (runs, recipes, days) whether the lower end of the gate's interval is above 0: (runs, recipes).

    The gate itself decides in the end. Units that recur aren't counted here, because they only make intervals wider.
    """
    confidences = [1 - 2 * error_share(GATE.confidence, number) for number in range(1, gains.shape[1] + 1)]
    widths = [
        half_widths(gains[:, index], confidence, partition_days=partition_days)
        for index, confidence in enumerate(confidences)
    ]
    passes: NDArray[np.bool_] = gains.mean(-1) > np.stack(widths, 1)
    return passes


def judge_refresh(refresh: Refresh) -> bool:
    """Judge a refresh by the gate. Return whether it is promoted."""
    twin, champion = to_days(DOLLARS * refresh.twin), to_days(DOLLARS * refresh.champion)
    evidence = GateEvidence("refresh", 0.0, to_days(DOLLARS * refresh.walk_forward), TwinComparison(twin, champion))
    return judge(GATE, evidence, "USD").verdict == "PROMOTE"


def compare_units(sample: UnitSample) -> Effect:
    """Compare the arms at each look by the sums over units, as if each unit had been drawn on its own."""
    model, current = (_sum_units(sample.values, in_arm) for in_arm in (~sample.held_out, sample.held_out))
    return compare_arms(model, current, sample.bounds)


def _sum_units(values: Floats, in_arm: NDArray[np.bool_]) -> Arm:
    columns = (np.ones_like(values), values, values**2, values**3)
    units, total, squares, cubes = ((column * in_arm).sum(-1).cumsum(-1) for column in columns)
    zeros = np.zeros_like(units)
    return Arm.from_unit_sums(np.stack([units, total, zeros, squares, zeros, zeros, cubes], -1)[:, :, None, :])


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
    estimate=IntervalMethod(single_interval(0.95)),
    gate=follow_method(1 - 2 * error_share(GATE.confidence, 1)),
    daily_look=follow_method(0.95),
    always_valid=follow_method(0.95, LOOK_DAYS),
    forecast=IntervalMethod(predict_month),
    first_promotions=judge_each_look,
    passes_refresh=judge_refresh,
    holdout_once=lambda sample: compare_units(sample).single_look_interval(),
    holdout_always=lambda sample: compare_units(sample).always_valid_interval(LOOKS * UNITS_A_LOOK),
    cluster_once=lambda sample: compare_clusters(sample).single_look_interval(),
    cluster_always=lambda sample: compare_clusters(sample).always_valid_interval(sample.values[0].size),
    rejects_shares=rejects_shares,
)
