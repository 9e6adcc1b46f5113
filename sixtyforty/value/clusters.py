"""Compute the variance of a sum for clusters: blocks of days, and groups of units that recur.

With two-way clusters, the variance is V(blocks) + V(groups) - V(groups within blocks). It is at least V(blocks) and at
least V(groups), because the difference of estimates may be too small by chance. Its degrees of freedom are those of
Satterthwaite, but at most those of the larger part. `docs/concepts/interval-coverage.md` shows how often such intervals
are right.

Sources:

- Two-way clusters: Cameron, Gelbach & Miller (2011), "Robust Inference With Multiway Clustering", Journal of Business &
  Economic Statistics 29(2), equation 2.9.
- Degrees of freedom of a sum of variances: Satterthwaite (1946), "An Approximate Distribution of Estimates of Variance
  Components", Biometrics Bulletin 2(6).
- The least number of observations for a skewness: see `skewness.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sixtyforty.spec.kpi import MINIMUM_BLOCKS
from sixtyforty.value.skewness import needed_observations
from sixtyforty.value.unit_groups import GroupedSums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClusterVariance:
    """The variance of a sum of residuals, for clusters.

    - freedom: its degrees of freedom.
    - is_skewed: whether these are too few units for the skewness of their sums.
    - problem: why the variance can't count the units: too few of them, or unknown sums. Empty if it can.
    """

    variance: float
    freedom: float
    is_skewed: bool = False
    problem: str = ""

    @classmethod
    def of_sums(cls, sums: NDArray[np.float64]) -> ClusterVariance:
        """Return the variance of independent sums, one per cluster, shape (clusters,)."""
        clusters = max(len(sums), 2)
        return cls(clusters / (clusters - 1) * float((sums**2).sum()), clusters - 1)

    def combine(self, groups: GroupedSums, ratio: float, starts: NDArray[np.int64]) -> ClusterVariance:
        """Return the variance for two-way clusters, if this is the variance of the blocks.

        groups: the sums of each group in the partitions with a count. ratio: sum of totals / sum of counts. starts: the
        position of each block's first partition.
        """
        import numpy as np

        if groups.totals is None or groups.counts is None:
            return replace(self, problem=groups.problem)
        residuals = np.add.reduceat(groups.totals - ratio * groups.counts, starts, axis=0)
        is_used = np.add.reduceat(groups.counts, starts, axis=0) > 0
        of_groups = residuals.sum(0)[is_used.any(0)]
        if len(of_groups) < MINIMUM_BLOCKS:
            problem = f"too few units to say: {len(of_groups)} of {MINIMUM_BLOCKS} needed, because the same units recur"
            return replace(self, problem=problem)
        by_unit = ClusterVariance.of_sums(of_groups)
        by_both = ClusterVariance.of_sums(residuals[is_used])
        variance = max(self.variance, by_unit.variance, self.variance + by_unit.variance - by_both.variance)
        return ClusterVariance(variance, _combine_freedom(variance, self, by_unit), is_skewed(of_groups))


def _combine_freedom(variance: float, *parts: ClusterVariance) -> float:
    """Return the degrees of freedom of a variance that was combined from independent parts."""
    spread = sum(part.variance**2 / part.freedom for part in parts)
    most = max(parts, key=lambda part: part.variance).freedom
    return min(variance**2 / spread, most) if spread > 0 else most


def is_skewed(residuals: NDArray[np.float64]) -> bool:
    """Return whether these are too few observations for their skewness. residuals: their distances from the mean."""
    scale = float(abs(residuals).max(initial=0.0)) or 1.0
    scaled = residuals / scale
    squares = scaled * scaled
    cubes = squares * scaled  # scaled**3 takes ten times as long
    return len(residuals) < float(needed_observations(len(residuals), squares.sum(), cubes.sum()))
