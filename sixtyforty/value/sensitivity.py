"""Compute the gain of the same decisions if a payoff were lower or higher, or if fewer actions worked.

A payoff is a sum of parts, such as the cost of an action. The gain is linear in each part. A part makes a difference
between the decisions and the current process. If the part changes by a share x, the gain changes by x times this
difference. The part for which the gain is zero follows from that. The decisions stay those taken.

Source of the break-even analysis: Drury, Management and Cost Accounting, chapter 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.past_experiment import measure_changed, measure_gain
from sixtyforty.value.period_sums import PayoffsOfPeriod
from sixtyforty.value.rounded_interval import RoundedInterval, round_known

if TYPE_CHECKING:
    from sixtyforty.value.payoff_base import Floats

PayoffKind = Literal["gain", "cost", "value_per_outcome", "shortage_cost", "excess_cost"]
# The share by which each payoff changes. 0 gives the official figure.
PAYOFF_CHANGES = (-0.5, 0.0, 0.5)
SUCCESS_RATES = (1.0, 0.9, 0.75, 0.5)
OPPORTUNITY_COSTS = (0.0, 0.25, 0.5)  # the opportunity cost of an action, as a share of its cost
NO_MONEY = 0.005  # below half a cent in total, a payoff makes no difference


@dataclass(frozen=True)
class PayoffName:
    """One payoff of the declaration: what it is, and of which action. `action` is empty if all actions share it."""

    kind: PayoffKind
    action: str = ""

    def declared(self, kpi: Kpi) -> float | None:
        """Return the declared payoff, in the KPI's currency; None if it is SQL, or is no longer declared."""
        if kpi.amount:
            return float(getattr(kpi.amount, self.kind))
        if self.kind == "value_per_outcome":
            return kpi.treatment.value_per_outcome if kpi.treatment else None
        action = kpi.actions.get(self.action)
        amount = getattr(action, self.kind) if action else None
        return None if isinstance(amount, str) else amount


# For each payoff, the difference that it makes to the gain of each partition, shape (partitions,).
PayoffDifferences: TypeAlias = Mapping[PayoffName, "Floats"]


@dataclass(frozen=True)
class VariedGain:
    """The gain over the current process after a change. Money is in the KPI's currency, to the cent.

    - change: the change: a share by which a payoff changes, a success rate, or a share of the cost.
    - gain, per_1000: the gain in total, and per 1,000 decisions with its interval.
    """

    change: float
    gain: float
    per_1000: RoundedInterval


@dataclass(frozen=True)
class PayoffSensitivity:
    """The gain for each change of one payoff.

    - declared: the declared payoff; None if it is SQL.
    - gains: the gain for each of PAYOFF_CHANGES.
    - break_even_change: the share by which the payoff changes until the gain is zero, at least -1; None if no payoff
      from zero up makes the gain zero.
    - break_even: the payoff for which the gain is zero, to the cent; None if it is SQL or doesn't exist.
    """

    payoff: PayoffName
    declared: float | None
    gains: list[VariedGain]
    break_even_change: float | None
    break_even: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the gains and the break-even for JSON."""
        parts = {name: part for name, part in asdict(self).items() if name != "payoff"}
        return asdict(self.payoff) | parts | {"break_even_change": round_known(self.break_even_change, 4)}


@dataclass(frozen=True)
class Variation:
    """The gain for several success rates, or for several opportunity costs.

    break_even: the rate or the share of the cost for which the gain is zero; None if there is none.
    """

    gains: list[VariedGain]
    break_even: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the gains and the break-even for JSON."""
        return asdict(self) | {"break_even": round_known(self.break_even, 4)}


@dataclass(frozen=True)
class Gains:
    """The official gain of each partition, from which the gains after changes are computed.

    days: the value of each partition, in the order of time.
    """

    kpi: Kpi
    track: Track
    days: Sequence[DailyValue]

    @cached_property
    def by_partition(self) -> Floats:
        """The gain of each partition, in the KPI's currency, shape (partitions,)."""
        import numpy as np

        return np.array([day.model - day.current_process for day in self.days])

    @cached_property
    def official(self) -> RoundedInterval:
        """The official gain per 1,000 decisions, with its interval."""
        return RoundedInterval.of(measure_gain(self.kpi, self.track, self.days))

    def vary(self, differences: Floats, share: float, change: float) -> VariedGain:
        """Return the gain after a payoff that makes these differences changed by a share. change: how to name it.

        If units recur, only the official figure has an interval: the differences aren't known by group of units.
        """
        if not share:
            return VariedGain(change, round(sum(self.by_partition.tolist()), 2), self.official)
        gains = (self.by_partition + share * differences).tolist()
        per_1000 = measure_changed(self.kpi, self.track, self.days, gains)
        return VariedGain(change, round(sum(gains), 2), RoundedInterval.of(per_1000))

    def break_even_change(self, differences: Floats) -> float | None:
        """Return the share by which a payoff changes until the gain is zero; None if it makes no difference."""
        difference = float(differences.sum())
        return None if abs(difference) < NO_MONEY else -float(self.by_partition.sum()) / difference


def vary_payoffs(gains: Gains, differences: PayoffDifferences) -> list[PayoffSensitivity]:
    """Return the gain with each payoff changed by each of PAYOFF_CHANGES. A payoff without any difference is left out.

    The gain of the change 0 is the official figure, to the cent.
    """
    sensitivities = []
    for payoff, of_partitions in differences.items():
        if not of_partitions.any():
            continue
        change, declared = gains.break_even_change(of_partitions), payoff.declared(gains.kpi)
        if change is not None and change < -1:
            change = None
        break_even = None if change is None or declared is None else round(declared * (1 + change), 2)
        varied = [gains.vary(of_partitions, share, share) for share in PAYOFF_CHANGES]
        sensitivities.append(PayoffSensitivity(payoff, declared, varied, change, break_even))
    return sensitivities


def vary_success(gains: Gains, differences: PayoffDifferences) -> Variation | None:
    """Return the gain if only a share of the actions work, of the decisions and of the current process alike.

    An action that doesn't work costs the same, and gains nothing. Return None if no action gains anything, or if the
    effect of the actions was measured in an experiment.
    """
    of_partitions = _add_up_actions(gains, differences, "gain")
    if not of_partitions.any():
        return None
    change = gains.break_even_change(of_partitions)
    rate = None if change is None or not -1 <= change <= 0 else 1 + change
    return Variation([gains.vary(of_partitions, rate - 1, rate) for rate in SUCCESS_RATES], rate)


def vary_opportunity_cost(gains: Gains, differences: PayoffDifferences) -> Variation | None:
    """Return the gain if each action also costs what its means could have earned elsewhere, as a share of its cost.

    Return None if no action costs anything, or if the action is an amount.
    """
    of_partitions = _add_up_actions(gains, differences, "cost")
    if not of_partitions.any():
        return None
    change = gains.break_even_change(of_partitions)
    share = None if change is None or change < 0 else change
    return Variation([gains.vary(of_partitions, cost, cost) for cost in OPPORTUNITY_COSTS], share)


def payoff_differences(kpi: Kpi, payoffs: PayoffsOfPeriod) -> dict[PayoffName, Floats]:
    """Return for each payoff the difference that it makes to the gain of each partition.

    payoffs: `PeriodSums.payoffs`. The differences of all payoffs add up to the gain.
    """
    differences: dict[PayoffName, Floats] = {}
    for (action, current_action, _), (_, taken_gain, taken_cost, current_gain, current_cost) in payoffs.items():
        parts = [
            (_gain_name(kpi, action), taken_gain),
            (_cost_name(kpi, action), -taken_cost),
            (_gain_name(kpi, current_action), -current_gain),
            (_cost_name(kpi, current_action), current_cost),
        ]
        for name, difference in parts:
            differences[name] = differences[name] + difference if name in differences else difference
    return dict(sorted(differences.items(), key=lambda item: (item[0].action, item[0].kind)))


def _gain_name(kpi: Kpi, action: str) -> PayoffName:
    if kpi.amount:
        return PayoffName("shortage_cost")
    return PayoffName("value_per_outcome") if kpi.treatment else PayoffName("gain", action)


def _cost_name(kpi: Kpi, action: str) -> PayoffName:
    return PayoffName("excess_cost") if kpi.amount else PayoffName("cost", action)


def _add_up_actions(gains: Gains, differences: PayoffDifferences, kind: PayoffKind) -> Floats:
    """Return the difference of one kind of payoff in each partition, added over all actions but the idle one."""
    import numpy as np

    idle = gains.kpi.idle_action
    acting = [d for payoff, d in differences.items() if payoff.kind == kind and payoff.action != idle]
    return sum(acting, np.zeros(len(gains.days)))
