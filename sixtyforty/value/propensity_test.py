"""Test whether the units of a past experiment received their actions with the declared propensities.

Suppose that each unit received an action with its propensity p. Add up 1 / p over the units that received it: the mean
of this sum is the number of all units. The test compares both for each action, overall and by month. The interval of
the sum is an asymptotic confidence sequence (`sequences.py`), so the test may be repeated every day. LEVEL is the
probability of a false alarm over the whole time, all strata and all actions together. An action that fewer than
MINIMUM_RECEIVED units received isn't tested, because its sum is too skewed. A policy that takes such an action has too
little overlap.

Source of the weighted sum: Horvitz & Thompson (1952), JASA 47. The declared shares of an experiment have the exact test
of `share_test.py` instead, which needs the same probabilities for all units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sixtyforty.spec.wording import format_plural, join_first
from sixtyforty.value.sequences import sequence_reach
from sixtyforty.value.share_test import LEVEL, SHOWN_STRATA

MINIMUM_RECEIVED = 30
PLANNED_UNITS = 1000  # the number of units at which the test is most sensitive


@dataclass(frozen=True)
class ActionWeights:
    """The units of a stratum that received one action: their number, and the sums of 1 / p and of 1 / p²."""

    received: int
    total: float
    squares: float

    def deviation(self, units: int) -> float:
        """Return the distance of the total from the number of all units, in standard errors; 0 if it isn't tested.

        units: the number of units of the stratum, whatever their action.
        """
        if self.received < MINIMUM_RECEIVED:
            return 0.0
        variance = units / (units - 1) * (self.squares - self.total**2 / units)
        if variance <= 1e-9 * self.squares:  # every unit received the action with the same propensity
            return math.copysign(math.inf, self.total - units) if abs(self.total - units) > 1e-6 * units else 0.0
        return (self.total - units) / math.sqrt(variance)


@dataclass(frozen=True)
class WeighedUnits:
    """The units of one stratum of a past experiment, with the weights of those that received each action."""

    stratum: str
    units: int
    actions: Mapping[str, ActionWeights]

    def uncalibrated(self, level: float) -> list[str]:
        """Return the actions whose weights don't add up to the number of units. level: probability of a false alarm."""
        tests = max(len(self.actions), 1)
        names = []
        for name, weights in self.actions.items():
            freedom = max(weights.received - 1, 1)
            reach = sequence_reach(self.units, freedom, PLANNED_UNITS, 1 - level / tests)
            if abs(weights.deviation(self.units)) > reach:
                names.append(name)
        return names

    def describe(self, names: Sequence[str]) -> str:
        """Return what the weights of some actions add up to: `overall, 400 units: the weights of act add up to 812`."""
        sums = ", ".join(f"the weights of {name} add up to {self.actions[name].total:,.0f}" for name in names)
        return f"{self.stratum}, {format_plural(self.units, 'unit')}: {sums}"


def describe_uncalibrated(strata: Sequence[WeighedUnits], column: str, level: float = LEVEL) -> str | None:
    """Return a text on the strata whose propensities don't fit the received actions; None if all fit.

    column: the column of outcomes.sql with the propensities.
    """
    texts = [
        stratum.describe(names) for stratum in strata if (names := stratum.uncalibrated(level / max(len(strata), 1)))
    ]
    if not texts:
        return None
    return (
        f"the propensities in '{column}' (kpi.treatment.propensity) don't fit the received actions: for each action,"
        f" the sum of 1 / propensity should be near the number of units ({join_first(texts, SHOWN_STRATA)}). Correct"
        " the column in outcomes.sql. Return null as the received action of units that couldn't receive every action."
    )
