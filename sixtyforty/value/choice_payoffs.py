"""Compute the payoffs of named actions: gain x outcome - cost. A limit may restrict how many units get an action.

Source of the value of a policy from a past experiment (inverse propensity weights): Horvitz & Thompson (1952), "A
Generalization of Sampling Without Replacement From a Finite Universe", JASA 47.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.action_limits import DecisionGroups, LimitedUnits
from sixtyforty.value.payoff_base import ActionCounts, PayoffError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Barred, Floats


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
        self.gain, self.cost = self._prices(rows, "gain"), self._prices(rows, "cost")
        self.groups = DecisionGroups.of_rows(rows) if kpi.has_limits else None
        self.current = self._current_positions(rows) if kpi.has_daily_limits else np.full(self.count, -1)
        treatment = kpi.treatment
        has_experiment = treatment is not None and set(treatment.columns) <= set(rows.columns)
        self.received = rows[treatment.column].to_numpy(object) if treatment and has_experiment else None
        own_chances = treatment is not None and treatment.propensity is not None and has_experiment
        self._propensity = (
            rows[treatment.propensity].to_numpy(float, na_value=np.nan) if treatment and own_chances else None
        )

    def _current_positions(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the position of each row's action of the current process, or -1 without such an action, shape (n,)."""
        import numpy as np
        import pandas as pd

        if "current_action" not in rows:
            return np.full(self.count, -1)
        return pd.Index(self.names).get_indexer(pd.Index(rows["current_action"])).astype(np.int64)

    def _prices(self, rows: pd.DataFrame, kind: str) -> Floats:
        """Return the gains or costs, shape (actions, n). Declared numbers take no memory for each row."""
        import numpy as np

        declared = [getattr(self.kpi.actions[name], kind) for name in self.names]
        if not any(isinstance(price, str) for price in declared):
            return np.broadcast_to(np.array(declared, float)[:, None], (len(declared), self.count))
        return np.stack(
            [
                self._column(rows, kind, name) if isinstance(price, str) else np.broadcast_to(float(price), self.count)
                for name, price in zip(self.names, declared, strict=True)
            ]
        )

    def _column(self, rows: pd.DataFrame, kind: str, action: str) -> Floats:
        import numpy as np

        column = f"_{kind} {action}"
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
                " Decisions keep the names of their actions, so a renamed action must stay declared under its old name."
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
        Horvitz-Thompson estimate: weight x (value x outcome - cost), with the weights of `experiment_weights`.
        """
        import numpy as np

        position, row = self._action_positions(actions), np.arange(self.count)
        treatment = self.kpi.treatment
        if treatment is None:
            payoff: Floats = self.gain[position, row] * outcome - self.cost[position, row]
            return payoff
        weights = self.experiment_weights(actions)
        unweighted = treatment.value_per_outcome * outcome - self.cost[position, row]
        return np.where(weights > 0, weights * unweighted, 0.0)

    def experiment_weights(self, actions: Sequence[str]) -> Floats:
        """Return how often each row counts for a policy in a past experiment, shape (n,).

        The weight is 1 / propensity if the unit received the policy's action in the experiment, and 0 otherwise. The
        propensity is the probability with which the unit received its action. A treatment must be declared.

        actions: the policy's action for each row. Raises PayoffError if the rows lack the columns of the experiment.
        """
        import numpy as np

        treatment = self.kpi.treatment
        assert treatment, "without a past experiment, there are no weights"
        if self.received is None:
            raise PayoffError(
                f"The rows lack the columns {', '.join(treatment.columns)}, which describe the action that each unit"
                " received in the experiment. outcomes.sql must return them."
            )
        position = self._action_positions(actions)
        propensity = self._propensity
        if propensity is None:
            shares = treatment.shares or {}
            propensity = np.array([shares[name] for name in self.names])[position]
        is_received = self.received == np.array(self.names, object)[position]
        return np.divide(1.0, propensity, out=np.zeros(self.count), where=is_received)

    def robust(self, actions: Sequence[str], outcome: Floats, predicted: Floats) -> Floats:
        """Return the doubly robust estimate of the payoff of each row's action, shape (n,), in the KPI's currency.

        The estimate is expected payoff + weight x (payoff - expected payoff). Its mean is right if the propensities
        are right or if the predictions are right. The predictions must not have been learned from these rows.

        predicted: the expected outcome under each action, shape (actions, n). Where it is unknown (NaN), the row's
        estimate is the Horvitz-Thompson estimate.

        Sources:

        - Robins, Rotnitzky & Zhao (1994), "Estimation of Regression Coefficients When Some Regressors Are Not Always
          Observed", JASA 89.
        - Dudík, Langford & Li (2011), "Doubly Robust Policy Evaluation and Learning", ICML.
        """
        import numpy as np

        position, row = self._action_positions(actions), np.arange(self.count)
        expected = np.nan_to_num(self.expected_payoffs(predicted)[position, row], neginf=0.0)
        estimate: Floats = self.realized(actions, outcome) + (1 - self.experiment_weights(actions)) * expected
        return estimate

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

        Limits of actions apply, but `use_full_limit` doesn't. A limit per day goes to the best units of the day. If the
        limits leave a row no action of known gain and cost, its best payoff without limits counts. The payoff is NaN
        (unknown) if no action has a known gain and cost, or if a treatment is declared.
        """
        import numpy as np

        if self.kpi.treatment:
            return np.full(self.count, np.nan)
        payoffs = self.expected_payoffs(outcome)
        best: Floats = payoffs.max(axis=0)
        if self.groups is None:
            return np.where(best > -np.inf, best, np.nan)
        chosen = LimitedUnits(self.kpi, payoffs.copy(), self.groups, self.current).choose_with_foresight()
        within_limits = payoffs[chosen, np.arange(self.count)]
        best = np.where(within_limits > -np.inf, within_limits, best)
        return np.where(best > -np.inf, best, np.nan)

    def choose_actions(
        self, score: Floats, barred: Barred | None = None, taken: ActionCounts | None = None
    ) -> NDArray[Any]:
        """Return the action with the highest expected payoff for each row, as `Payoffs.choose_actions` describes."""
        (chosen,) = choose_together([(self, score, barred or {})], taken)
        return chosen

    def allowed_payoffs(self, score: Floats, barred: Barred) -> Floats:
        """Return the expected payoff of each action on each row, shape (actions, n); -inf where it may not be taken."""
        import numpy as np

        payoffs = self.expected_payoffs(score)
        for name, where in barred.items():
            payoffs[self.names.index(name), where] = -np.inf
        return payoffs

    def unit_values(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """Return the value of each unit in an experiment with a holdout, shape (n,), in the KPI's currency.

        The value is value_per_outcome x outcome - cost of the unit's action. The KPI must declare a holdout.
        """
        import numpy as np

        holdout = self.kpi.holdout
        assert holdout and holdout.value_per_outcome is not None, "with an exact KPI, only outcomes are compared"
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


Competitors = Sequence[tuple[ChoicePayoffs, "Floats", "Barred"]]


def choose_together(parts: Competitors, taken: ActionCounts | None = None) -> Iterator[NDArray[Any]]:
    """Yield the actions chosen for each part, as `Payoffs.choose_actions` describes. The parts compete for limits.

    parts: payoffs, scores and barred rows of units with the same KPI, at least one part.
    taken: the actions already taken, which count towards the limits.
    """
    if parts[0][0].groups is None:
        names = _names(parts)
        yield from (names[payoffs.allowed_payoffs(score, barred).argmax(axis=0)] for payoffs, score, barred in parts)
    else:
        yield from _split(parts, _join_parts(parts).choose(taken or {}))


def choose_with_vetoes(
    parts: Competitors, taken: ActionCounts | None = None
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield for each part the actions that would be chosen without barred rows, and those that are chosen.

    Only the chosen actions use up a limit per day. Arguments: see `choose_together`.
    """
    without_vetoes: Competitors = [(payoffs, score, {}) for payoffs, score, _ in parts]
    if not parts[0][0].kpi.has_daily_limits:
        yield from zip(choose_together(without_vetoes, taken), choose_together(parts, taken), strict=True)
        return
    units = _join_parts(parts)
    chosen = units.choose(taken or {})
    settled = units.settle(chosen)
    del units
    best = _join_parts(without_vetoes).choose(taken or {}, settled)
    yield from zip(_split(parts, best), _split(parts, chosen), strict=True)


def _names(parts: Competitors) -> NDArray[Any]:
    import numpy as np

    return np.array(parts[0][0].names, object)


def _join_parts(parts: Competitors) -> LimitedUnits:
    """Return the units of all parts, one after the other."""
    import numpy as np

    ends = np.cumsum([payoffs.count for payoffs, _, _ in parts])
    joined = np.empty((len(parts[0][0].names), ends[-1]))
    for (payoffs, score, barred), end in zip(parts, ends, strict=True):
        joined[:, end - payoffs.count : end] = payoffs.allowed_payoffs(score, barred)
    groups = DecisionGroups.join([payoffs.groups for payoffs, _, _ in parts if payoffs.groups is not None])
    return LimitedUnits(parts[0][0].kpi, joined, groups, np.concatenate([payoffs.current for payoffs, _, _ in parts]))


def _split(parts: Competitors, chosen: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """Yield the names of the actions of each part. chosen: their positions, for the units of all parts."""
    narrow, names, end = chosen.astype("int16"), _names(parts), 0
    for payoffs, _, _ in parts:
        end += payoffs.count
        yield names[narrow[end - payoffs.count : end]]
