"""Add up what a gain rests on: payoffs, predictions, and where an action was needed. The sums of portions can be added.

A gain under other payoffs, the quality of the predictions, and hits and misses all follow from these sums. So nothing
reads the units again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.group_sums import SumsByGroup, add_groups, split_partitions, sum_by_group
from sixtyforty.value.payoff_base import Payoffs
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.prediction_bins import sum_predictions
from sixtyforty.value.segments import NOT_RECORDED

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Floats

# The classes of an outcome: whether an action was needed.
NEEDED, NOT_NEEDED, NOT_CLASSED = "needed", "not needed", "not classed"
# The classes of an amount, in place of the names of actions.
TOO_LOW, RIGHT, TOO_HIGH = "too low", "right", "too high"
ACTED, IDLE = "acted", "idle"

PAYOFF_SUMS = ("decisions", "taken_gain", "taken_cost", "current_gain", "current_cost")


@dataclass(frozen=True)
class UnitSums:
    """The sums over the decisions of one partition, or of a portion of it. Money is in the KPI's currency.

    - payoffs: by action taken, action of the current process, and class of the outcome. Each group has PAYOFF_SUMS: the
      number of decisions, and the gain and the cost of both actions. A payoff is its gain minus its cost. For an
      amount, the gain is minus the cost of shortages, the cost is that of excess, and actions are TOO_LOW, RIGHT or
      TOO_HIGH.
    - predictions: the sums of `prediction_bins.BIN_SUMS`, by bin of the expected outcome.
    - segments: the number of decisions by column, segment, whether an action was needed, whether the decision was to
      act, and whether the current process would have acted.
    - acted, current_acted: the number of actions of the decisions taken, and of the current process. An amount counts
      as that many actions. Decisions whose outcome isn't known count, too.
    """

    payoffs: SumsByGroup
    predictions: SumsByGroup
    segments: SumsByGroup
    acted: float
    current_acted: float

    def __add__(self, other: UnitSums) -> UnitSums:
        return UnitSums(
            add_groups(self.payoffs, other.payoffs),
            add_groups(self.predictions, other.predictions),
            add_groups(self.segments, other.segments),
            self.acted + other.acted,
            self.current_acted + other.current_acted,
        )

    def to_facts(self) -> dict[str, Any]:
        """Return the sums as facts of a manifest: each group is a list of its key and its sums, sorted by key."""
        groups = ("payoffs", "predictions", "segments")
        return {name: [[[*key], [*sums]] for key, sums in sorted(getattr(self, name).items())] for name in groups} | {
            "acted": self.acted,
            "current_acted": self.current_acted,
        }


NO_SUMS = UnitSums({}, {}, {}, 0, 0)


def sum_units(kpi: Kpi, units: pd.DataFrame) -> dict[str, UnitSums]:
    """Return the sums over some decisions, by partition.

    units: `_partition`, `action`, `current_action`, `expected` (null without a model), `outcome` (null if unknown), the
    columns of `kpi.segments`, and the columns that `build_payoffs` needs. The gain and the cost of both actions must be
    known where the outcome is.
    """
    known = units[units["outcome"].notna()]
    outcome, payoffs = known["outcome"].to_numpy(float), build_payoffs(kpi, known)
    is_needed = needs_action(kpi, payoffs, outcome)
    parts = (
        _sum_payoffs(kpi, payoffs, known, outcome, is_needed),
        sum_predictions(kpi, known),
        {} if is_needed is None else _count_segments(kpi, known, is_needed),
    )
    payoffs_of, predictions_of, segments_of = map(split_partitions, parts)
    acted = [count_actions(kpi, units[name].to_numpy(object)) for name in ("action", "current_action")]
    return {
        partition: UnitSums(
            payoffs_of.get(partition, {}), predictions_of.get(partition, {}), segments_of.get(partition, {}), *actions
        )
        for (partition,), actions in sum_by_group([units["_partition"]], acted).items()
    }


def needs_action(kpi: Kpi, payoffs: Payoffs, outcome: Floats) -> NDArray[np.bool_] | None:
    """Return for each unit whether an action was needed, shape (n,); None if the outcome doesn't show it.

    A binary outcome of 1 needs an action. A number needs one if the best action pays more than the cheapest action.
    An amount is always an action. After a past treatment, the outcome depends on the action that the unit received.
    """

    if not isinstance(payoffs, ChoicePayoffs) or kpi.treatment:
        return None
    if kpi.outcome_type == "binary":
        is_needed: NDArray[np.bool_] = outcome == 1
        return is_needed
    expected = payoffs.expected_payoffs(outcome)
    is_better: NDArray[np.bool_] = expected[1:].max(axis=0) > expected[0]
    return is_better


def split_payoffs(payoffs: Payoffs, actions: Sequence[str], outcome: Floats) -> tuple[Floats, Floats]:
    """Return the gain and the cost in the payoff of each row's action, each of shape (n,), in the KPI's currency.

    The payoff is the gain minus the cost. For an amount, the gain is minus the cost of a shortage, and the cost is that
    of an excess.
    """
    import numpy as np

    realized = payoffs.realized(actions, outcome)
    if isinstance(payoffs, ChoicePayoffs):
        cost = -payoffs.realized(actions, np.zeros_like(outcome))  # a payoff is linear in the outcome
        return realized + cost, cost
    is_short = outcome > np.asarray(actions, dtype=object).astype(float)
    return np.where(is_short, realized, 0.0), np.where(is_short, 0.0, -realized)


def count_actions(kpi: Kpi, actions: NDArray[Any]) -> NDArray[Any]:
    """Return how many actions each unit got, shape (n,): the amount, or 1 for an action other than the idle one."""
    return actions.astype(float) if kpi.amount else (actions != kpi.idle_action).astype(int)


def _sum_payoffs(
    kpi: Kpi, payoffs: Payoffs, known: pd.DataFrame, outcome: Floats, is_needed: NDArray[np.bool_] | None
) -> SumsByGroup:
    import numpy as np

    money: list[Floats] = []
    keys: list[Any] = [known["_partition"]]
    for column in ("action", "current_action"):
        money += split_payoffs(payoffs, known[column].tolist(), outcome)
        keys.append(_class_amounts(known[column], outcome) if kpi.amount else known[column])
    keys.append(np.full(len(outcome), NOT_CLASSED) if is_needed is None else np.where(is_needed, NEEDED, NOT_NEEDED))
    return sum_by_group(keys, [np.ones(len(outcome), int), *money])


def _class_amounts(amounts: pd.Series[str], outcome: Floats) -> NDArray[np.str_]:
    import numpy as np

    chosen = amounts.to_numpy(object).astype(float)
    return np.select([chosen < outcome, chosen > outcome], [TOO_LOW, TOO_HIGH], RIGHT)


def _count_segments(kpi: Kpi, known: pd.DataFrame, is_needed: NDArray[np.bool_]) -> SumsByGroup:
    import numpy as np

    ones = np.ones(len(known), int)
    classes = [np.where(is_needed, NEEDED, NOT_NEEDED)]
    for name in ("action", "current_action"):
        classes.append(np.where(known[name].to_numpy(object) == kpi.idle_action, IDLE, ACTED))
    counts: SumsByGroup = {}
    for column in kpi.segments:
        names = known[column].map(str, na_action="ignore").astype(object).where(known[column].notna(), NOT_RECORDED)
        groups = sum_by_group([known["_partition"], np.full(len(known), column), names, *classes], [ones])
        counts.update(groups)
    return counts
