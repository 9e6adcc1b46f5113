"""Compute the payoffs of named actions: gain x outcome - cost. A limit may restrict how many units get an action.

Sources:

- The value of a policy from a past experiment (inverse propensity weights): Horvitz & Thompson (1952), "A
  Generalization of Sampling Without Replacement From a Finite Universe", JASA 47.
- The assignment of actions under limits (deferred acceptance): Gale & Shapley (1962), "College Admissions and the
  Stability of Marriage".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.payoff_base import ActionCounts, PayoffError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Barred, Floats


def decision_groups(rows: pd.DataFrame) -> list[tuple[str, Any]]:
    """Return the group of each row: its partition and decision time. A limit of an action applies within a group.

    The partition is '' if the rows have no column `_partition`.
    """
    partitions = rows["_partition"].tolist() if "_partition" in rows else [""] * len(rows)
    return list(zip(partitions, rows["decided_at"].tolist(), strict=True))


def count_actions(rows: pd.DataFrame, column: str) -> dict[tuple[str, Any], Counter[str]]:
    """Count each action of the column `column` in each group of `decision_groups` (partition and decision time)."""
    counts: dict[tuple[str, Any], Counter[str]] = {}
    for group, action in zip(decision_groups(rows), rows[column], strict=True):
        counts.setdefault(group, Counter())[action] += 1
    return counts


@dataclass(frozen=True)
class _Limit:
    """How many rows of one partition and decision time may still get an action."""

    action: int  # the position of the action in ChoicePayoffs.names
    rows: NDArray[np.int64]  # the positions of the rows
    remaining: int  # how many of the rows may still get the action


class ChoicePayoffs:
    """The payoffs of named actions on n rows, one row per unit. Implements the interface `Payoffs`.

    names: the actions, cheapest first. gain, cost: arrays of shape (actions, n) in the order of `names`, in the KPI's
    currency. A gain is per unit of outcome. An action whose gain or cost is unknown (NaN) on a row isn't taken there.
    """

    def __init__(self, kpi: Kpi, rows: pd.DataFrame) -> None:
        import numpy as np

        self.kpi, self.names, self.count = kpi, kpi.actions_by_cost, len(rows)
        self._sorted_names = np.array(sorted(self.names))
        self._positions = np.array([self.names.index(name) for name in self._sorted_names])
        self.gain = np.stack([self._column(rows, "gain", name) for name in self.names])
        self.cost = np.stack([self._column(rows, "cost", name) for name in self.names])
        self._groups = decision_groups(rows) if kpi.has_limits else []
        treated = kpi.treatment is not None and kpi.treatment.column in rows
        self.received = rows[kpi.treatment.column].to_numpy(object) if kpi.treatment and treated else None

    def _column(self, rows: pd.DataFrame, kind: str, action: str) -> Floats:
        import numpy as np

        declared, column = getattr(self.kpi.actions[action], kind), f"_{kind} {action}"
        if not isinstance(declared, str):
            return np.broadcast_to(np.float64(declared), self.count)
        if column not in rows:
            raise PayoffError(
                f"The rows lack the column '{column}', which kpi.actions.{action}.{kind} declares."
                " Build the features again."
            )
        return rows[column].to_numpy(float, na_value=np.nan)

    def _action_positions(self, actions: Sequence[str]) -> NDArray[np.int64]:
        """Return the position of each action in `names`. Raises PayoffError for an unknown action."""
        import numpy as np

        chosen = np.asarray(actions, dtype=str)
        at = np.minimum(np.searchsorted(self._sorted_names, chosen), len(self.names) - 1)
        unknown = self._sorted_names[at] != chosen
        if unknown.any():
            raise PayoffError(
                f"The action '{chosen[unknown][0]}' is not declared. Declared actions: {', '.join(self.names)}."
            )
        return self._positions[at]

    def is_priced(self, actions: Sequence[str]) -> NDArray[np.bool_]:
        """Return, for each row, whether the gain and the cost of its action are known, shape (n,)."""
        import numpy as np

        position, row = self._action_positions(actions), np.arange(self.count)
        priced: NDArray[np.bool_] = ~np.isnan(self.gain[position, row] + self.cost[position, row])
        return priced

    def realized(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """Return the payoff of each row's action given its outcome, in the KPI's currency, shape (n,).

        The payoff is NaN if the action's gain or cost is unknown. If a treatment is declared, return the
        Horvitz-Thompson estimate. For a unit that received the same action in the experiment, the estimate is
        (value x outcome - cost) / share. For any other unit, the estimate is 0.
        """
        import numpy as np

        position, row = self._action_positions(actions), np.arange(self.count)
        treatment = self.kpi.treatment
        if treatment is None:
            payoff: Floats = self.gain[position, row] * outcome - self.cost[position, row]
            return payoff
        if self.received is None:
            raise PayoffError(
                f"The rows lack the column '{treatment.column}', which holds the action that each unit received in the"
                " experiment. outcomes.sql must return this column."
            )
        share = np.array([treatment.shares[name] for name in self.names])[position]
        received = self.received == np.array(self.names, object)[position]
        weighted = (treatment.value_per_outcome * outcome - self.cost[position, row]) / share
        return np.where(received, weighted, 0.0)

    def expected_payoffs(self, score: Floats) -> Floats:
        """Return the expected payoff of each action on each row, shape (actions, n).

        The payoff is -inf if the action's gain or cost is unknown, so that the action isn't taken.

        score: the expected outcome, shape (n,), or the expected outcome under each action, shape (actions, n).
        """
        import numpy as np

        treatment = self.kpi.treatment
        payoffs = (treatment.value_per_outcome if treatment else self.gain) * score - self.cost
        return np.where(np.isnan(self.gain + self.cost), -np.inf, payoffs)

    def best_possible(self, outcome: Floats) -> Floats:
        """Return the payoff of perfect foresight on each row, in the KPI's currency, shape (n,).

        Limits of actions apply, but `use_full_limit` doesn't. If the limits leave a row no action of known gain and
        cost, its best payoff without limits counts. The payoff is NaN (unknown) if no action has a known gain and cost,
        or if a treatment is declared.
        """
        import numpy as np

        if self.kpi.treatment:
            return np.full(self.count, np.nan)
        payoffs = self.expected_payoffs(outcome)
        best: Floats = payoffs.max(axis=0)
        chosen = self._choose_within_limits(payoffs, {}, use_full_limit=False)
        within_limits = payoffs[chosen, np.arange(self.count)]
        best = np.where(within_limits > -np.inf, within_limits, best)
        return np.where(best > -np.inf, best, np.nan)

    def choose_actions(
        self, score: Floats, barred: Barred | None = None, taken: ActionCounts | None = None
    ) -> NDArray[Any]:
        """Return the action with the highest expected payoff for each row, as `Payoffs.choose_actions` describes."""
        import numpy as np

        payoffs = self.expected_payoffs(score)
        for name, where in (barred or {}).items():
            payoffs[self.names.index(name), where] = -np.inf
        return np.array(self.names, object)[self._choose_within_limits(payoffs, taken or {})]

    def _choose_within_limits(
        self, payoffs: Floats, taken: ActionCounts, use_full_limit: bool = True
    ) -> NDArray[np.int64]:
        """Return the action chosen for each row within the declared limits, as its position in `names`.

        If an action is best on more rows than its limit allows, the rows on which its advantage over the next best
        action is greatest get the action. Of equal rows, the first ones get the action. The other rows get their next
        best action (deferred acceptance). An action with `use_full_limit` is then given to more rows until its limit is
        used up, first to the rows that lose least.
        """
        if not self.kpi.has_limits:
            return payoffs.argmax(axis=0)
        payoffs = payoffs.copy()
        limits = self._remaining_limits(taken)
        chosen = self._reject_excess_rows(payoffs, limits)
        if use_full_limit:
            self._fill_limits(payoffs, chosen, limits)
        return chosen

    def _remaining_limits(self, taken: ActionCounts) -> list[_Limit]:
        import numpy as np

        rows_by_group: dict[tuple[str, Any], list[int]] = {}
        for row, group in enumerate(self._groups):
            rows_by_group.setdefault(group, []).append(row)
        return [
            _Limit(self.names.index(name), np.array(rows), max(action.limit - taken.get(group, {}).get(name, 0), 0))
            for name, action in self.kpi.actions.items()
            if action.limit
            for group, rows in rows_by_group.items()
        ]

    def _reject_excess_rows(self, payoffs: Floats, limits: list[_Limit]) -> NDArray[np.int64]:
        """Return the best action of each row, after limited actions were taken away from rows in excess of a limit.

        While a limit is exceeded, the rows with the smallest advantage lose the action: their payoff for the action is
        set to -inf in `payoffs`, in place. A row whose payoffs are all -inf gets the cheapest action without a limit.
        """
        import numpy as np

        unlimited = next(n for n, name in enumerate(self.names) if not self.kpi.actions[name].limit)
        exceeded = True
        while exceeded:
            chosen, exceeded = payoffs.argmax(axis=0), False
            chosen[payoffs.max(axis=0) == -np.inf] = unlimited
            for limit in limits:
                takers = limit.rows[chosen[limit.rows] == limit.action]
                if len(takers) > limit.remaining:
                    rejected = _rank_by_advantage(payoffs, limit.action, takers)[limit.remaining :]
                    payoffs[limit.action, rejected], exceeded = -np.inf, True
        return chosen

    def _fill_limits(self, payoffs: Floats, chosen: NDArray[np.int64], limits: list[_Limit]) -> None:
        """Give actions with `use_full_limit` to more rows until their limits are used up. Changes `chosen` in place.

        Such an action takes no rows from another action with `use_full_limit`.
        """
        import numpy as np

        full = [n for n, name in enumerate(self.names) if self.kpi.actions[name].use_full_limit]
        for limit in limits:
            if limit.action in full:
                free = limit.remaining - int((chosen[limit.rows] == limit.action).sum())
                eligible = limit.rows[
                    ~np.isin(chosen[limit.rows], full) & (payoffs[limit.action, limit.rows] > -np.inf)
                ]
                chosen[_rank_by_advantage(payoffs, limit.action, eligible)[:free]] = limit.action

    def unit_values(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """Return the value of each unit in an experiment with a holdout, shape (n,), in the KPI's currency.

        The value is value_per_outcome x outcome - cost of the unit's action. The KPI must declare a holdout.
        """
        import numpy as np

        holdout = self.kpi.holdout
        assert holdout, "an exact KPI has no holdout"
        costs = self.cost[self._action_positions(actions), np.arange(self.count)]
        values: Floats = holdout.value_per_outcome * outcome - costs
        return values

    def expected_outcomes(self, score: Floats, actions: Sequence[str]) -> Floats:
        """Return the expected outcome of each row under its action, as `Payoffs.expected_outcomes` describes."""
        import numpy as np

        if score.ndim == 1:
            return score
        expected: Floats = score[self._action_positions(actions), np.arange(self.count)]
        return expected

    def margin(self, score: Floats) -> Floats:
        """Return the expected payoff of the best action minus that of the second best action, shape (n,).

        The difference is inf if only one action has a known gain and cost.
        """
        import numpy as np

        payoffs = np.sort(self.expected_payoffs(score), axis=0)
        return np.where(payoffs[-2] == -np.inf, np.inf, payoffs[-1] - np.maximum(payoffs[-2], np.finfo(float).min))

    def next_best(self, score: Floats, actions: Sequence[str]) -> NDArray[Any]:
        """Return, for each row, the best of the actions that it did not get; of equal actions, the cheapest.

        Limits don't apply. An action whose gain or cost is unknown comes last.

        score: the expected outcome of each row. actions: the action taken on each row.
        """
        import numpy as np

        payoffs = np.maximum(self.expected_payoffs(score), np.finfo(float).min)
        payoffs[self._action_positions(actions), np.arange(self.count)] = -np.inf
        return np.array(self.names, object)[payoffs.argmax(axis=0)]

    def value_of_information(self, score: Floats) -> Floats:
        """Return the expected value of perfect information on each row, shape (n,), in the KPI's currency.

        This is the value of knowing a binary outcome before acting: E[max over actions of payoff] - max over actions of
        E[payoff]. The value is never negative, and no reviewer can add more. The value is 0 if no action has a known
        gain and cost, because then nobody can tell which action is better. Sources: Raiffa & Schlaifer, Applied
        Statistical Decision Theory (1961); Howard, Information Value Theory (1966).

        score: the probability of outcome 1 on each row.
        """
        import numpy as np

        positive, negative = self.best_possible(np.ones_like(score)), self.best_possible(np.zeros_like(score))
        informed = score * positive + (1 - score) * negative
        return np.maximum(np.nan_to_num(informed - self.best_possible(score)), 0.0)


def _rank_by_advantage(payoffs: Floats, action: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows sorted by how much more an action pays than the best other action, the greatest advantage first.

    payoffs: shape (actions, n). action: the position of the action. rows: positions of rows.
    """
    import numpy as np

    other_best = np.delete(payoffs, action, axis=0)[:, rows].max(axis=0)
    return rows[np.argsort(other_best - payoffs[action, rows], kind="stable")]
