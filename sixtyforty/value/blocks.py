"""Add up money over blocks of consecutive days, which are nearly independent observations.

Sources:

- The standard error of a ratio of sums: Cochran (1977), Sampling Techniques, chapter 6.
- Blocks of fixed length with Student's t: Ibragimov & Müller (2010), "t-Statistic Based Correlation and Heterogeneity
  Robust Inference", Journal of Business & Economic Statistics 28(4).
- Units that recur, and skewed values: see `clusters.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import BLOCK_DAYS, MINIMUM_BLOCKS
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.clusters import ClusterVariance, is_skewed
from sixtyforty.value.unit_groups import GroupedSums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Partitions = Sequence[str] | NDArray[np.str_] | NDArray[np.datetime64]


@dataclass(frozen=True)
class Blocks:
    """A ratio of sums over blocks of days, with its standard error.

    - number: the number of blocks. mean_days: the mean number of days of a block.
    - ratio: sum of totals / sum of counts; NaN without a count. error: its standard error; NaN below two blocks.
    - freedom: the degrees of freedom of the standard error, at least 1.
    - persistent_share: the share of error² that all blocks have in common, because the same units recur.
    - is_skewed: whether these are too few days for the skewness of their values, by Cochran's rule.
    - problem: why there can't be an interval: too few blocks or units. Empty if there can.
    """

    number: int
    mean_days: float
    ratio: float
    error: float
    freedom: float = 1.0
    persistent_share: float = 0.0
    is_skewed: bool = False
    problem: str = ""

    @classmethod
    def of(
        cls,
        partitions: Partitions,
        totals: Sequence[float] | NDArray[Any],
        counts: Sequence[int] | NDArray[Any],
        block_days: int = BLOCK_DAYS,
        groups: GroupedSums | None = None,
    ) -> Blocks:
        """Add up totals and counts over blocks of `block_days` days, from the day of the first partition.

        partitions: the partitions' keys or first days, in the order of time. totals, counts: one number per partition.
        A partition that is longer than a block is a block by itself. The days of an incomplete last block belong to the
        block before it. Blocks without a count don't matter. groups: the sums of groups of units; None if no unit
        recurs.
        """
        import numpy as np

        sums, numbers = np.asarray(totals, dtype=float), np.asarray(counts, dtype=float)
        is_counted = numbers > 0  # a partition without decisions changes neither sum
        sums, numbers = sums[is_counted], numbers[is_counted]
        if not len(numbers):
            return cls(0, math.nan, math.nan, math.nan)
        days = _day_numbers(np.asarray(partitions)[is_counted])
        starts, mean_days = _block_starts(days, block_days)
        ratio = float(sums.sum() / numbers.sum())
        residuals = sums - ratio * numbers
        blocks = len(starts)
        if blocks < 2:
            return cls(blocks, mean_days, ratio, math.nan, problem=_too_few(blocks, block_days))
        of_blocks = ClusterVariance.of_sums(np.add.reduceat(residuals, starts))
        total = of_blocks if groups is None else of_blocks.combine(groups.select(is_counted), ratio, starts)
        problem = _too_few(blocks, block_days) if blocks < MINIMUM_BLOCKS else total.problem
        return cls(
            number=blocks,
            mean_days=mean_days,
            ratio=ratio,
            error=math.sqrt(total.variance) / float(numbers.sum()),
            freedom=total.freedom,
            persistent_share=1 - of_blocks.variance / total.variance if total.variance > 0 else 0.0,
            is_skewed=is_skewed(residuals) or total.is_skewed,
            problem=problem,
        )


def count_blocks(partitions: Sequence[str], block_days: int) -> int:
    """Return the number of blocks that `Blocks.of` forms of partitions, in the order of time, that all have a count."""
    return Blocks.of(partitions, [0.0] * len(partitions), [1] * len(partitions), block_days).number


def _too_few(blocks: int, block_days: int) -> str:
    length = format_plural(block_days, "day")
    return f"too few days to say: {blocks} of {MINIMUM_BLOCKS} needed blocks of at least {length}"


def _day_numbers(partitions: NDArray[np.str_] | NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the number of each partition's first day; consecutive days have consecutive numbers."""
    import numpy as np

    days = partitions if partitions.dtype.kind == "M" else partitions.astype("U10").astype("datetime64[D]")
    return days.astype(np.int64)


def _block_starts(days: NDArray[np.int64], block_days: int) -> tuple[NDArray[np.int64], float]:
    """Return the positions at which blocks start, and the mean number of days of a block.

    days: the number of each partition's first day, ascending.
    """
    import numpy as np

    steps = np.diff(days)
    steps = steps[steps > 0]  # several partitions may start on the same day
    partition_days = int(steps.min()) if len(steps) else 1
    elapsed = days - days[0]
    block = elapsed // block_days
    end = elapsed[-1] + partition_days
    if block[-1] and end < (block[-1] + 1) * block_days:
        block = np.minimum(block, block[-1] - 1)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    return starts, float(end / len(starts))
