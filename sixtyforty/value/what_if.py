"""Answer "what if": the gain of the decisions taken, if payoffs, the success rate, the capacity or the costs differed.

Everything follows from the accounts. The gain is linear in each payoff (see `sensitivity.py`), and the accounts hold
what the actions above some capacities paid (see `capacity.py`). The decisions stay those taken.

An assumption is a mapping from the name of a variable, such as `cost.standby`, to the assumed number. Variables that it
doesn't name stay as declared. The empty assumption gives the figures of the account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from sixtyforty.spec.actions import Costs
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.value.activity import Activity, measure_activity
from sixtyforty.value.capacity import capacities
from sixtyforty.value.past_experiment import measure_changed
from sixtyforty.value.rounded_interval import RoundedInterval, round_known
from sixtyforty.value.sensitivity import (
    NO_MONEY,
    Gains,
    PayoffDifferences,
    PayoffName,
    payoff_differences,
    vary_success,
)
from sixtyforty.value.summary import Balance, balance_gains

if TYPE_CHECKING:
    from sixtyforty.value.period_sums import PeriodSums

Assumption = Mapping[str, float]
VariableUnit = Literal["money", "percent", "actions"]
SUCCESS, CAPACITY, BUILD, PER_MONTH = "success", "capacity", "build", "per_month"
MAXIMUM_MONEY = 1e9
MAXIMUM_PERCENT = 1000.0  # of a payoff that differs by unit
CAPACITY_ALONE = (
    "The accounts hold what the actions above a capacity paid, but not for which payoff. Set either the capacity, or"
    " payoffs and the success rate."
)


class WhatIfError(SixtyfortyError):
    """The accounts can't answer an assumption."""


@dataclass(frozen=True)
class Variable:
    """A number that can be assumed.

    - name: such as `cost.standby`, `success` or `per_month`.
    - declared: the number in force: an amount in the KPI's currency, or a percentage; None for no capacity.
    - minimum, maximum: the bounds of what can be assumed.
    - choices: the only numbers that can be assumed; empty if all numbers within the bounds can.
    - payoff: the payoff that this is; None if it is none.
    """

    name: str
    unit: VariableUnit
    declared: float | None
    minimum: float
    maximum: float
    choices: tuple[int, ...] = ()
    payoff: PayoffName | None = None

    def allows(self, number: float) -> bool:
        """Return whether the number can be assumed. NaN can't."""
        return number in self.choices if self.choices else self.minimum <= number <= self.maximum


@dataclass(frozen=True)
class Answer:
    """The figures under an assumption. Money is in the KPI's currency, to the cent.

    - gain, per_1000: the gain over the current process in total, and per 1,000 decisions with its interval.
    - balance: the costs, the net benefit, and the partition from which the gain covers the costs.
    - break_evens: by name of a variable, the number for which the gain is zero. For the costs of the use case, it is
      the number for which the net benefit is zero. The other variables stay as assumed. None if no number is possible.
    - activity: the actions of the decisions taken, at most the capacity; None if they aren't known.
    """

    gain: float
    per_1000: RoundedInterval
    balance: Balance
    break_evens: Mapping[str, float | None]
    activity: Activity | None


@dataclass(frozen=True)
class WhatIf:
    """The accounts of a track, from which assumptions are answered.

    - gains: the official gain of each partition. official: the official gain per 1,000 decisions.
    - sums: the unit sums of the same partitions; None if the payoffs can't be varied.
    - days_apart: see `balance_gains`.
    """

    gains: Gains
    official: RoundedInterval
    sums: PeriodSums | None
    days_apart: float

    @cached_property
    def differences(self) -> PayoffDifferences:
        """The difference that each payoff makes to the gain of each partition.

        Payoffs that make no difference, or are declared as 0, are left out: no other amount follows from the accounts.
        """
        if self.sums is None:
            return {}
        kpi = self.gains.kpi
        differences = payoff_differences(kpi, self.sums.payoffs)
        return {payoff: d for payoff, d in differences.items() if d.any() and payoff.declared(kpi) != 0}

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """What can be assumed, by name."""
        return {variable.name: variable for variable in self._list_variables()}

    def _list_variables(self) -> Iterator[Variable]:
        for payoff in self.differences:
            name, declared = name_variable(payoff), payoff.declared(self.gains.kpi)
            if declared is None:
                yield Variable(name, "percent", 100.0, 0.0, MAXIMUM_PERCENT, payoff=payoff)
            else:
                lowest = -MAXIMUM_MONEY if declared < 0 else 0.0
                yield Variable(name, "money", declared, lowest, MAXIMUM_MONEY, payoff=payoff)
        if vary_success(self.gains, self.differences):
            yield Variable(SUCCESS, "percent", 100.0, 0.0, 100.0)
        if steps := self._list_capacities():
            yield Variable(CAPACITY, "actions", None, steps[0], steps[-1], steps)
        costs = self.gains.kpi.costs
        yield Variable(BUILD, "money", costs.build, 0.0, MAXIMUM_MONEY)
        yield Variable(PER_MONTH, "money", costs.per_month, 0.0, MAXIMUM_MONEY)

    def _list_capacities(self) -> tuple[int, ...]:
        """Return the capacities whose gain the accounts hold; none if the order of the actions isn't known."""
        days, least = self.gains.days, next(capacities(10**9))
        if self.sums is None or not all(day.lost_above for day in days if day.acted > least):
            return ()
        return tuple(capacities(max((day.acted for day in days), default=0)))

    def answer(self, assumption: Assumption) -> Answer:
        """Return the figures under an assumption.

        Raises WhatIfError if a variable doesn't exist or doesn't allow its number, or if the variables can't be
        combined.
        """
        changed = self._require_possible(assumption)
        gains, per_1000 = self._assume_gains(changed)
        costs = self.gains.kpi.costs
        assumed = Costs(
            build=changed.get(BUILD, costs.build),
            per_month=changed.get(PER_MONTH, costs.per_month),
        )
        partitions = [day.partition for day in self.gains.days]
        balance = balance_gains(assumed, partitions, gains, self.days_apart)
        return Answer(
            gain=round(balance.gain, 2),
            per_1000=per_1000,
            balance=_to_the_cent(balance),
            break_evens=self._break_evens(changed, balance),
            activity=self._limit_activity(changed.get(CAPACITY)),
        )

    def _require_possible(self, assumption: Assumption) -> dict[str, float]:
        """Return the assumed numbers that differ from the declared ones."""
        for name, number in assumption.items():
            if name not in self.variables or not self.variables[name].allows(number):
                raise WhatIfError(f"{name} can't be assumed to be {number:g}.")
        changed = {name: number for name, number in assumption.items() if number != self.variables[name].declared}
        if CAPACITY in changed and changed.keys() - {CAPACITY, BUILD, PER_MONTH}:
            raise WhatIfError(CAPACITY_ALONE)
        return changed

    def _assume_gains(self, changed: Assumption) -> tuple[list[float], RoundedInterval]:
        """Return the assumed gain of each partition, and per 1,000 decisions with its interval."""
        if not changed.keys() - {BUILD, PER_MONTH}:
            return self.gains.by_partition.tolist(), self.official
        if CAPACITY in changed:
            key, days = str(int(changed[CAPACITY])), self.gains.days
            lost = [day.lost_above.get(key, [0.0])[0] for day in days]
            gains = [gain - paid for gain, paid in zip(self.gains.by_partition.tolist(), lost, strict=True)]
        else:
            added = ((self._factor(p, changed) - 1) * amounts for p, amounts in self.differences.items())
            gains = sum(added, self.gains.by_partition).tolist()
        interval = measure_changed(self.gains.kpi, self.gains.track, self.gains.days, gains)
        return gains, RoundedInterval.of(interval)

    def _factor(self, payoff: PayoffName, changed: Assumption) -> float:
        """Return by how much the difference of a payoff is multiplied."""
        variable = self.variables[name_variable(payoff)]
        factor = 1.0
        if variable.name in changed and variable.declared:
            factor = changed[variable.name] / variable.declared
        return factor * self._success(payoff, changed)

    def _success(self, payoff: PayoffName, changed: Assumption) -> float:
        works = payoff.kind == "gain" and payoff.action != self.gains.kpi.idle_action
        return changed.get(SUCCESS, 100.0) / 100 if works else 1.0

    def _break_evens(self, changed: Assumption, balance: Balance) -> dict[str, float | None]:
        """Return the break-even of each variable whose split of the gain is known, to the cent."""
        break_evens: dict[str, float | None] = {}
        if CAPACITY not in changed:
            totals = {payoff: float(amounts.sum()) for payoff, amounts in self.differences.items()}
            for payoff, total in totals.items():
                variable = self.variables[name_variable(payoff)]
                assumed = changed.get(variable.name, variable.declared)
                slope = total * self._success(payoff, changed) / (variable.declared or 1.0)
                break_evens[variable.name] = _zero_at(variable, assumed, balance.gain, slope)
            if SUCCESS in self.variables:
                works = {**changed, SUCCESS: 100.0}
                acting = [p for p in totals if self._success(p, {SUCCESS: 0.0}) == 0]
                slope = sum(totals[p] * self._factor(p, works) for p in acting) / 100
                rate = changed.get(SUCCESS, 100.0)
                break_evens[SUCCESS] = _zero_at(self.variables[SUCCESS], rate, balance.gain, slope)
        for name, slope in ((BUILD, -1.0), (PER_MONTH, -self._count_months())):
            assumed = changed.get(name, self.variables[name].declared)
            break_evens[name] = _zero_at(self.variables[name], assumed, balance.net_impact, slope)
        return break_evens

    def _count_months(self) -> float:
        """Return the number of months for which running the use case has cost money."""
        partitions = [day.partition for day in self.gains.days]
        return balance_gains(Costs(per_month=1.0), partitions, [0.0] * len(partitions), self.days_apart).running

    def _limit_activity(self, capacity: float | None) -> Activity | None:
        import numpy as np

        if self.sums is None or not self.sums.partitions:
            return None
        acted = self.sums.acted if capacity is None else np.minimum(self.sums.acted, capacity)
        return measure_activity(self.sums.partitions, acted)


def name_variable(payoff: PayoffName) -> str:
    """Return the name of the variable of a payoff, such as `cost.standby`, or `shortage_cost` of an amount."""
    return f"{payoff.kind}.{payoff.action}" if payoff.action else payoff.kind


def _to_the_cent(balance: Balance) -> Balance:
    gain, build, running, net_impact = (
        round(amount, 2) for amount in (balance.gain, balance.build, balance.running, balance.net_impact)
    )
    return Balance(gain, build, running, net_impact, balance.payback)


def _zero_at(variable: Variable, assumed: float | None, amount: float, slope: float) -> float | None:
    """Return the number for which an amount is zero, if it changes by `slope` for each 1 more; None if none can be."""
    if assumed is None or abs(slope) * max(abs(variable.declared or 0.0), 1.0) < NO_MONEY:
        return None
    number = assumed - amount / slope
    return round_known(number) if variable.allows(number) else None
