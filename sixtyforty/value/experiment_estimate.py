"""Describe the result of a holdout so far, in figures and in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sixtyforty.spec.money import format_money
from sixtyforty.spec.wording import capitalize_first
from sixtyforty.value.experiment_design import HoldoutDesign, normal_quantile
from sixtyforty.value.lift import NO_INTERVAL, Interval
from sixtyforty.value.rounded_interval import RoundedInterval, round_known
from sixtyforty.value.share_test import DealtUnits, describe_mismatches

IMBALANCE_LEVEL = 0.001  # probability that the covariate of correctly drawn arms is reported as different


@dataclass(frozen=True)
class HoldoutEstimate:
    """The result of a holdout. Money is in the KPI's currency.

    `since`: first partition. `units`: number of units in both arms, of which `held_out` kept the current process.
    `lift`: gain over the current process per 1,000 units, with the always-valid interval. `single_look`: the same gain,
    with an interval for one evaluation at a time fixed in advance. `gain`: total gain on the units of the model's arm.
    `sample_ratio_p_value`: p-value of the test that the arms were drawn by the declared shares (`share_test.py`).
    `imbalance`: difference of the covariate between the arms, in standard errors. `design`: the design with the
    observed share, deviation and units a day. `mismatches`: the strata whose arms weren't drawn by the declared shares.
    `broken_bounds`: why the declared bounds of a unit's value don't hold; empty if they do.
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
    mismatches: Sequence[DealtUnits] = ()
    broken_bounds: str = field(default="", kw_only=True)

    @property
    def is_trustworthy(self) -> bool:
        """Whether the arms have the declared shares of units and values within the declared bounds, and differ only by
        chance in the covariate's mean.
        """
        return (
            not self.mismatches
            and not self.broken_bounds
            and abs(self.imbalance) < normal_quantile(1 - IMBALANCE_LEVEL / 2)
        )

    def to_dict(self, effect: float) -> dict[str, Any]:
        """Return the figures of the holdout for JSON. Money is rounded to the cent, and unknown figures are null.

        effect: the effect per unit, in the KPI's currency, for which `days_left` is computed.
        """
        return {
            "since": self.since,
            "units": self.units,
            "held_out": self.held_out,
            "trustworthy": self.is_trustworthy,
            "shares": [
                {"stratum": m.stratum, "declared": dict(m.declared), "seen": dict(m.seen)} for m in self.mismatches
            ],
            "lift": RoundedInterval.of(self.lift).to_dict(),
            "single_look": RoundedInterval.of(self.single_look).to_dict(),
            "gain": round_known(self.gain),
            "sample_ratio_p_value": round_known(self.sample_ratio_p_value, 6),
            "imbalance": round_known(self.imbalance),
            "deviation": round_known(self.design.unit_deviation, 4),
            "units_a_day": round_known(self.design.units_a_day),
            "days_left": round_known(self.days_left(effect)),
        }

    def days_left(self, effect: float) -> float:
        """Return the number of days until the always-valid interval would probably show an effect.

        effect: the effect per unit, in the KPI's currency.
        """
        return self.design.days(effect, always_valid=True, observed_units=self.units)


def describe_estimate(estimate: HoldoutEstimate | None, currency: str, unit_plural: str, effect: float) -> str:
    """Return one or two sentences that describe the result of a holdout.

    estimate: None if no unit has a known outcome yet. effect: the target gain per 1,000 units.
    """
    if estimate is None:
        return f"The holdout has no result yet: none of the {unit_plural} in both arms has a known outcome."
    if refusal := describe_refusal(estimate, unit_plural):
        return f"No figure of the holdout can be trusted: {refusal}"
    if math.isnan(estimate.lift.low):
        return (
            f"{capitalize_first(estimate.lift.problem or NO_INTERVAL)}. So far, {estimate.units:,} {unit_plural} are in"
            f" both arms, of which {estimate.held_out:,} were held out."
        )
    return _describe_interval(estimate, currency, unit_plural, effect)


def describe_refusal(estimate: HoldoutEstimate, unit_plural: str) -> str | None:
    """Return why the figures of a holdout can't be trusted; None if they can be trusted."""
    if estimate.mismatches:
        return describe_mismatches(estimate.mismatches, "kpi.holdout.share")
    if estimate.broken_bounds:
        return estimate.broken_bounds
    if estimate.is_trustworthy:
        return None
    return (
        f"the {unit_plural} that kept the current process differ from the other {unit_plural} in kpi.holdout.covariate"
        f" by {abs(estimate.imbalance):.1f} standard errors. Find out why some {unit_plural} are missing."
    )


def _describe_interval(estimate: HoldoutEstimate, currency: str, unit_plural: str, effect: float) -> str:
    lift = estimate.lift
    gain, low, high = (format_money(amount, currency, signed=True) for amount in (lift.value, lift.low, lift.high))
    figures = f"{gain} per 1,000 {unit_plural} (95% confidence interval {low} to {high})"
    if lift.low > 0:
        return f"The model gains {figures}."
    if lift.high < 0:
        return f"The model loses: {figures}. The current process does better."
    difference = format_money(effect, currency)
    days = estimate.days_left(effect / 1000)
    if 0 < days < math.inf:
        more_days = "1 more day" if days == 1 else f"{days:,.0f} more days"
        outlook = f"A difference of {difference} would probably show after about {more_days}."
    elif days == math.inf and estimate.design.is_fixed:
        smallest = format_money(1000 * estimate.design.smallest_effect(always_valid=True), currency)
        outlook = (
            f"Waiting won't show a difference of {difference}, because the same {unit_plural} recur. The smallest"
            f" difference that would show is {smallest}."
        )
    else:
        outlook = f"A difference of {difference} would probably have shown by now."
    return f"No effect shown: {figures}. {outlook}"
