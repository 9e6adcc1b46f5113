"""Measure the effect of an action that changes the outcome: compare two arms, randomly drawn groups of units.

The outcome that a unit would have had under another action can't be observed. Therefore a hash
(`decisions/assignment.py`) draws units at random that keep the current process, and the means of the two arms are
compared. The draw selects single units, or clusters: groups of units that belong to the same arm. All sums are over
clusters. A single unit is a cluster of one, so the same formulas apply. All units decided under the same holdout share
form a stratum. Arms are compared within each stratum. If the arms were compared over all strata together, and the share
changed with the season, the season would look like an effect.

Sources:

- Ratio metrics by the delta method: Deng, Knoblich & Lu (2018), "Applying the Delta Method in Metric Analytics".
- CUPED: Deng, Xu, Kohavi & Walker (2013), "Improving the Sensitivity of Online Controlled Experiments by Utilizing
  Pre-Experiment Data".
- The always-valid interval: see `sequences.py`.
- The least number of units for a skewness: see `skewness.py`. The smaller arm needs it, and the arm with the greater
  skewness sets it: in simulations, the smaller arm often misses the rare values that make the larger one skewed.
- Skewed values with declared bounds: see `bounded_mean.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sixtyforty.value.bounded_mean import bounded_reach
from sixtyforty.value.sequences import CONFIDENCE, sequence_reach
from sixtyforty.value.skewness import needed_observations

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MINIMUM_CLUSTERS = 20  # clusters in each arm from which the always-valid interval kept its coverage in simulations
NOT_IN_ACCOUNTS = (
    "some accounts were written before the skewness of values counted. Value these days again with `sixtyforty run`"
)


@dataclass(frozen=True)
class Arm:
    """The sums of units, values and covariates over the clusters of an experiment's arm, in each of S strata.

    Optional leading axes (…) are for several evaluations over time, or for several simulation runs.

    - clusters: the number of clusters with units in each stratum, shape (…, S).
    - total: the sums of units, value and covariate in each stratum, shape (…, S, 3).
    - gram: the Gram matrix: the sum over clusters of the outer product of a cluster's 3S sums, shape (…, 3S, 3S).
    - cubes: the sum over clusters of the threefold outer product of its 2S sums of units and value, shape
      (…, 2S, 2S, 2S). Infinity: not known.
    - drawn: the number of clusters in the arm, over all strata, shape (…).
    """

    clusters: Floats
    total: Floats
    gram: Floats
    cubes: Floats
    drawn: Floats

    @classmethod
    def from_unit_sums(cls, moments: Floats) -> Arm:
        """Create an experiment's arm from sums over its units, if each unit was assigned to an arm independently.

        moments: the sums over units of 1, y, x, y², xy, x² and y³ in each stratum, shape (…, S, 7). y is the value of
        a unit, x its covariate.
        """
        import numpy as np

        strata = moments.shape[-2]
        gram = np.zeros((*moments.shape[:-2], strata, 3, strata, 3))
        stratum = np.arange(strata)
        gram[..., stratum, :, stratum, :] = np.moveaxis(moments[..., [[0, 1, 2], [1, 3, 4], [2, 4, 5]]], -3, 0)
        flat = gram.reshape(*moments.shape[:-2], 3 * strata, 3 * strata)
        cubes = np.zeros((*moments.shape[:-2], *(strata, 2) * 3))
        powers = moments[..., [0, 1, 3, 6]][..., np.indices((2, 2, 2)).sum(0)]  # of y: shape (…, S, 2, 2, 2)
        for s in range(strata):
            cubes[..., s, :, s, :, s, :] = powers[..., s, :, :, :]
        cubes = cubes.reshape(*moments.shape[:-2], *(2 * strata,) * 3)
        return cls(moments[..., 0], moments[..., :3], flat, cubes, moments[..., 0].sum(-1))

    @classmethod
    def from_cluster_sums(cls, sums: Floats) -> Arm:
        """Create an experiment's arm from the sums of its clusters: groups of units that were assigned together.

        sums: the sums of units, value and covariate of each cluster in each stratum, shape (…, clusters, S, 3).
        """
        import numpy as np

        flat = sums.reshape(*sums.shape[:-2], -1)
        drawn = np.full(sums.shape[:-3], float(sums.shape[-3]))
        pairs = sums[..., :2].reshape(*sums.shape[:-2], -1)
        cubes = np.einsum("...ci,...cj,...ck->...ijk", pairs, pairs, pairs, optimize=True)
        return cls((sums[..., 0] > 0).sum(-2).astype(float), sums.sum(-3), flat.swapaxes(-1, -2) @ flat, cubes, drawn)

    @classmethod
    def join(cls, parts: Sequence[Arm]) -> Arm:
        """Create an arm from parts that have no cluster in common, and the same strata. There is at least one part."""
        sums = zip(*((part.clusters, part.total, part.gram, part.cubes, part.drawn) for part in parts), strict=True)
        return cls(*(sum(arrays[1:], arrays[0]) for arrays in sums))

    def mean(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return the arm's means of value and covariate per unit, shape (…, 2), and their covariance, shape (…, 2, 2).

        weight: the weights of the strata, shape (…, S). The covariance is that of a ratio of sums, by the delta method.
        """
        import numpy as np

        units = self.total[..., 0]
        means, scale = self.total[..., 1:] / units[..., None], weight / units
        linear = np.zeros((*means.shape[:-1], 3, 2))  # the derivatives of the means by the sums of a cluster
        linear[..., 0, :] = -means * scale[..., None]
        linear[..., 1, 0] = linear[..., 2, 1] = scale
        flat = linear.reshape(*means.shape[:-2], -1, 2)
        covariance = flat.swapaxes(-1, -2) @ self.gram @ flat * (self.drawn / (self.drawn - 1))[..., None, None]
        return (weight[..., None] * means).sum(-2), covariance

    def needed_clusters(self, weight: Floats) -> Floats:
        """Return the least number of clusters for the skewness of their values, shape (…). weight: as in `mean`."""
        import numpy as np

        strata, scale = self.total.shape[-2], weight / self.total[..., 0]
        means = self.total[..., 1] / self.total[..., 0]
        linear = np.stack([-means * scale, scale], -1).reshape(*scale.shape[:-1], -1)
        units_and_value = np.arange(3 * strata).reshape(strata, 3)[:, :2].ravel()
        squares = self.gram[..., units_and_value[:, None], units_and_value]
        total = np.einsum("...ij,...i,...j", squares, linear, linear)
        return needed_observations(self.drawn, total, np.einsum("...ijk,...i,...j,...k", self.cubes, *[linear] * 3))


@dataclass(frozen=True)
class BoundedArms:
    """The sums of an experiment whose values have declared bounds, and whose units were drawn one by one.

    - weight: the weights of the strata, shape (…, S).
    - arms: for each arm, the sums of 1, y and y² over its units in each stratum, shape (…, S, 3).
    - bounds: the smallest and the greatest possible y.
    """

    weight: Floats
    arms: Sequence[Floats]
    bounds: tuple[float, float]

    @classmethod
    def of(cls, weight: Floats, arms: Sequence[Arm], bounds: tuple[float, float]) -> BoundedArms:
        """Create the sums from both arms."""
        import numpy as np

        squares = 3 * np.arange(weight.shape[-1]) + 1
        sums = [np.stack([*np.moveaxis(a.total[..., :2], -1, 0), a.gram[..., squares, squares]], -1) for a in arms]
        return cls(weight, sums, bounds)

    def reach(self, confidence: float) -> Any:
        """Return half of the width of the interval of the difference, shape (…). Each mean gets an equal error."""
        error = (1 - confidence) / (len(self.arms) * self.weight.shape[-1])
        reaches = [bounded_reach(a[..., 0], a[..., 1], a[..., 2], self.bounds, error) for a in self.arms]
        return (self.weight * sum(reaches)).sum(-1)


@dataclass(frozen=True)
class Effect:
    """The difference between an experiment's arms in the mean value of a unit, with its precision.

    Every field is an array with one element per evaluation of the experiment, shape (…).

    - value: the difference, model minus current process.
    - error: the standard error of the difference.
    - freedom: Welch's degrees of freedom.
    - units: the number of units in both arms together.
    - slope: the coefficient of the covariate, whose effect CUPED subtracts.
    - imbalance: the difference of the covariate between the arms, in standard errors. Only chance can cause a
      difference, if units were assigned to the arms as declared.
    - fewest: the number of clusters in the smaller arm.
    - needed: the least number of clusters in the smaller arm, for the skewness of their values. NaN: not known.
    - bounded: the arms, if values have declared bounds. With fewer clusters, the interval then rests on these bounds.
    """

    value: Any
    error: Any
    freedom: Any
    units: Any
    slope: Any
    imbalance: Any
    fewest: Any
    needed: Any
    bounded: BoundedArms | None = field(default=None, kw_only=True)

    @property
    def problem(self) -> str:
        """Why there is no always-valid interval, for a single evaluation; empty if there is one."""
        drawn = "independently drawn units or groups"
        if self.fewest < MINIMUM_CLUSTERS:
            return f"too early to say: each arm needs at least {MINIMUM_CLUSTERS} {drawn}"
        if self.fewest >= self.needed or self.bounded:
            return ""
        if not math.isfinite(self.needed):
            return f"too early to say: {NOT_IN_ACCOUNTS}"
        return (
            f"too heavy-tailed to say: a few extreme values decide, so each arm needs at least {self.needed:,.0f}"
            f" {drawn}, and the smaller one has {self.fewest:,.0f}"
        )

    def single_look_interval(self, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
        """Return the confidence interval for a single evaluation at a time fixed in advance (Welch's t).

        The interval is (low, high), each of shape (…). Both ends are NaN if the values are too skewed for their number.
        """
        from scipy.stats import t

        reach = self._allow_for_skewness(t.ppf(0.5 + confidence / 2, self.freedom) * self.error, confidence)
        return self.value - reach, self.value + reach

    def always_valid_interval(self, planned_units: float, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
        """Return the confidence interval that stays valid however often it is computed: (low, high), each shape (…).

        The interval is narrowest at `planned_units` (see `sequence_reach`). Both ends are NaN if an arm has fewer than
        MINIMUM_CLUSTERS clusters, or if the values are too skewed for their number.
        """
        import numpy as np

        reach = sequence_reach(self.units, self.freedom, planned_units, confidence) * self.error
        reach = self._allow_for_skewness(reach, confidence)
        reach = np.where(self.fewest < MINIMUM_CLUSTERS, np.nan, reach)
        return self.value - reach, self.value + reach

    def _allow_for_skewness(self, reach: Any, confidence: float) -> Any:
        """Return half of the width of an interval: of the bounded one, or NaN, where the values are too skewed."""
        import numpy as np

        skewed = self.bounded.reach(confidence) if self.bounded else np.nan
        return np.where(np.asarray(self.fewest) >= self.needed, reach, skewed)


def compare_arms(model: Arm, current: Arm, bounds: tuple[float, float] | None = None) -> Effect:
    """Compare the model's arm with the current process's arm. Return the difference in the mean value of a unit.

    Both arms must have units in each stratum. The strata are weighted by the number of units in the model's arm. CUPED
    subtracts slope x difference of the covariate, with the slope that gives the smallest error. No action can have
    changed the covariate, so its difference is only chance. Errors are NaN if there are too few clusters. bounds: the
    smallest and the greatest possible value of a unit. They need units that were drawn one by one, without a covariate.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        weight = model.total[..., 0] / model.total[..., 0].sum(-1, keepdims=True)
        (model_mean, model_covariance), (current_mean, current_covariance) = model.mean(weight), current.mean(weight)
        difference, covariance = model_mean - current_mean, model_covariance + current_covariance
        spread = covariance[..., 1, 1]
        slope = np.where(spread > 0, covariance[..., 0, 1] / np.where(spread > 0, spread, 1), 0.0)
        model_variance = _adjusted_variance(model_covariance, slope)
        current_variance = _adjusted_variance(current_covariance, slope)
        variance = model_variance + current_variance
        freedom = variance**2 / (model_variance**2 / (model.drawn - 1) + current_variance**2 / (current.drawn - 1))
        imbalance = np.where(spread > 0, difference[..., 1] / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)
        needed = np.maximum(model.needed_clusters(weight), current.needed_clusters(weight))
    return Effect(
        value=difference[..., 0] - slope * difference[..., 1],
        error=np.sqrt(variance),
        freedom=freedom,
        units=model.total[..., 0].sum(-1) + current.total[..., 0].sum(-1),
        slope=slope,
        imbalance=imbalance,
        fewest=np.minimum(model.drawn, current.drawn),
        needed=needed,
        bounded=BoundedArms.of(weight, (model, current), bounds) if bounds else None,
    )


def _adjusted_variance(covariance: Floats, slope: Floats) -> Floats:
    """Return the variance of an arm's covariate-adjusted mean: of (value - slope x covariate), never negative."""
    import numpy as np

    variance = covariance[..., 0, 0] - 2 * slope * covariance[..., 0, 1] + slope**2 * covariance[..., 1, 1]
    return np.maximum(variance, 0.0)
