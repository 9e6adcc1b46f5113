"""The result of a holdout so far, as figures and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sixtyforty.spec.money import format_money
from sixtyforty.value.experiment import MINIMUM_CLUSTERS
from sixtyforty.value.experiment_design import HoldoutDesign, normal_quantile
from sixtyforty.value.lift import Interval

# The p-value below which the arms count as wrongly drawn. In simulations with a check every day for 60 days, it gave a
# false alarm in 1 of 100 holdouts.
MISMATCH_LEVEL = 0.001


@dataclass(frozen=True)
class HoldoutEstimate:
    """The result of a holdout.

    - since: the first partition.
    - units: the number of units in both arms with a known outcome; held_out: how many of them kept the current process.
    - lift: the gain per 1,000 units, in the KPI's currency, with the always-valid interval.
    - single_look: the same with the interval that is valid only once, at a time fixed in advance.
    - gain: the gain over all units in the model's arm.
    - sample_ratio_p_value: the p-value of the test that the sizes of the arms match the declared shares.
    - imbalance: the difference of the covariate between the arms, in standard errors.
    - design: the share, deviation and units per day that were observed.
    """

    since: str
    units: int
    held_out: int
    lift: Interval
    single_look: Interval
    gain: float
    sample_ratio_p_value: float
    imbalance: float
    design: HoldoutDesign

    @property
    def is_trustworthy(self) -> bool:
        """Whether the arms look correctly drawn: neither their sizes nor their covariates differ too much."""
        as_drawn = not self.sample_ratio_p_value < MISMATCH_LEVEL  # NaN, too few clusters for the test, passes
        return as_drawn and abs(self.imbalance) < normal_quantile(1 - MISMATCH_LEVEL / 2)

    def to_dict(self, effect: float) -> dict[str, Any]:
        """Return the figures as JSON. Money is rounded to the cent, and unknown figures are null.

        effect: the effect per unit to which `days_left` refers.
        """
        return {
            "since": self.since,
            "units": self.units,
            "held_out": self.held_out,
            "trustworthy": self.is_trustworthy,
            "lift": {name: _rounded(amount) for name, amount in self.lift.__dict__.items()},
            "single_look": {name: _rounded(amount) for name, amount in self.single_look.__dict__.items()},
            "gain": _rounded(self.gain),
            "sample_ratio_p_value": _rounded(self.sample_ratio_p_value, 6),
            "imbalance": _rounded(self.imbalance),
            "deviation": _rounded(self.design.deviation, 4),
            "units_a_day": _rounded(self.design.units_a_day),
            "days_left": _rounded(self.days_left(effect)),
        }

    def days_left(self, effect: float) -> float:
        """Return the number of days until the always-valid interval would probably show an effect per unit."""
        return self.design.days(effect, always_valid=True, observed_units=self.units)


def _rounded(number: float, digits: int = 2) -> float | None:
    return round(number, digits) if math.isfinite(number) else None


def describe_estimate(estimate: HoldoutEstimate | None, currency: str, unit_plural: str, effect: float) -> str:
    """Return one or two sentences that describe the result of a holdout.

    estimate: None if no unit has a known outcome yet. effect: the target gain per 1,000 units.
    """
    if estimate is None:
        return f"No result yet: the {unit_plural} of both arms have no known outcome."
    if not estimate.is_trustworthy:
        return (
            f"No figure can be trusted: the {unit_plural} that kept the current process differ from those that were"
            " drawn, in number or in kind. Find out where some of them get lost."
        )
    if math.isnan(estimate.lift.low):
        return (
            f"Too early to say: {estimate.units:,} {unit_plural} so far, of which {estimate.held_out:,} were held out."
            f" Each arm needs at least {MINIMUM_CLUSTERS} that were drawn independently."
        )
    return _describe_interval(estimate, currency, unit_plural, effect)


def _describe_interval(estimate: HoldoutEstimate, currency: str, unit_plural: str, effect: float) -> str:
    lift = estimate.lift
    value, low, high = (format_money(amount, currency, signed=True) for amount in (lift.value, lift.low, lift.high))
    figures = f"{value} per 1,000 {unit_plural} (95% confidence interval {low} to {high})"
    if lift.low > 0:
        return f"The model gains {figures}."
    if lift.high < 0:
        return f"The model loses: {figures}. The current process does better."
    difference = format_money(effect, currency)
    days = estimate.days_left(effect / 1000)
    if 0 < days < math.inf:
        more_days = "1 more day" if days == 1 else f"{days:,.0f} more days"
        outlook = f"A difference of {difference} would probably show after about {more_days}."
    else:
        outlook = f"A difference of {difference} would probably have shown by now."
    return f"No effect shown: {figures}. {outlook}"
