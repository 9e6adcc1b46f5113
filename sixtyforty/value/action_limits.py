"""Choose actions within their limits: only so many units of one decision time, or of one day, may get an action.

The units of one decision time compete for an action, so they are chosen together. `LimitedUnits` needs a few numbers
for each unit, and not the features. Source of the assignment (deferred acceptance): Gale & Shapley (1962), "College
Admissions and the Stability of Marriage".

A limit per day is used up in the order of decision times: first come, first served. Later units of the day aren't known
yet at a decision time, so nothing is held back for them. This is the simplest rule for such a stream of requests. Rules
that hold capacity back need a forecast of the day's later units: Talluri & van Ryzin (2004), "The Theory and Practice
of Revenue Management", chapter 2.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
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
    """The partition and decision time of n rows. A limit of an action applies within such a group or a partition.

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
        for code, rows in enumerate(_rows_by_code(self.codes, len(self.labels))):
            yield self.labels[code], rows

    def steps(self) -> Iterator[tuple[NDArray[np.int64], DecisionGroups]]:
        """Yield the positions of rows and their groups so that each step has one decision time of each partition.

        The steps are in the order of time: step n has the n-th decision time of each partition.
        """
        import numpy as np

        if not self.labels:
            return
        times_by_partition = defaultdict(list)
        for code, (partition, time) in enumerate(self.labels):
            times_by_partition[partition].append((time, code))
        step_of_code = np.empty(len(self.labels), np.int64)
        for times in times_by_partition.values():
            step_of_code[[code for _, code in sorted(times)]] = np.arange(len(times))
        steps = int(step_of_code.max()) + 1
        for codes, rows in zip(
            _rows_by_code(step_of_code, steps), _rows_by_code(step_of_code[self.codes], steps), strict=True
        ):
            labels = [self.labels[code] for code in codes.tolist()]
            yield rows, DecisionGroups(labels, np.searchsorted(codes, self.codes[rows]).astype(np.int32))

    def by_partition(self) -> DecisionGroups:
        """Return the same rows, grouped by partition only. The time of each label is None."""
        import numpy as np

        positions: dict[str, int] = {}
        codes = np.array([positions.setdefault(partition, len(positions)) for partition, _ in self.labels], np.int32)
        return DecisionGroups([(partition, None) for partition in positions], codes[self.codes])


def count_actions(rows: pd.DataFrame, column: str) -> dict[tuple[str, Any], Counter[str]]:
    """Count each action of the column `column` by group: partition and decision time."""
    import pandas as pd

    groups = DecisionGroups.of_rows(rows)
    codes, actions = pd.factorize(rows[column])
    return {label: Counter(actions.take(codes[members]).tolist()) for label, members in groups.rows_by_group()}


def _rows_by_code(codes: NDArray[Any], count: int) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the rows of each code from 0 to `count` - 1, in the order of the rows."""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=count)).tolist()
    for start, end in pairwise([0, *ends]):
        yield order[start:end]


@dataclass(frozen=True)
class _Limit:
    """How many rows of one group may still get an action."""

    action: int  # the position of the action in the cheapest-first order
    rows: NDArray[np.int64]  # the positions of the rows
    remaining: int  # how many of the rows may still get the action


@dataclass(frozen=True)
class LimitedUnits:
    """Units that compete for actions with limits: n rows, with all rows of each group.

    - payoffs: the expected payoff of each action, shape (actions, n), in the order of `Kpi.actions_by_cost`; -inf for
      an action that may not be taken.
    - groups: the groups of the rows.
    - current: the position of the current process's action in the same order, or -1 without one, shape (n,). A row
      without any allowed action gets it in the end.
    """

    kpi: Kpi
    payoffs: Floats
    groups: DecisionGroups
    current: NDArray[np.int64]

    def choose(self, taken: ActionCounts, counted: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the action chosen for each row within the declared limits, as its position, shape (n,).

        If an action is best on more rows than its limit allows, the rows on which its advantage over the next best
        action is greatest get the action. Of equal rows, the first ones get the action. The other rows get their next
        best action (deferred acceptance). An action with `use_full_limit` is then given to more rows until its limit is
        used up, first to the rows that lose least.

        A limit per day is used up in the order of decision times. Only the actions of earlier times count, so that the
        choice never depends on units that are decided later.

        May change `payoffs` in place: -inf where a row lost an action.

        taken: the actions already taken, which count towards the limits.
        counted: the actions of these rows that use up limits per day, if they aren't the chosen ones, shape (n,).
        """
        import numpy as np

        if not self.kpi.has_daily_limits:
            return self._choose_at_once(taken, {})
        names = self.kpi.actions_by_cost
        chosen = np.zeros(len(self.groups.codes), np.int64)
        of_day = _TakenByDay(taken)
        for rows, groups in self.groups.steps():
            of_step = LimitedUnits(self.kpi, self.payoffs[:, rows], groups, self.current[rows])
            chosen[rows] = of_step._choose_at_once(taken, of_day.until(groups.labels))
            using_up = (self.settle(chosen) if counted is None else counted)[rows]
            for (partition, _), members in groups.rows_by_group():
                actions = using_up[members]
                counts = np.bincount(actions[actions >= 0], minlength=len(names)).tolist()
                of_day.add(partition, dict(zip(names, counts, strict=True)))
        return chosen

    def settle(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the chosen actions after rows without any allowed action got that of the current process."""
        import numpy as np

        is_impossible = self.payoffs[chosen, np.arange(len(chosen))] == -np.inf
        return np.where(is_impossible, self.current, chosen)

    def choose_with_foresight(self) -> NDArray[np.int64]:
        """Return the action chosen for each row within the limits if all units of a day are known at its first time.

        The limits per day then apply to all units of a day at once. `use_full_limit` doesn't apply.
        """
        limits = self._remaining_limits({}, {})
        return self._reject_excess_rows(limits)

    def _choose_at_once(self, taken: ActionCounts, of_day: Mapping[str, Mapping[str, int]]) -> NDArray[np.int64]:
        """Return the actions of rows whose limits don't depend on each other. of_day: see `_remaining_limits`."""
        limits = self._remaining_limits(taken, of_day)
        chosen = self._reject_excess_rows(limits)
        self._fill_limits(chosen, limits)
        return chosen

    def _remaining_limits(self, taken: ActionCounts, of_day: Mapping[str, Mapping[str, int]]) -> list[_Limit]:
        """Return the limits of each group, less the actions that count towards them.

        taken: the actions of each partition and decision time. of_day: the earlier actions of each partition.
        """
        names, by_day = self.kpi.actions_by_cost, self.groups.by_partition()
        return [
            _Limit(names.index(name), rows, max(action.most_units - counts.get(name, 0), 0))
            for groups, is_by_day in ((self.groups, False), (by_day, True))
            for group, rows in groups.rows_by_group()
            for counts in [of_day.get(group[0], {}) if is_by_day else taken.get(group, {})]
            for name, action in self.kpi.actions.items()
            if action.most_units and action.is_limited_by_day == is_by_day
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


class _TakenByDay:
    """The actions already taken on each day, by partition.

    taken: actions by partition and decision time. A time of None stands for actions that count at every time.
    """

    def __init__(self, taken: ActionCounts) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._later: dict[str, list[tuple[Any, Mapping[str, int]]]] = defaultdict(list)
        for (partition, time), counts in taken.items():
            if time is None:
                self._counts[partition].update(counts)
            else:
                self._later[partition].append((time, counts))
        for times in self._later.values():
            times.sort(key=lambda pair: pair[0], reverse=True)  # the earliest time is the last one in the list

    def until(self, labels: Sequence[tuple[str, Any]]) -> Mapping[str, Mapping[str, int]]:
        """Return the actions of each partition up to its decision time in `labels`, which only goes forward."""
        for partition, time in labels:
            later = self._later.get(partition, [])
            while later and later[-1][0] <= time:
                self._counts[partition].update(later.pop()[1])
        return self._counts

    def add(self, partition: str, counts: Mapping[str, int]) -> None:
        """Count actions of a partition that were chosen now."""
        self._counts[partition].update(counts)


def _rank_by_advantage(payoffs: Floats, action: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows sorted by how much more an action pays than the best other action, the greatest advantage first.

    payoffs: shape (actions, n). action: the position of the action. rows: positions of rows.
    """
    import numpy as np

    others = [n for n in range(len(payoffs)) if n != action]
    other_best = np.stack([payoffs[other, rows] for other in others]).max(axis=0)
    return rows[np.argsort(other_best - payoffs[action, rows], kind="stable")]
