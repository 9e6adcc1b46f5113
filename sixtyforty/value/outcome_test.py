"""Test the assumption of `measurement: exact` that the action doesn't change the outcome.

Units drawn at random keep the current process. The model decides about the others, and acts on some of them
differently. If no action changes the outcome, the mean outcomes of the two arms differ only by chance. The interval of
their difference is always valid (`experiment.py`), so the test may be repeated every day. It also bounds the change:
two one-sided tests of equivalence pass for each margin outside the interval (Schuirmann 1987, Journal of
Pharmacokinetics and Biopharmaceutics 15(6)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sixtyforty.spec.wording import capitalize_first
from sixtyforty.value.lift import NO_INTERVAL, Interval
from sixtyforty.value.rounded_interval import round_known


@dataclass(frozen=True)
class OutcomeTest:
    """The outcomes of the two arms of a holdout. Outcomes are per unit.

    - units, held_out: the number of units in both arms with a known outcome, and of those that were held out.
    - model_rate, holdout_rate: the mean outcome in the model's arm and in the holdout.
    - difference: model's arm minus holdout, with the always-valid 95% interval. NaN: too few units.
    - problem: why the arms can't be compared, such as other shares than declared; empty if they can.
    """

    units: int
    held_out: int
    model_rate: float
    holdout_rate: float
    difference: Interval
    problem: str = ""

    @property
    def is_refuted(self) -> bool:
        """Whether the interval excludes zero: the action changes the outcome, so no figure is exact."""
        return not self.problem and (self.difference.low > 0 or self.difference.high < 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the test for JSON. Unknown figures are null."""
        rates = {"model_rate": self.model_rate, "holdout_rate": self.holdout_rate}
        ends = {"difference": self.difference.value, "low": self.difference.low, "high": self.difference.high}
        return {
            "units": self.units,
            "held_out": self.held_out,
            **{name: round_known(number, 6) for name, number in (rates | ends).items()},
            "refuted": self.is_refuted,
            "problem": self.problem,
        }

    def describe(self, unit_plural: str, is_rate: bool) -> str:
        """Return what the holdout says about the assumption, in sentences. is_rate: whether the outcome is binary."""

        def show(outcome: float) -> str:
            return f"{outcome:.2%}" if is_rate else f"{outcome:,.4g}"

        rates = (
            f"the mean outcome is {show(self.model_rate)} where the model decides and {show(self.holdout_rate)} in the"
            f" holdout ({self.held_out:,} of {self.units:,} {unit_plural})"
        )
        low, high = self.difference.low, self.difference.high
        if self.problem:
            return f"The holdout can't test whether the action changes the outcome: {self.problem}"
        if math.isnan(low):
            return (
                f"The holdout can't test yet whether the action changes the outcome: {rates}."
                f" {capitalize_first(self.difference.problem or NO_INTERVAL)}."
            )
        interval = f"95% confidence interval of the difference {show(low)} to {show(high)}"
        if self.is_refuted:
            return (
                f"Refuted: the action changes the outcome, so the figures don't hold. In the holdout test, {rates};"
                f" {interval}. Declare kpi.measurement: randomized."
            )
        return (
            f"The holdout shows no change of the outcome by the action: {rates}; {interval}. So any change is smaller"
            f" than {show(max(-low, high))}."
        )
