"""Add up the money of a partition's decisions under the model, current process, random choice and perfect foresight.

The payoffs of all policies use the same observed outcomes. This is exact if actions don't change the outcome. For a
KPI with `measurement: randomized`, the figures of past decisions rest on that assumption. For live decisions,
`accounting/experiment_ledger.py` compares two randomly drawn arms instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.capacity import RankedActions, rank_by_time
from sixtyforty.value.choice_payoffs import ChoicePayoffs
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.policy_weights import PolicyWeights, add_weights, read_weights, weigh_policies
from sixtyforty.value.random_choice import (
    DealtAmounts,
    RandomActions,
    RandomChoice,
    choose_at_random,
)
from sixtyforty.value.unit_groups import DECISIONS, GROUP_COLUMN, GroupSums, add_groups, sum_groups

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# Values of `decided_by` if the current process decides although the unit isn't held out. Examples: no champion is in
# force, the inputs are late, or a reviewer hasn't answered yet.
CURRENT_PROCESS_DECIDERS = ("current_process", "fallback", "review")
POLICIES = ("model", "current_process", "random_choice", "perfect_foresight")
DAILY_POLICIES = ("model", "current_process", "perfect_foresight")  # the random choice is that of a whole period
CANDIDATE_PREFIX = "candidate "  # functions accept `candidate <name>` in place of the name of a policy


@dataclass(frozen=True)
class DailyValue:
    """The money of one partition by way of deciding, in the KPI's currency, summed over units with a known outcome.

    With a live holdout, the sums are over the units in the model's arm. The money of the current process is then
    estimated from the units in the holdout, and random choice and perfect foresight are unknown (NaN).
    """

    partition: str
    decisions: int
    model: float
    current_process: float
    random_choice: float
    perfect_foresight: float
    acted: int  # number of decisions for an action other than the idle one, which is the cheapest
    differ: int  # number of decisions that differ from the current process
    fallback: int  # number of decisions that the current process took: no model, unfit inputs, or awaiting review
    candidates: dict[str, float] = field(default_factory=dict)  # the money of each candidate on the same units
    _: KW_ONLY
    counts: dict[str, int] = field(default_factory=dict)  # how often each action was taken
    paid_for_all: dict[str, float] = field(default_factory=dict)  # the money if all units got an action, by action
    lost_above: dict[str, list[float]] = field(default_factory=dict)  # the money above a capacity, see `capacity.py`
    unit_groups: GroupSums | None = None  # the same sums by group of units; None if no unit recurs
    amounts: DealtAmounts | None = None  # what the random choice of amounts needs; None for named actions
    # in a past experiment: the weights of the units that count for each policy, and for RECEIVED all units
    weights: dict[str, PolicyWeights] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the value of the day that `to_dict` wrote."""
        amounts = fields.get("amounts")
        nested = {"amounts": DealtAmounts.from_dict(amounts) if amounts else None}
        return cls(**{**fields, **nested, "weights": read_weights(fields.get("weights", {}))})

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        amounts = vars(self.amounts) if self.amounts else None
        weights = {policy: vars(weights) for policy, weights in self.weights.items()}
        return {**vars(self), "amounts": amounts, "weights": weights}


@dataclass(frozen=True)
class ValueSums:
    """The money of a portion of a partition's decisions. The sums of several portions can be added.

    - added: the fields of DailyValue that are sums over decisions.
    - candidates: the money of each candidate.
    - weights: see DailyValue.
    - unit_groups: the sums of each group of units; None if no unit recurs.
    - ranked: the actions in the order in which they could be taken; None if there is no such order.
    """

    added: Mapping[str, Any]
    candidates: Mapping[str, float]
    random_choice: RandomChoice
    weights: Mapping[str, PolicyWeights]
    unit_groups: GroupSums | None
    ranked: RankedActions | None

    def __add__(self, other: ValueSums) -> ValueSums:
        return ValueSums(
            {name: number + other.added[name] for name, number in self.added.items()},
            {name: money + other.candidates[name] for name, money in self.candidates.items()},
            self.random_choice + other.random_choice,  # type: ignore[operator]  # same class
            add_weights(self.weights, other.weights),
            add_groups(self.unit_groups, other.unit_groups),
            self.ranked + other.ranked if self.ranked and other.ranked else None,
        )

    def of_partition(self, partition: str) -> DailyValue:
        """Return the money of a partition, if these are the sums over all decisions of the partition."""
        dealt = self.random_choice
        return DailyValue(
            partition=partition,
            random_choice=dealt.money(),
            candidates=dict(self.candidates),
            unit_groups=self.unit_groups,
            weights=dict(self.weights),
            counts=dict(dealt.counts) if isinstance(dealt, RandomActions) else {},
            paid_for_all=dict(dealt.payoffs) if isinstance(dealt, RandomActions) else {},
            amounts=None if isinstance(dealt, RandomActions) else dealt.dealt(),
            lost_above=self.ranked.lost_above() if self.ranked else {},
            **self.added,
        )


def value_of_day(
    kpi: Kpi,
    partition: str,
    rows: pd.DataFrame,
    outcome: NDArray[np.float64],
    candidates: Mapping[str, Sequence[str]] | None = None,
) -> DailyValue:
    """Add up the money of one partition's decisions by way of deciding. See `sum_values`."""
    return sum_values(kpi, rows, outcome, candidates).of_partition(partition)


def sum_values(
    kpi: Kpi,
    rows: pd.DataFrame,
    outcome: NDArray[np.float64],
    candidates: Mapping[str, Sequence[str]] | None = None,
    predicted: NDArray[np.float64] | None = None,
) -> ValueSums:
    """Add up the money of a partition's decisions, or of a portion of them, by way of deciding.

    rows: decisions with `action`, `current_action`, and the columns that `build_payoffs` needs. Without the column
    `decided_by`, fallbacks are not counted.
    outcome: known outcomes of the decisions, without NaN, shape (n,). Decisions for which the gain or cost of either
    action is unknown are left out.
    candidates: the actions of each candidate, by the candidate's name.
    predicted: in a past experiment, the outcome that the champion expects under each action, shape (actions, n), with
    the cheapest action first. NaN is unknown; None if nothing is predicted.

    The random choice takes each action as often as the model on these units, on random units. Its money is the mean
    over all such assignments. `deal_over_period` gives the random choice of a longer period. Where the gain or cost of
    an action is unknown, the random choice takes the idle action instead.
    """
    import numpy as np

    payoffs, chosen = build_payoffs(kpi, rows), rows["action"].to_numpy(str)
    priced = payoffs.is_priced(chosen.tolist()) & payoffs.is_priced(rows["current_action"].tolist())
    if not priced.all():
        of_priced = {name: np.array(proposed)[priced].tolist() for name, proposed in (candidates or {}).items()}
        predicted = None if predicted is None else predicted[:, priced]
        return sum_values(kpi, rows[priced], outcome[priced], of_priced, predicted)
    decided_by = rows.get("decided_by")
    money = {
        "model": payoffs.realized(chosen.tolist(), outcome),
        "current_process": payoffs.realized(rows["current_action"].tolist(), outcome),
    }
    added = {
        "decisions": len(rows),
        **{policy: float(amounts.sum()) for policy, amounts in money.items()},
        "perfect_foresight": float(payoffs.best_possible(outcome).sum()),
        "acted": int((chosen != kpi.idle_action).sum()),
        "differ": int((chosen != rows["current_action"].to_numpy(str)).sum()),
        "fallback": int(decided_by.isin(CURRENT_PROCESS_DECIDERS).sum()) if decided_by is not None else 0,
    }
    of_candidates = {name: payoffs.realized(of, outcome) for name, of in (candidates or {}).items()}
    unit_groups = None
    if GROUP_COLUMN in rows:
        groups = rows[GROUP_COLUMN].to_numpy(int)
        money |= {CANDIDATE_PREFIX + name: amounts for name, amounts in of_candidates.items()}
        unit_groups = {DECISIONS: sum_groups(groups)} | {name: sum_groups(groups, m) for name, m in money.items()}
    proposed = {CANDIDATE_PREFIX + name: actions for name, actions in (candidates or {}).items()}
    actions = proposed | {"model": chosen.tolist(), "current_process": rows["current_action"].tolist()}
    treated = payoffs if kpi.treatment and isinstance(payoffs, ChoicePayoffs) else None
    return ValueSums(
        added,
        {name: float(amounts.sum()) for name, amounts in of_candidates.items()},
        choose_at_random(kpi, payoffs, chosen, outcome),
        weigh_policies(treated, actions, outcome, predicted) if treated else {},
        unit_groups,
        rank_by_time(kpi, payoffs, rows, chosen, outcome),
    )
