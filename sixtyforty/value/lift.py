"""Estimate the lift: the gain per 1,000 decisions over another way of deciding, with its confidence interval.

The interval comes from a bootstrap that resamples whole days. The statistic is a ratio of sums, and both policies are
valued on the same days. Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sixtyforty.value.daily_value import DailyValue, money_by_day

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 2000
MAX_BLOCKS = 400  # in a history of more days, the bootstrap resamples blocks of several days


@dataclass(frozen=True)
class Interval:
    """An estimated amount of money per 1,000 decisions, with its two-sided confidence interval. NaN means unknown."""

    value: float
    low: float
    high: float


def estimate_lift(
    days: Sequence[DailyValue], against: str = "current_process", of: str = "model", confidence: float = 0.95
) -> Interval:
    """Estimate the lift of one policy over another per 1,000 decisions, with a percentile bootstrap of fixed seed.

    of, against: names of two policies, or `candidate <name>`. Whole days are resampled, because the units of one day
    share the same conditions. With fewer than two days, the ends of the interval are NaN.
    """
    differences = [a - b for a, b in zip(money_by_day(days, of), money_by_day(days, against), strict=True)]
    return estimate_ratio(differences, [day.decisions for day in days], confidence)


def estimate_ratio(
    total: Sequence[float] | NDArray[np.float64], count: Sequence[int] | NDArray[np.int64], confidence: float = 0.95
) -> Interval:
    """Estimate 1000 x sum(total) / sum(count) over days, with a confidence interval from resampled days.

    total, count: one number per day; the days must be in order of time.
    A history of more than MAX_BLOCKS days is resampled in blocks of several days, which limits the computing time.
    Neighboring days are similar, so longer blocks even estimate the spread slightly better.
    """
    import numpy as np

    sums, counts = np.asarray(total, dtype=float), np.asarray(count, dtype=float)
    sums, counts = sums[counts > 0], counts[counts > 0]  # a day without decisions changes neither sum
    if not len(counts):
        return Interval(math.nan, math.nan, math.nan)
    estimate = float(1000 * sums.sum() / counts.sum())
    if len(sums) < 2:
        return Interval(estimate, math.nan, math.nan)
    block_starts = np.arange(0, len(sums), math.ceil(len(sums) / MAX_BLOCKS))
    sums, counts = np.add.reduceat(sums, block_starts), np.add.reduceat(counts, block_starts)
    resampled = _block_counts(len(sums)) @ np.column_stack([sums, counts])
    bounds = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(1000 * resampled[:, 0] / resampled[:, 1], bounds)
    return Interval(estimate, float(low), float(high))


@lru_cache(maxsize=4)
def _block_counts(blocks: int) -> NDArray[np.float64]:
    """Return how often each bootstrap resample draws each block of days: (RESAMPLES, blocks). The seed is fixed."""
    import numpy as np

    drawn = np.random.default_rng(0).integers(0, blocks, (RESAMPLES, blocks))
    drawn += blocks * np.arange(RESAMPLES)[:, None]
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
