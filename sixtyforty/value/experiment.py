"""Measure the effect of an action that changes the outcome: the difference between two arms drawn at random.

Nobody can observe what a unit's outcome would have been under the other action. A hash (`decisions/assignment.py`)
therefore draws a share of the units that keep the current process, and the means of the two arms are compared. The
randomised thing is a unit, or a cluster of units that stay together. All sums are over clusters, so one formula serves
both. Units decided under different shares form different strata and are compared within each stratum. Otherwise, a
share that changes with the season would look like an effect.

Sources:

- Ratio metrics by the delta method: Deng, Knoblich & Lu (2018), "Applying the Delta Method in Metric Analytics".
- CUPED: Deng, Xu, Kohavi & Walker (2013), "Improving the Sensitivity of Online Controlled Experiments by Utilizing
  Pre-Experiment Data".
- The always-valid interval: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory
  and asymptotic confidence sequences", Annals of Statistics 52(6). Theorem 2.2; appendix B.2 gives the best rho.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
MINIMUM_CLUSTERS = 20  # clusters in each arm; in simulations the always-valid interval keeps its coverage from here on


@dataclass(frozen=True)
class Arm:
    """Sums of one arm over its clusters, in each of S strata. Leading axes hold several looks or runs.

    `clusters`: number of clusters with units in a stratum, (…, S). `total`: sums of units, value and covariate,
    (…, S, 3). `gram`: products of a cluster's sums, added over clusters, (…, 3S, 3S). `drawn`: number of clusters in
    the arm over all strata, (…).
    """

    clusters: Floats
    total: Floats
    gram: Floats
    drawn: Floats

    @classmethod
    def from_unit_sums(cls, moments: Floats) -> Arm:
        """Build an arm whose units were drawn one by one.

        `moments` has shape (…, S, 6): the sums of 1, y, x, y², xy and x², for the value y and the covariate x.
        """
        import numpy as np

        strata = moments.shape[-2]
        gram = np.zeros((*moments.shape[:-2], strata, 3, strata, 3))
        stratum = np.arange(strata)
        gram[..., stratum, :, stratum, :] = np.moveaxis(moments[..., [[0, 1, 2], [1, 3, 4], [2, 4, 5]]], -3, 0)
        flat = gram.reshape(*moments.shape[:-2], 3 * strata, 3 * strata)
        return cls(moments[..., 0], moments[..., :3], flat, moments[..., 0].sum(-1))

    @classmethod
    def from_cluster_sums(cls, sums: Floats) -> Arm:
        """Build an arm whose clusters were drawn: (…, clusters, S, 3), the units, value and covariate of each."""
        import numpy as np

        flat = sums.reshape(*sums.shape[:-2], -1)
        drawn = np.full(sums.shape[:-3], float(sums.shape[-3]))
        return cls((sums[..., 0] > 0).sum(-2).astype(float), sums.sum(-3), flat.swapaxes(-1, -2) @ flat, drawn)

    def mean(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return the means of value and covariate, (…, 2), and their covariance, (…, 2, 2).

        `weight` (…, S) weights the strata. The covariance is the delta method's for a ratio of sums.
        """
        import numpy as np

        units = self.total[..., 0]
        means, scale = self.total[..., 1:] / units[..., None], weight / units
        linear = np.zeros((*means.shape[:-1], 3, 2))  # how much each sum of a cluster adds to the error of the means
        linear[..., 0, :] = -means * scale[..., None]
        linear[..., 1, 0] = linear[..., 2, 1] = scale
        flat = linear.reshape(*means.shape[:-2], -1, 2)
        covariance = flat.swapaxes(-1, -2) @ self.gram @ flat * (self.drawn / (self.drawn - 1))[..., None, None]
        return (weight[..., None] * means).sum(-2), covariance


@dataclass(frozen=True)
class Effect:
    """Difference of the mean value of a unit between the arms; every field has shape (…).

    `value`: the difference. `error`: its standard error. `freedom`: Welch's degrees of freedom. `units`: units of both
    arms. `slope`: coefficient of the covariate that CUPED subtracts. `imbalance`: difference of the covariate in
    standard errors; only chance can cause it. `fewest`: clusters of the smaller arm.
    """

    value: Any
    error: Any
    freedom: Any
    units: Any
    slope: Any
    imbalance: Any
    fewest: Any

    def single_look_interval(self, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
        """Return the interval for one look at a time that was fixed in advance (Welch's t)."""
        from scipy.stats import t

        reach = t.ppf(0.5 + confidence / 2, self.freedom) * self.error
        return self.value - reach, self.value + reach

    def always_valid_interval(self, planned_units: float, confidence: float = CONFIDENCE) -> tuple[Any, Any]:
        """Return the interval that stays valid however often anybody looks; narrowest at the planned units.

        This is the asymptotic confidence sequence: error x sqrt((1 + 1/u) log((u + 1) / alpha²)), u = units x rho².
        The sequence assumes a known error, so Welch's t replaces its normal quantile. Below MINIMUM_CLUSTERS in either
        arm both ends are NaN.
        """
        import numpy as np
        from scipy.stats import norm, t

        scaled_units = self.units * sequence_rho(planned_units, confidence) ** 2
        normal = np.sqrt((1 + 1 / scaled_units) * np.log((scaled_units + 1) / (1 - confidence) ** 2))
        reach = t.isf(norm.sf(normal), self.freedom) * self.error
        reach = np.where(self.fewest < MINIMUM_CLUSTERS, np.nan, reach)
        return self.value - reach, self.value + reach


def sequence_rho(planned_units: float, confidence: float = CONFIDENCE) -> float:
    """Return the parameter that makes the always-valid interval narrowest at a number of units."""
    from scipy.special import lambertw

    return math.sqrt((-lambertw(-((1 - confidence) ** 2) / math.e, k=-1).real - 1) / planned_units)


def compare_arms(model: Arm, current: Arm) -> Effect:
    """Compare the model's arm with the current process's arm, per unit, weighted like the model's units.

    Both arms need units in each stratum. CUPED subtracts the covariate's difference times the slope that leaves the
    smallest error: no action can have moved the covariate, so chance alone explains its difference. Errors are NaN
    where there are too few clusters.
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
    return Effect(
        value=difference[..., 0] - slope * difference[..., 1],
        error=np.sqrt(variance),
        freedom=freedom,
        units=model.total[..., 0].sum(-1) + current.total[..., 0].sum(-1),
        slope=slope,
        imbalance=imbalance,
        fewest=np.minimum(model.drawn, current.drawn),
    )


def _adjusted_variance(covariance: Floats, slope: Floats) -> Floats:
    """Return the variance of value - slope x covariate; never negative."""
    import numpy as np

    variance = covariance[..., 0, 0] - 2 * slope * covariance[..., 0, 1] + slope**2 * covariance[..., 1, 1]
    return np.maximum(variance, 0.0)
