"""Plan a holdout: how many units and days it needs to detect an effect.

Source of the sample size: the two-sample z formula, as in Deng et al. (2013); the always-valid interval's reach is
that of `experiment.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sixtyforty.value.experiment import CONFIDENCE, sequence_rho

POWER = 0.8


@dataclass(frozen=True)
class HoldoutDesign:
    """The sensitivity of a holdout.

    `share`: share of the units that keep the current process. `deviation`: standard deviation of a unit's value in the
    KPI's currency, after the covariate and with clustering. `units_a_day`: units of both arms in a day.
    """

    share: float
    deviation: float
    units_a_day: float

    def units(
        self, effect: float, always_valid: bool = False, confidence: float = CONFIDENCE, power: float = POWER
    ) -> float:
        """Return the units of both arms that detect an effect per unit with this power.

        n = (z(confidence) + z(power))² deviation² / (effect² share (1 - share)), as for any two means. With
        `always_valid`, the reach of the always-valid interval at its planned units replaces z(confidence).
        """
        if not effect:
            return math.inf
        reach = _interval_reach(confidence, always_valid) + normal_quantile(power)
        return (reach * self.deviation / effect) ** 2 / (self.share * (1 - self.share))

    def detectable_effect(self, units: float, always_valid: bool = False) -> float:
        """Return the smallest effect per unit that a number of units of both arms detects with power POWER."""
        if not units:
            return math.inf
        reach = _interval_reach(CONFIDENCE, always_valid) + normal_quantile(POWER)
        return reach * self.deviation / math.sqrt(units * self.share * (1 - self.share))

    def days(self, effect: float, always_valid: bool = False, observed_units: float = 0.0) -> float:
        """Return the days still needed for an effect per unit, rounded up; infinite if no units arrive."""
        missing_units = max(self.units(effect, always_valid) - observed_units, 0.0)
        if not missing_units:
            return 0
        days = missing_units / self.units_a_day if self.units_a_day else math.inf
        return math.ceil(days) if days < math.inf else days


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    from scipy.stats import norm

    return float(norm.ppf(probability))


def _interval_reach(confidence: float, always_valid: bool) -> float:
    """Return an interval's half width in standard errors; the always-valid one's at its planned units."""
    return math.sqrt(sequence_rho(1, confidence) ** 2 + 1) if always_valid else normal_quantile(0.5 + confidence / 2)
