"""Choose actions within their limits: only so many units of a partition and decision time may get an action.

The units of one decision time compete for an action, so they are chosen together. `LimitedUnits` needs a few numbers
for each unit, and not the features. Source of the assignment (deferred acceptance): Gale & Shapley (1962), "College
Admissions and the Stability of Marriage".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.payoff_base import ActionCounts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sixtyforty.value.payoff_base import Floats


@dataclass(frozen=True)
class DecisionGroups:
    """The partition and decision time of n rows. A limit of an action applies within such a group.

    labels: the (partition, decision time) of each group. codes: for each row, the position of its group in `labels`.
    """

    labels: Sequence[tuple[str, Any]]
    codes: NDArray[np.int32]

    @classmethod
    def of_rows(cls, rows: pd.DataFrame) -> DecisionGroups:
        """Return the groups of rows. The partition is '' if the rows have no column `_partition`."""
        import numpy as np
        import pandas as pd

        times, _ = pd.factorize(rows["decided_at"])
        partitions = pd.factorize(rows["_partition"])[0] if "_partition" in rows else np.zeros(len(rows), np.int64)
        _, first, codes = np.unique(
            partitions * (times.max(initial=0) + 1) + times, return_index=True, return_inverse=True
        )
        names = rows["_partition"].iloc[first].tolist() if "_partition" in rows else [""] * len(first)
        labels = list(zip(names, rows["decided_at"].iloc[first].tolist(), strict=True))
        return cls(labels, codes.astype(np.int32))

    @classmethod
    def join(cls, parts: Sequence[DecisionGroups]) -> DecisionGroups:
        """Return the groups of the rows of several parts, one after the other. Parts may share groups."""
        import numpy as np

        positions: dict[tuple[str, Any], int] = {}
        codes = [
            np.array([positions.setdefault(label, len(positions)) for label in part.labels], np.int32)[part.codes]
            for part in parts
        ]
        return cls(list(positions), np.concatenate(codes))

    def rows_by_group(self) -> Iterator[tuple[tuple[str, Any], NDArray[np.int64]]]:
        """Yield each group with the positions of its rows, in the order of the rows."""
        import numpy as np

        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.labels))).tolist()
        for label, (start, end) in zip(self.labels, pairwise([0, *ends]), strict=True):
            yield label, order[start:end]


def count_actions(rows: pd.DataFrame, column: str) -> dict[tuple[str, Any], Counter[str]]:
    """Count each action of the column `column` by group: partition and decision time."""
    import pandas as pd

    groups = DecisionGroups.of_rows(rows)
    codes, actions = pd.factorize(rows[column])
    return {label: Counter(actions.take(codes[members]).tolist()) for label, members in groups.rows_by_group()}


@dataclass(frozen=True)
class _Limit:
    """How many rows of one partition and decision time may still get an action."""

    action: int  # the position of the action in the cheapest-first order
    rows: NDArray[np.int64]  # the positions of the rows
    remaining: int  # how many of the rows may still get the action


@dataclass(frozen=True)
class LimitedUnits:
    """Units that compete for actions with limits: n rows, with all rows of each group.

    payoffs: the expected payoff of each action, shape (actions, n), in the order of `Kpi.actions_by_cost`; -inf for an
    action that may not be taken. groups: the groups of the rows.
    """

    kpi: Kpi
    payoffs: Floats
    groups: DecisionGroups

    def choose(self, taken: ActionCounts, use_full_limit: bool = True) -> NDArray[np.int64]:
        """Return the action chosen for each row within the declared limits, as its position, shape (n,).

        If an action is best on more rows than its limit allows, the rows on which its advantage over the next best
        action is greatest get the action. Of equal rows, the first ones get the action. The other rows get their next
        best action (deferred acceptance). An action with `use_full_limit` is then given to more rows until its limit is
        used up, first to the rows that lose least.

        Changes `payoffs` in place: -inf where a row lost an action.

        taken: the actions already taken, which count towards the limits.
        use_full_limit: whether the declared `use_full_limit` applies.
        """
        limits = self._remaining_limits(taken)
        chosen = self._reject_excess_rows(limits)
        if use_full_limit:
            self._fill_limits(chosen, limits)
        return chosen

    def _remaining_limits(self, taken: ActionCounts) -> list[_Limit]:
        names = self.kpi.actions_by_cost
        return [
            _Limit(names.index(name), rows, max(action.limit - taken.get(group, {}).get(name, 0), 0))
            for group, rows in self.groups.rows_by_group()
            for name, action in self.kpi.actions.items()
            if action.limit
        ]

    def _reject_excess_rows(self, limits: list[_Limit]) -> NDArray[np.int64]:
        """Return the best action of each row, after limited actions were taken away from rows in excess of a limit.

        While a limit is exceeded, the rows with the smallest advantage lose the action: their payoff for the action is
        set to -inf in `payoffs`. A row whose payoffs are all -inf gets the cheapest action without a limit.
        """
        import numpy as np

        unlimited = next(n for n, name in enumerate(self.kpi.actions_by_cost) if not self.kpi.actions[name].limit)
        payoffs, exceeded = self.payoffs, True
        while exceeded:
            chosen, exceeded = payoffs.argmax(axis=0), False
            chosen[payoffs.max(axis=0) == -np.inf] = unlimited
            for limit in limits:
                takers = limit.rows[chosen[limit.rows] == limit.action]
                if len(takers) > limit.remaining:
                    rejected = _rank_by_advantage(payoffs, limit.action, takers)[limit.remaining :]
                    payoffs[limit.action, rejected], exceeded = -np.inf, True
        return chosen

    def _fill_limits(self, chosen: NDArray[np.int64], limits: list[_Limit]) -> None:
        """Give actions with `use_full_limit` to more rows until their limits are used up. Changes `chosen` in place.

        Such an action takes no rows from another action with `use_full_limit`.
        """
        import numpy as np

        full = [n for n, name in enumerate(self.kpi.actions_by_cost) if self.kpi.actions[name].use_full_limit]
        for limit in limits:
            if limit.action in full:
                free = limit.remaining - int((chosen[limit.rows] == limit.action).sum())
                eligible = limit.rows[
                    ~np.isin(chosen[limit.rows], full) & (self.payoffs[limit.action, limit.rows] > -np.inf)
                ]
                chosen[_rank_by_advantage(self.payoffs, limit.action, eligible)[:free]] = limit.action


def _rank_by_advantage(payoffs: Floats, action: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows sorted by how much more an action pays than the best other action, the greatest advantage first.

    payoffs: shape (actions, n). action: the position of the action. rows: positions of rows.
    """
    import numpy as np

    others = [n for n in range(len(payoffs)) if n != action]
    other_best = np.stack([payoffs[other, rows] for other in others]).max(axis=0)
    return rows[np.argsort(other_best - payoffs[action, rows], kind="stable")]
