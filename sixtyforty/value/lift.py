"""Estimate the lift: the gain per 1,000 decisions over another way of deciding, with its confidence interval.

Neighboring days are alike, so days are no independent observations. Their sums over blocks of `block_days` days are
nearly independent if a block is longer than the dependence. The lift is a ratio of sums over blocks, so both policies
are valued on the same days. Three intervals are for three questions:

- `estimate_lift`: one look at a period that was fixed in advance.
- `follow_lift`: a look every day. The interval stays valid, however often it is looked at.
- `predict_lift`: the gain of a future period, rather than the mean so far.

If the same units recur in many blocks, they are clusters, too (see `unit_groups.py`). With too few blocks or units,
there is no interval, and `Interval.problem` says why. If a few extreme days or units decide, one look has the interval
for many looks: it is wide enough for heavy tails, while Student's t is not.
`docs/concepts/interval-coverage.md` shows how often the intervals are right.

Sources:

- The blocks and their standard error: see `blocks.py` and `clusters.py`.
- The always-valid interval: see `sequences.py`.
- The prediction interval: see `shrinkage.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import BLOCK_DAYS
from sixtyforty.spec.track import Track
from sixtyforty.value.blocks import Blocks
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import figures_by_day, first_days, money_by_day
from sixtyforty.value.sequences import sequence_reach
from sixtyforty.value.shrinkage import predict_shrunk
from sixtyforty.value.unit_groups import GroupedSums, subtract_groups

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sixtyforty.value.blocks import Partitions

PLANNED_BLOCKS = 13  # about half a year: where an always-valid interval is narrowest, if no length is planned
MONTH_DAYS = 30  # days of the period that is forecast
FORECAST_CONFIDENCE = 0.9
NO_INTERVAL = "too early for an interval"  # if nothing more is known about an unknown interval


@dataclass(frozen=True)
class Interval:
    """An estimated amount of money per 1,000 decisions, with its two-sided interval. NaN means unknown.

    problem: why both ends are unknown; empty if they are known, or if the amount itself is unknown.
    """

    value: float
    low: float
    high: float
    problem: str = field(default="", kw_only=True)


UNKNOWN = Interval(math.nan, math.nan, math.nan)


def estimate_ratio(
    partitions: Partitions,
    totals: Sequence[float] | NDArray[Any],
    counts: Sequence[int] | NDArray[Any],
    confidence: float = 0.95,
    block_days: int = BLOCK_DAYS,
    groups: GroupedSums | None = None,
) -> Interval:
    """Estimate 1000 x sum(totals) / sum(counts), with an interval for one look at a fixed period.

    - partitions: the partitions' keys or first days, in the order of time. totals, counts: one number per partition.
    - block_days: see `kpi.block_days`.
    - groups: the same sums by group of units; None if no unit recurs.
    """
    from scipy.stats import t

    blocks = Blocks.of(partitions, totals, counts, block_days, groups)
    if blocks.is_skewed:
        return _interval(blocks, _followed_reach(blocks, confidence))
    return _interval(blocks, t.ppf(0.5 + confidence / 2, blocks.freedom))


def follow_ratio(
    partitions: Partitions,
    totals: Sequence[float] | NDArray[Any],
    counts: Sequence[int] | NDArray[Any],
    confidence: float = 0.95,
    block_days: int = BLOCK_DAYS,
    groups: GroupedSums | None = None,
    planned_blocks: float = PLANNED_BLOCKS,
) -> Interval:
    """Estimate 1000 x sum(totals) / sum(counts), with an interval for a look every day.

    planned_blocks: the number of blocks at which the interval is narrowest. See `estimate_ratio`.
    """
    blocks = Blocks.of(partitions, totals, counts, block_days, groups)
    return _interval(blocks, _followed_reach(blocks, confidence, planned_blocks))


def measure_ratio(
    track: Track,
    partitions: Partitions,
    totals: Sequence[float] | NDArray[Any],
    counts: Sequence[int] | NDArray[Any],
    block_days: int = BLOCK_DAYS,
    confidence: float = 0.95,
    groups: GroupedSums | None = None,
) -> Interval:
    """Estimate 1000 x sum(totals) / sum(counts) on a track, with its interval. See `estimate_ratio`.

    People look at the live track every day. A replay covers a fixed period, so its interval is for one look.
    """
    estimate = follow_ratio if track == "live" else estimate_ratio
    return estimate(partitions, totals, counts, confidence, block_days, groups)


def estimate_lift(
    days: Sequence[DailyValue],
    against: str = "current_process",
    of: str = "model",
    confidence: float = 0.95,
    block_days: int = BLOCK_DAYS,
) -> Interval:
    """Estimate the lift of one policy over another per 1,000 decisions, for one look at a fixed period.

    days: in the order of time. of, against: names of two policies, or `candidate <name>`. block_days: see
    `kpi.block_days`.
    """
    differences = _differences(days, against, of)
    return estimate_ratio(*differences, confidence, block_days, _group_differences(days, against, of))


def follow_lift(
    days: Sequence[DailyValue],
    against: str = "current_process",
    of: str = "model",
    confidence: float = 0.95,
    block_days: int = BLOCK_DAYS,
    planned_blocks: float = PLANNED_BLOCKS,
) -> Interval:
    """Estimate the lift of one policy over another per 1,000 decisions, for a look every day. See `estimate_lift`.

    planned_blocks: the number of blocks at which the interval is narrowest.
    """
    differences, groups = _differences(days, against, of), _group_differences(days, against, of)
    return follow_ratio(*differences, confidence, block_days, groups, planned_blocks)


def measure_lift(
    track: Track,
    days: Sequence[DailyValue],
    against: str = "current_process",
    of: str = "model",
    block_days: int = BLOCK_DAYS,
) -> Interval:
    """Estimate the lift of one policy over another on a track (see `measure_ratio` and `estimate_lift`)."""
    groups = _group_differences(days, against, of)
    return measure_ratio(track, *_differences(days, against, of), block_days, groups=groups)


def predict_lift(
    days: Sequence[DailyValue],
    against: str = "current_process",
    of: str = "model",
    confidence: float = FORECAST_CONFIDENCE,
    block_days: int = BLOCK_DAYS,
    period_days: int = MONTH_DAYS,
) -> Interval:
    """Predict the lift of one policy over another in a future period of `period_days` days, per 1,000 decisions.

    The prediction is shrunk, because the past of a chosen model is too good on average (see `shrinkage.py`). Its
    interval is wider than that of `estimate_lift`, because the future period varies, too. The period is assumed to have
    as many decisions a day as the past, and units that recur are assumed to come again. With too few blocks or units,
    the lift is unknown, and `Interval.problem` says why. The other parameters are those of `estimate_lift`.
    """
    blocks = Blocks.of(*_differences(days, against, of), block_days, _group_differences(days, against, of))
    if blocks.problem or math.isnan(blocks.ratio):
        return Interval(math.nan, math.nan, math.nan, problem=blocks.problem)
    period_blocks = period_days / blocks.mean_days
    ends = predict_shrunk(
        blocks.ratio,
        blocks.error,
        blocks.number,
        period_blocks,
        confidence,
        freedom=blocks.freedom,
        persistent_share=blocks.persistent_share,
    )
    return Interval(*(1000 * end for end in ends))


def _followed_reach(blocks: Blocks, confidence: float, planned_blocks: float = PLANNED_BLOCKS) -> float:
    """Return half of the width of an interval for a look every day, in standard errors."""
    return float(sequence_reach(max(blocks.number, 1), blocks.freedom, planned_blocks, confidence))


def _interval(blocks: Blocks, reach: float) -> Interval:
    """Return the interval of the lift. reach: half of its width, in standard errors of the mean."""
    if blocks.problem or math.isnan(blocks.ratio):
        return Interval(1000 * blocks.ratio, math.nan, math.nan, problem=blocks.problem)
    half_width = float(reach) * blocks.error
    return Interval(*(1000 * end for end in (blocks.ratio, blocks.ratio - half_width, blocks.ratio + half_width)))


def _differences(
    days: Sequence[DailyValue], against: str, of: str
) -> tuple[NDArray[np.datetime64], NDArray[np.float64], list[int]]:
    import numpy as np

    differences = np.subtract(money_by_day(days, of), money_by_day(days, against))
    return first_days(days), differences, figures_by_day(days, "decisions")


def _group_differences(days: Sequence[DailyValue], against: str, of: str) -> GroupedSums | None:
    groups = figures_by_day(days, "unit_groups")
    return subtract_groups((sums, of, sums, against) for sums in groups) if any(s is not None for s in groups) else None
