"""Compute the money of random choice: it takes each action as often as the model, on random units.

The money is the mean over all such assignments. It follows from numbers that can be added over portions of units, and
over days. The random choice has one definition everywhere: each unit gets each action, or each amount, with the rate
that it has in the whole period.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sixtyforty.spec.actions import Amount
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.payoff_base import Payoffs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Floats

MOST_NUMBERS = 500  # different amounts and outcomes that are kept of a partition


def random_money(counts: Mapping[str, float], paid_for_all: Mapping[str, Any]) -> Any:
    """Return the total payoff of random choice, in the KPI's currency: the mean over all random assignments.

    Each unit gets each action with the rate that the action has in a period: sum of rate x payoff for all units.

    - counts: how often each action was taken in the period.
    - paid_for_all: for each action, the total payoff if all units got it: a number, or an array with a number a day.
    """
    total, money = max(sum(counts.values()), 1), 0.0
    for action, count in counts.items():  # `sum` would round the last digits differently
        money = money + count / total * paid_for_all[action]
    return money


@dataclass(frozen=True)
class RandomActions:
    """Random choice among the declared actions.

    counts: how often each action was taken. payoffs: for each action, the total payoff if all units got that action, in
    the KPI's currency. Both are sorted by action.
    """

    counts: Mapping[str, int]
    payoffs: Mapping[str, float]

    def __add__(self, other: RandomActions) -> RandomActions:
        return RandomActions(
            {action: count + other.counts[action] for action, count in self.counts.items()},
            {action: payoff + other.payoffs[action] for action, payoff in self.payoffs.items()},
        )

    def money(self) -> float:
        """Return the total payoff of random choice, in the KPI's currency: the mean over all random assignments."""
        return float(random_money(self.counts, self.payoffs))


@dataclass(frozen=True)
class DealtAmounts:
    """What the random choice of amounts needs of one partition.

    - shortage_cost, excess_cost: the declared costs, in the KPI's currency.
    - amounts: each amount that was chosen, and on how many units. outcomes: each outcome, and on how many units. Both
      are sorted. With more than MOST_NUMBERS different ones, neighbors are joined to their mean.
    """

    shortage_cost: float
    excess_cost: float
    amounts: Sequence[tuple[float, int]]
    outcomes: Sequence[tuple[float, int]]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DealtAmounts:
        """Return the numbers that `vars` wrote, after JSON made lists of the tuples."""
        pairs = {name: [tuple(pair) for pair in fields[name]] for name in ("amounts", "outcomes")}
        return cls(**{**fields, **pairs})


def deal_amounts(partitions: Sequence[DealtAmounts]) -> Floats:
    """Return the payoff of random choice in each partition, in the KPI's currency, shape (partitions,).

    Each unit gets each amount with the rate that the amount has in all partitions together.
    """
    import numpy as np

    chosen = np.array([pair for dealt in partitions for pair in dealt.amounts], float).reshape(-1, 2)
    if not len(chosen):
        return np.zeros(len(partitions))
    chosen = chosen[np.argsort(chosen[:, 0], kind="stable")]
    units = np.concatenate([[0.0], np.cumsum(chosen[:, 1])])
    total = np.concatenate([[0.0], np.cumsum(chosen[:, 0] * chosen[:, 1])])
    money = []
    for dealt in partitions:
        outcome, count = np.array(dealt.outcomes, float).reshape(-1, 2).T
        smaller = np.searchsorted(chosen[:, 0], outcome)  # how many amounts are smaller than each outcome
        shortage = outcome * units[smaller] - total[smaller]
        excess = total[-1] - total[smaller] - outcome * (units[-1] - units[smaller])
        cost = dealt.shortage_cost * shortage + dealt.excess_cost * excess
        money.append(-float((cost * count).sum() / units[-1]))
    return np.array(money)


@dataclass(frozen=True)
class RandomAmounts:
    """Random choice of amounts, for the units of one portion, or of several portions that were added with `+`.

    amounts: the amount that each unit got. outcome: the outcome of each unit. Both have shape (n,), and together take
    16 bytes a unit.
    """

    amount: Amount
    amounts: Floats
    outcome: Floats

    def __add__(self, other: RandomAmounts) -> RandomAmounts:
        import numpy as np

        amounts = np.concatenate([self.amounts, other.amounts])
        return RandomAmounts(self.amount, amounts, np.concatenate([self.outcome, other.outcome]))

    def dealt(self) -> DealtAmounts:
        """Return the numbers from which the random choice of a period follows."""
        costs = self.amount.shortage_cost, self.amount.excess_cost
        return DealtAmounts(*costs, _count_numbers(self.amounts), _count_numbers(self.outcome))

    def money(self) -> float:
        """Return the total payoff of random choice, in the KPI's currency: the mean over all random assignments."""
        return float(deal_amounts([self.dealt()])[0])


def _count_numbers(numbers: Floats) -> list[tuple[float, int]]:
    """Return each different number with its count, sorted; at most MOST_NUMBERS of about equal counts."""
    import numpy as np

    values, counts = np.unique(numbers, return_counts=True)
    if len(values) > MOST_NUMBERS:
        middle = np.cumsum(counts) - counts / 2
        group = (middle / counts.sum() * MOST_NUMBERS).astype(int)
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        totals = np.add.reduceat(values * counts, starts)
        counts = np.add.reduceat(counts, starts)
        values = totals / counts
    return list(zip(values.tolist(), counts.tolist(), strict=True))


RandomChoice: TypeAlias = RandomActions | RandomAmounts


def choose_at_random(kpi: Kpi, payoffs: Payoffs, chosen: NDArray[np.str_], outcome: Floats) -> RandomChoice:
    """Return the numbers from which the total payoff of random choice on some units is computed.

    chosen: the action that each unit got, shape (n,). payoffs, outcome: the payoffs and outcomes of the same units.
    """
    import numpy as np

    if kpi.amount:
        return RandomAmounts(kpi.amount, chosen.astype(object).astype(float), outcome)
    actions = sorted(kpi.actions)
    return RandomActions(
        {action: int(np.count_nonzero(chosen == action)) for action in actions},
        {action: float(payoffs_for_all(kpi, payoffs, action, outcome).sum()) for action in actions},
    )


def payoffs_for_all(kpi: Kpi, payoffs: Payoffs, action: str, outcome: Floats) -> Floats:
    """Return the payoff of each unit if all units got the action `action`, in the KPI's currency, shape (n,).

    Where the gain or cost of the action is unknown, the idle action is taken. If that is unknown, too, the payoff is 0.
    """
    import numpy as np

    actions = np.where(payoffs.is_priced([action] * len(outcome)), action, kpi.idle_action)
    return np.nan_to_num(payoffs.realized(actions.tolist(), outcome))
