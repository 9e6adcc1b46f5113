"""What each action pays on each unit, and which is expected to pay most.

Of a KPI and some rows `payoffs` makes either a Choice (named actions, with limits if declared, and what they pay as
numbers or as columns of the rows) or an Amounts (the action is a number). Both answer the same questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sixtyforty.spec.kpi import Amount, Kpi

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Barred = Mapping[str, NDArray[np.bool_]]  # by action: where it may not be taken

ActionCounts = Mapping[
    tuple[str, Any], Mapping[str, int]
]  # partition and moment to how often each action was taken before


class PayoffError(ValueError):
    """An action that isn't one, or rows that lack what an action pays."""


class Payoffs(Protocol):
    """What can be asked of n rows. Outcomes and scores (expected outcomes) have shape (n,), actions are text."""

    def paid(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """What each row's action paid under its outcome, in the KPI's unit. Shape (n,). Raises PayoffError."""

    def best(self, outcome: Floats) -> Floats:
        """What perfect foresight would have made of each row; NaN where that can't be known. Shape (n,)."""

    def choose(self, score: Floats, barred: Barred | None = None, spent: ActionCounts | None = None) -> NDArray[Any]:
        """The action of the highest expected payoff for each row; of equal ones, the cheapest.

        barred: where an action may not be taken; one at least must be left everywhere. spent: counts to the limits.
        """

    def expected(self, score: Floats, actions: Sequence[str]) -> Floats:
        """The outcome that is expected of each row with its action. Shape (n,)."""


def build_payoffs(kpi: Kpi, rows: pd.DataFrame) -> Payoffs:
    """Of rows with the columns of Kpi.priced and, once outcomes are known, that of a treatment.

    Where there are limits, with `decided_at` and (of more than one partition) `_partition`. Raises PayoffError where a
    column is missing.
    """
    return NumericPayoffs(kpi.amount) if kpi.amount else ChoicePayoffs(kpi, rows)


def decision_groups(rows: pd.DataFrame) -> list[tuple[str, Any]]:
    """Partition ('' where the rows are of one) and moment of each row: those who share a limit."""
    partitions = rows["_partition"].tolist() if "_partition" in rows else [""] * len(rows)
    return list(zip(partitions, rows["decided_at"].tolist(), strict=True))


class ChoicePayoffs:
    """Named actions. `gain` and `cost` have shape (actions, n), actions in the order of Kpi.order."""

    def __init__(self, kpi: Kpi, rows: pd.DataFrame) -> None:
        import numpy as np

        self.kpi, self.names, self.count = kpi, kpi.actions_by_cost, len(rows)
        self._sorted = np.array(sorted(self.names))
        self._place = np.array([self.names.index(a) for a in self._sorted])
        self.gain, self.cost = (
            np.stack([self._column(rows, kind, a) for a in self.names]) for kind in ("gain", "cost")
        )
        self.together = decision_groups(rows) if kpi.has_limits else []
        dealt = kpi.treatment.column if kpi.treatment else None
        self.dealt = rows[dealt].to_numpy(object) if dealt and dealt in rows else None

    def _column(self, rows: pd.DataFrame, kind: str, action: str) -> Floats:
        import numpy as np

        value, column = getattr(self.kpi.actions[action], kind), f"_{kind} {action}"
        if not isinstance(value, str):
            return np.broadcast_to(np.float64(value), self.count)
        if column not in rows:
            raise PayoffError(f"the rows lack '{column}', what kpi.actions.{action}.{kind} says: make features again")
        return rows[column].to_numpy(float, na_value=np.nan)

    def _numbers(self, actions: Sequence[str]) -> NDArray[np.int64]:
        """Each action's place in `names`."""
        import numpy as np

        said = np.asarray(actions, dtype=str)
        at = np.minimum(np.searchsorted(self._sorted, said), len(self.names) - 1)
        wrong = self._sorted[at] != said
        if wrong.any():
            raise PayoffError(f"'{said[wrong][0]}' is not an action: {', '.join(self.names)}")
        return self._place[at]

    def paid(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """See Payoffs. Of a treatment: worth x outcome - cost over the share, where the unit got the action; else 0."""
        import numpy as np

        number, each = self._numbers(actions), np.arange(self.count)
        treatment = self.kpi.treatment
        if treatment is None:
            found: Floats = self.gain[number, each] * outcome - self.cost[number, each]
            return found
        if self.dealt is None:
            raise PayoffError(f"the rows lack '{treatment.column}', the action each unit got")
        share = np.array([treatment.shares[a] for a in self.names])[number]
        got = self.dealt == np.array(self.names, object)[number]
        return np.where(got, (treatment.value_per_outcome * outcome - self.cost[number, each]) / share, 0.0)

    def values(self, score: Floats) -> Floats:
        """Expected payoff of each action, (actions, n). A score of that shape expects something else of each action."""
        treatment = self.kpi.treatment
        return (treatment.value_per_outcome if treatment else self.gain) * score - self.cost

    def best(self, outcome: Floats) -> Floats:
        """See Payoffs. Limits hold for it too; what it needn't use up it doesn't."""
        import numpy as np

        if self.kpi.treatment:
            return np.full(self.count, np.nan)
        values = self.values(outcome)
        chosen = self._within(values, {}, use_full_limit=False) if self.kpi.has_limits else values.argmax(axis=0)
        found: Floats = values[chosen, np.arange(self.count)]
        return found

    def choose(self, score: Floats, barred: Barred | None = None, spent: ActionCounts | None = None) -> NDArray[Any]:
        """See Payoffs."""
        import numpy as np

        values = self.values(score)
        for action, where in (barred or {}).items():
            values[self.names.index(action), where] = -np.inf
        chosen = self._within(values, spent or {}) if self.kpi.has_limits else values.argmax(axis=0)
        return np.array(self.names, object)[chosen]

    def _within(self, values: Floats, spent: ActionCounts, use_full_limit: bool = True) -> NDArray[np.int64]:
        """Each row's best action with the limits kept.

        Where more want an action than there are of it, those have it who gain most beyond their next best, of equals
        the first; the others turn to that (deferred acceptance: Gale & Shapley, 1962). What is to be used up then goes
        to those who lose least by it.
        """
        import numpy as np

        values = values.copy()
        moments: dict[tuple[str, Any], list[int]] = {}
        for i, moment in enumerate(self.together):
            moments.setdefault(moment, []).append(i)
        places = [
            (self.names.index(name), np.array(rows), max(action.limit - spent.get(moment, {}).get(name, 0), 0))
            for name, action in self.kpi.actions.items()
            if action.limit
            for moment, rows in moments.items()
        ]

        def ranked(number: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
            others = np.delete(values, number, axis=0)[:, rows].max(axis=0)
            return rows[np.argsort(others - values[number, rows], kind="stable")]

        crowded = True
        while crowded:
            chosen, crowded = values.argmax(axis=0), False
            for number, rows, left in places:
                takers = rows[chosen[rows] == number]
                if len(takers) > left:
                    values[number, ranked(number, takers)[left:]], crowded = -np.inf, True
        for number, rows, left in places:
            if use_full_limit and self.kpi.actions[self.names[number]].use_full_limit:
                able = rows[(chosen[rows] != number) & (values[number, rows] > -np.inf)]
                chosen[ranked(number, able)[: left - int((chosen[rows] == number).sum())]] = number
        return chosen

    def worth(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """What each unit was worth where the action may change the outcome: worth x outcome - cost of what was done.

        Of a KPI with a holdout. Shape (n,).
        """
        import numpy as np

        assert self.kpi.holdout, "an exact KPI has no holdout"
        found: Floats = (
            self.kpi.holdout.value_per_outcome * outcome - self.cost[self._numbers(actions), np.arange(self.count)]
        )
        return found

    def expected(self, score: Floats, actions: Sequence[str]) -> Floats:
        """See Payoffs."""
        import numpy as np

        if score.ndim == 1:
            return score
        found: Floats = score[self._numbers(actions), np.arange(self.count)]
        return found

    def margin(self, score: Floats) -> Floats:
        """How far the best action's expected payoff is above the second best's. Shape (n,)."""
        import numpy as np

        values = np.sort(self.values(score), axis=0)
        return values[-1] - values[-2]

    def next_best(self, score: Floats, actions: Sequence[str]) -> NDArray[Any]:
        """Of the actions that weren't taken, the one of the highest expected payoff; the cheapest of equals."""
        import numpy as np

        taken = np.asarray(actions, dtype=str)
        return self.choose(score, {a: taken == a for a in self.names})

    def worth_of_knowing(self, score: Floats) -> Floats:
        """What knowing the outcome (0 or 1) before acting is worth, for each probability of 1; never negative.

        The expected value of perfect information: E[max over actions of payoff] - max over actions of E[payoff], so
        the most that somebody well informed can add. Source: Raiffa & Schlaifer, Applied Statistical Decision Theory
        (1961); Howard, Information Value Theory (1966).
        """
        import numpy as np

        informed = score * self.best(np.ones_like(score)) + (1 - score) * self.best(np.zeros_like(score))
        return np.maximum(informed - self.best(score), 0.0)


@dataclass(frozen=True)
class NumericPayoffs:
    """The action is a number, as text: see objective.Amount."""

    amount: Amount

    def paid(self, actions: Sequence[str], outcome: Floats) -> Floats:
        """See Payoffs."""
        import numpy as np

        try:
            chosen = np.asarray(actions, dtype=object).astype(float)
        except (TypeError, ValueError) as error:
            raise PayoffError(f"an amount is a number: {error}") from error
        short = outcome - chosen
        return -np.where(short > 0, self.amount.shortage_cost * short, -self.amount.excess_cost * short)

    def best(self, outcome: Floats) -> Floats:
        """See Payoffs."""
        return self.paid(self.choose(outcome).tolist(), outcome)

    def choose(self, score: Floats, barred: Barred | None = None, spent: ActionCounts | None = None) -> NDArray[Any]:
        """See Payoffs: the expected quantile, within what is allowed."""
        import numpy as np

        near = np.clip(np.rint(score) if self.amount.whole_numbers else score, self.amount.minimum, self.amount.maximum)
        return np.array([format_amount(a) for a in near], object)

    def expected(self, score: Floats, actions: Sequence[str]) -> Floats:
        """See Payoffs."""
        return score


def format_amount(amount: float) -> str:
    """An amount as text: the same number, the same text."""
    return f"{amount + 0.0:.10g}"  # no minus before a zero
