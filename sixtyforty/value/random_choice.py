"""Compute the money of random choice: it takes each action as often as the model, on random units.

The money is the mean over all such assignments. It follows from numbers that can be added over portions of units, and
over days. The random choice of named actions has one definition everywhere: the action rates of the whole period
(`random_money`). The random choice of amounts deals the amounts of each partition to its units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.payoff_base import Payoffs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Floats


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
class RandomAmounts:
    """Random choice of amounts, for the units of one portion, or of several portions that were added with `+`.

    amounts: the amount that each unit got: text in one portion, numbers after an addition. outcome: the outcome of each
    unit. Both have shape (n,). After an addition, both together take 16 bytes a unit.
    """

    kpi: Kpi
    payoffs: Payoffs
    amounts: NDArray[Any]
    outcome: Floats

    def __add__(self, other: RandomAmounts) -> RandomAmounts:
        import numpy as np

        amounts = np.concatenate([self.amounts.astype(float), other.amounts.astype(float)])
        return RandomAmounts(self.kpi, self.payoffs, amounts, np.concatenate([self.outcome, other.outcome]))

    def money(self) -> float:
        """Return the total payoff of random choice, in the KPI's currency: the mean over all random assignments."""
        import numpy as np

        if self.amounts.dtype.kind == "f":
            return self._money_of_portions()
        money, n = 0.0, len(self.outcome)
        for amount, count in zip(*np.unique(self.amounts, return_counts=True), strict=True):
            payoff = float(payoffs_for_all(self.kpi, self.payoffs, str(amount), self.outcome).sum())
            money += float(count) / n * payoff
        return money

    def _money_of_portions(self) -> float:
        """Return the same total payoff as `money`, for portions that were added with `+`."""
        import numpy as np

        assert self.kpi.amount
        # There may be as many different amounts as units. Sums over sorted outcomes serve all of them at once.
        amounts, ordered, n = np.sort(self.amounts), np.sort(self.outcome), len(self.outcome)
        sums = np.concatenate([[0.0], np.cumsum(ordered)])
        smaller = np.searchsorted(ordered, amounts)  # how many outcomes are smaller than each amount
        shortage = sums[-1] - sums[smaller] - (n - smaller) * amounts
        excess = smaller * amounts - sums[smaller]
        cost = self.kpi.amount.shortage_cost * shortage + self.kpi.amount.excess_cost * excess
        return -float(cost.mean())


RandomChoice: TypeAlias = RandomActions | RandomAmounts


def choose_at_random(kpi: Kpi, payoffs: Payoffs, chosen: NDArray[np.str_], outcome: Floats) -> RandomChoice:
    """Return the numbers from which the total payoff of random choice on some units is computed.

    chosen: the action that each unit got, shape (n,). payoffs, outcome: the payoffs and outcomes of the same units.
    """
    import numpy as np

    if kpi.amount:
        return RandomAmounts(kpi, payoffs, chosen, outcome)
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
