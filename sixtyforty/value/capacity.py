"""Compute what a capacity costs: the gain if at most so many actions can be taken in a day or another partition.

Two orders show how much the order matters. Both give each unit above the capacity the idle action.

- First come, first served: in the order of decision times and, within a time, of the expected advantage. A dispatcher
  can do that, because it needs no unit of a later time.
- The best of the day: in the order of the expected advantage over all units of the day. Nobody can do that if decisions
  are taken at several times. It is a bound for rules that hold capacity back.

Actions of the current process have no expected advantage. They come first in the order, and they stay as they are above
the capacity: it limits what the model may add, and not what people do today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.payoff_base import Payoffs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Floats

STEPS = (10, 25, 50)


def capacities(peak: int) -> Iterator[int]:
    """Yield 10, 25, 50, 100, 250, 500 and so on, below the largest number of actions of a partition."""
    scale = 1
    while True:
        for step in STEPS:
            if step * scale >= peak:
                return
            yield step * scale
        scale *= 10


@dataclass(frozen=True)
class RankedActions:
    """The decisions of a partition for an action other than the idle one, of which n are in this portion.

    Each array has the shape (n,). Money is in the KPI's currency.

    - time: the decision time, as a number.
    - advantage: how much more the action is expected to pay than the idle action; infinite for an action of the current
      process.
    - change: how much more the action paid than the idle action; 0 for an action of the current process.
    """

    time: NDArray[np.int64]
    advantage: Floats
    change: Floats

    def __add__(self, other: RankedActions) -> RankedActions:
        import numpy as np

        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return RankedActions(*(np.concatenate(pair) for pair in pairs))

    def lost_above(self) -> dict[str, list[float]]:
        """Return how much the actions above each capacity paid: first come, first served, and the best of the day.

        The keys are the capacities below the number of actions, as text.
        """
        import numpy as np

        best = np.argsort(-self.advantage, kind="stable")
        orders = [np.lexsort((-self.advantage, self.time)), best]
        paid = [np.cumsum(self.change[order][::-1])[::-1] for order in orders]
        return {str(k): [float(above[k]) for above in paid] for k in capacities(len(self.change))}


def rank_by_time(
    kpi: Kpi, payoffs: Payoffs, rows: pd.DataFrame, chosen: NDArray[np.str_], outcome: Floats
) -> RankedActions | None:
    """Return the actions of some decisions with what their order needs; None if the order isn't known.

    rows: decisions in the order of time, with `decided_at` and `expected`, the expected outcome. Without these columns,
    for an amount and for a past experiment, no order is known. chosen, outcome: of the same decisions, shape (n,).
    """
    import numpy as np

    if kpi.treatment or not isinstance(payoffs, ChoicePayoffs) or not {"decided_at", "expected"} <= set(rows.columns):
        return None
    names, is_action = np.array(payoffs.names), chosen != kpi.idle_action
    expected = payoffs.expected_payoffs(rows["expected"].to_numpy(float))
    position = np.argmax(chosen == names[:, None], axis=0)
    with np.errstate(invalid="ignore"):
        advantage = expected[position, np.arange(len(rows))] - expected[payoffs.names.index(kpi.idle_action)]
    paid = payoffs.realized(chosen.tolist(), outcome) - payoffs.realized([kpi.idle_action] * len(rows), outcome)
    is_scored = np.isfinite(rows["expected"].to_numpy(float))
    return RankedActions(
        rows["decided_at"].to_numpy().astype("datetime64[us]").astype(np.int64)[is_action],
        np.where(is_scored, np.nan_to_num(advantage), np.inf)[is_action],
        np.where(is_scored, np.nan_to_num(paid), 0.0)[is_action],
    )
