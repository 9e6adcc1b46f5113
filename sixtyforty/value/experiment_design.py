"""Plan a holdout: compute how many units and days the holdout needs to detect an effect.

A unit that recurs, such as a customer, stays in its arm. Its days are no independent observations: what is peculiar to
the customer stays, however long the holdout runs. So the variance of the difference between the arms is

    (between² / clusters + deviation² / units) / (share (1 - share)),

and only the second part shrinks by waiting. With a fixed population, some effects are never detected.

Sources:

- The sample size: the two-sample z formula, as in Deng et al. (2013). `experiment.py` gives the half width of the
  always-valid interval.
- The parts of the variance: the analysis of variance of a one-way random model with unequal groups, Searle, Casella &
  McCulloch (1992), Variance Components, section 3.6.
- The effective number of clusters of unequal size: Kish (1965), Survey Sampling, section 11.7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sixtyforty.value.sequences import CONFIDENCE, sequence_rho

POWER = 0.8


@dataclass(frozen=True)
class ArmClusters:
    """Sums over the clusters of one arm of an experiment, or over units that recur. A cluster has m units with sum s.

    - clusters: the number of clusters. new: of these, the clusters first seen in the second half of the period.
    - units, units_squares: the sums of m and of m².
    - value, value_squares: the sums of the units' values and of their squares.
    - mean_squares: the sum of s² / m.
    """

    clusters: int
    new: int
    units: float
    units_squares: float
    value: float
    value_squares: float
    mean_squares: float


@dataclass(frozen=True)
class ClusterSpread:
    """How the values of units spread: between clusters and within them, in the KPI's currency.

    - between, within: standard deviations.
    - clusters: the effective number of clusters. new_a_day: the effective number of new clusters a day.
    """

    between: float
    within: float
    clusters: float
    new_a_day: float

    @classmethod
    def of_arms(cls, arms: Sequence[ArmClusters], days: float) -> ClusterSpread | None:
        """Return the spread within the arms of an experiment; None if no cluster has several units.

        days: the number of days of the period.
        """
        clusters, units = sum(arm.clusters for arm in arms), sum(arm.units for arm in arms)
        if clusters <= len(arms) or units <= clusters:
            return None
        of_means = sum(arm.mean_squares - arm.value**2 / arm.units for arm in arms)
        within = max(sum(arm.value_squares - arm.mean_squares for arm in arms) / (units - clusters), 0.0)
        freedom = clusters - len(arms)
        typical_size = (units - sum(arm.units_squares / arm.units for arm in arms)) / freedom
        between = max((of_means / freedom - within) / typical_size, 0.0)
        effective = units**2 / sum(arm.units_squares for arm in arms)
        new_a_day = sum(arm.new for arm in arms) / max(days / 2, 1.0) * effective / clusters
        return cls(math.sqrt(between), math.sqrt(within), effective, new_a_day)


@dataclass(frozen=True)
class HoldoutDesign:
    """The figures that determine how small an effect a holdout can detect.

    - share: the share of the units that keep the current process.
    - deviation: the standard deviation of a unit's value, in the KPI's currency, without the variation that the
      covariate explains, and without `between`.
    - units_a_day: the number of units in both arms per day.
    - between: the standard deviation between clusters, or between units that recur; 0 if each unit is new.
    - clusters: the effective number of clusters so far. new_clusters_a_day: the number by which it grows a day.
    """

    share: float
    deviation: float
    units_a_day: float
    between: float = 0.0
    clusters: float = math.inf
    new_clusters_a_day: float = 0.0

    @classmethod
    def of_spread(cls, share: float, units_a_day: float, spread: ClusterSpread) -> HoldoutDesign:
        """Return the design of a holdout whose units recur or are clustered."""
        return cls(share, spread.within, units_a_day, spread.between, spread.clusters, spread.new_a_day)

    @property
    def unit_deviation(self) -> float:
        """The standard deviation of a unit's value, in the KPI's currency, with the variation between clusters."""
        return math.hypot(self.deviation, self.between)

    @property
    def is_fixed(self) -> bool:
        """Whether the same units recur and no new units come, so that waiting doesn't make every effect visible."""
        return self.between > 0 and not self.new_clusters_a_day

    def error(self, units: float) -> float:
        """Return the standard error of the difference between the arms after a number of units in both arms."""
        if not units:
            return math.inf
        days = units / self.units_a_day if self.units_a_day else 0.0
        clusters = min(self.clusters + self.new_clusters_a_day * days, units)
        variance = self.between**2 / clusters + self.deviation**2 / units
        return math.sqrt(variance / (self.share * (1 - self.share)))

    def units(
        self, effect: float, always_valid: bool = False, confidence: float = CONFIDENCE, power: float = POWER
    ) -> float:
        """Return the number of units that both arms together need to detect an effect; infinite if they never do.

        An effect of 0 is never detected. Recurring units may be too few for other effects, too.

        effect: the effect per unit, in the KPI's currency.
        always_valid: use the half width of the always-valid interval at its planned units instead of z(confidence).
        power: the probability that the effect is detected.
        """
        if not effect:
            return math.inf
        reach = _interval_reach(confidence, always_valid) + normal_quantile(power)
        variance = (effect / reach) ** 2 * self.share * (1 - self.share)  # the variance of one unit that is allowed
        units_if_new = self.unit_deviation**2 / variance  # while each unit is the first one of its cluster
        if not self.between:
            return units_if_new
        growth = self.new_clusters_a_day / self.units_a_day if self.units_a_day else 0.0
        # between² / (clusters + growth n) + deviation² / n = variance is a quadratic equation in n.
        a = variance * growth
        b = variance * self.clusters - self.between**2 - self.deviation**2 * growth
        c = -(self.deviation**2) * self.clusters
        if not a:
            return max(-c / b, units_if_new) if b > 0 else math.inf
        root = math.sqrt(b**2 - 4 * a * c)
        positive = -2 * c / (b + root) if b > 0 else (root - b) / (2 * a)  # without cancellation
        return max(positive, units_if_new)

    def detectable_effect(self, units: float, always_valid: bool = False) -> float:
        """Return the smallest effect per unit, in the KPI's currency, that is detected with the probability POWER.

        units: the number of units in both arms together. always_valid: whether the always-valid interval is used.
        """
        return (_interval_reach(CONFIDENCE, always_valid) + normal_quantile(POWER)) * self.error(units)

    def smallest_effect(self, always_valid: bool = False) -> float:
        """Return the effect per unit below which nothing is ever detected with the probability POWER, however long it
        takes; 0 if the units aren't fixed.
        """
        if not self.is_fixed:
            return 0.0
        reach = _interval_reach(CONFIDENCE, always_valid) + normal_quantile(POWER)
        return reach * self.between / math.sqrt(self.clusters * self.share * (1 - self.share))

    def days(self, effect: float, always_valid: bool = False, observed_units: float = 0.0) -> float:
        """Return the number of days still needed to detect an effect per unit, rounded up; infinite if no units arrive.

        effect: in the KPI's currency. observed_units: the number of units that both arms have already. always_valid:
        whether the always-valid interval is used.
        """
        missing_units = max(self.units(effect, always_valid) - observed_units, 0.0)
        if not missing_units:
            return 0
        days = missing_units / self.units_a_day if self.units_a_day else math.inf
        return math.ceil(days) if days < math.inf else days


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution at a probability."""
    from scipy.stats import norm

    return float(norm.ppf(probability))


def _interval_reach(confidence: float, always_valid: bool) -> float:
    """Return half the width of a confidence interval, in standard errors.

    always_valid: whether the interval is the always-valid one, at its planned number of units.
    """
    return math.sqrt(sequence_rho(1, confidence) ** 2 + 1) if always_valid else normal_quantile(0.5 + confidence / 2)
