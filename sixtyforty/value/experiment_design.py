"""Plan a holdout: compute how many units and days the holdout needs to detect an effect.

Source of the sample size: the two-sample z formula, as in Deng et al. (2013). `experiment.py` gives the half width of
the always-valid interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sixtyforty.value.sequences import CONFIDENCE, sequence_rho

POWER = 0.8


@dataclass(frozen=True)
class HoldoutDesign:
    """The figures that determine how small an effect a holdout can detect.

    - share: the share of the units that keep the current process.
    - deviation: the standard deviation of a unit's value, in the KPI's currency, without the variation that the
      covariate explains. The effect of clusters is included.
    - units_a_day: the number of units in both arms per day.
    """

    share: float
    deviation: float
    units_a_day: float

    def units(
        self, effect: float, always_valid: bool = False, confidence: float = CONFIDENCE, power: float = POWER
    ) -> float:
        """Return the number of units that both arms together need to detect an effect; infinite for an effect of 0.

        The formula for two means is n = (z(confidence) + z(power))² deviation² / (effect² share (1 - share)).

        effect: the effect per unit, in the KPI's currency.
        always_valid: use the half width of the always-valid interval at its planned units instead of z(confidence).
        power: the probability that the effect is detected.
        """
        if not effect:
            return math.inf
        reach = _interval_reach(confidence, always_valid) + normal_quantile(power)
        return (reach * self.deviation / effect) ** 2 / (self.share * (1 - self.share))

    def detectable_effect(self, units: float, always_valid: bool = False) -> float:
        """Return the smallest effect per unit, in the KPI's currency, that is detected with the probability POWER.

        units: the number of units in both arms together. always_valid: whether the always-valid interval is used.
        """
        if not units:
            return math.inf
        reach = _interval_reach(CONFIDENCE, always_valid) + normal_quantile(POWER)
        return reach * self.deviation / math.sqrt(units * self.share * (1 - self.share))

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
