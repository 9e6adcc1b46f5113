"""Add up money over blocks of consecutive days, which are nearly independent observations.

Sources:

- The standard error of a ratio of sums: Cochran (1977), Sampling Techniques, chapter 6.
- Blocks of fixed length with Student's t: Ibragimov & Müller (2010), "t-Statistic Based Correlation and Heterogeneity
  Robust Inference", Journal of Business & Economic Statistics 28(4).
- The least number of observations for a skewness: Cochran (1977), section 2.15.
- The standard error of a sample's skewness: Fisher (1930), Proceedings of the Royal Society A 130, pages 16 to 28.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import BLOCK_DAYS, MINIMUM_BLOCKS
from sixtyforty.spec.wording import format_plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COCHRAN_FACTOR = 25


@dataclass(frozen=True)
class Blocks:
    """A ratio of sums over blocks of days, with its standard error.

    - number: the number of blocks. mean_days: the mean number of days of a block.
    - ratio: sum of totals / sum of counts; NaN without a count. error: its standard error; NaN below two blocks.
    - is_skewed: whether these are too few days for the skewness of their values, by Cochran's rule.
    - problem: why there can't be an interval: too few blocks. Empty if there can.
    """

    number: int
    mean_days: float
    ratio: float
    error: float
    is_skewed: bool = False
    problem: str = ""

    @property
    def freedom(self) -> int:
        """The degrees of freedom of the standard error, at least 1."""
        return max(self.number - 1, 1)

    @classmethod
    def of(
        cls,
        partitions: Sequence[str] | NDArray[np.str_],
        totals: Sequence[float] | NDArray[Any],
        counts: Sequence[int] | NDArray[Any],
        block_days: int = BLOCK_DAYS,
    ) -> Blocks:
        """Add up totals and counts over blocks of `block_days` days, from the day of the first partition.

        partitions: the partitions' keys, in the order of time. totals, counts: one number per partition. A partition
        that is longer than a block is a block by itself. The days of an incomplete last block belong to the block
        before it. Blocks without a count don't matter.
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
        of_blocks = np.add.reduceat(residuals, starts)
        error = math.sqrt(blocks / (blocks - 1) * float((of_blocks**2).sum())) / float(numbers.sum())
        problem = _too_few(blocks, block_days) if blocks < MINIMUM_BLOCKS else ""
        return cls(blocks, mean_days, ratio, error, _is_skewed(residuals), problem)


def count_blocks(partitions: Sequence[str], block_days: int) -> int:
    """Return the number of blocks that `Blocks.of` forms of partitions, in the order of time, that all have a count."""
    return Blocks.of(partitions, [0.0] * len(partitions), [1] * len(partitions), block_days).number


def _too_few(blocks: int, block_days: int) -> str:
    length = format_plural(block_days, "day")
    return f"too few days to say: {blocks} of {MINIMUM_BLOCKS} needed blocks of at least {length}"


def _day_numbers(partitions: NDArray[np.str_]) -> NDArray[np.int64]:
    """Return the number of each partition's first day; consecutive days have consecutive numbers."""
    import numpy as np

    return partitions.astype("U10").astype("datetime64[D]").astype(np.int64)


def _block_starts(days: NDArray[np.int64], block_days: int) -> tuple[NDArray[np.int64], float]:
    """Return the positions at which blocks start, and the mean number of days of a block.

    days: the number of each partition's first day, ascending.
    """
    import numpy as np

    steps = np.diff(np.unique(days))
    partition_days = int(steps.min()) if len(steps) else 1
    elapsed = days - days[0]
    block = elapsed // block_days
    end = elapsed[-1] + partition_days
    if block[-1] and end < (block[-1] + 1) * block_days:
        block = np.minimum(block, block[-1] - 1)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    return starts, float(end / len(starts))


def _is_skewed(residuals: NDArray[np.float64]) -> bool:
    """Return whether these are too few observations for their skewness: n < COCHRAN_FACTOR x skewness².

    Two standard errors of the skewness of normal data are subtracted, because a small sample is skewed by chance.
    """
    import numpy as np

    n, scale = len(residuals), float(np.sqrt((residuals**2).mean()))
    if n < 3 or not scale > 0:
        return False
    skewness = abs(float(((residuals / scale) ** 3).mean())) * math.sqrt(n * (n - 1)) / (n - 2)
    chance = 2 * math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    return n < COCHRAN_FACTOR * max(skewness - chance, 0.0) ** 2
