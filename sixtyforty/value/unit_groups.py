"""Count units that recur as clusters: a customer in each campaign is less than many independent observations.

Two sums of a unit are dependent, however far apart their days are. So the same units in each block make an interval
from blocks alone too narrow. The clusters are therefore two-way: blocks of days, and units. Each unit belongs to one of
GROUPS groups, by a hash of its key. A group counts as one cluster, which is right for its units, too. An account stores
a few sums of each group. Sums of partitions add up, so a new day costs what its own data cost.

`clusters.py` computes the variance for these clusters.

Source of the random groups: Wolter (2007), Introduction to Variance Estimation, chapter 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.sql import identifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GROUPS = 64  # a standard error from 64 groups is nearly as exact as from all units, and the accounts stay small
GROUP_COLUMN = "_unit_group"  # the number of the unit's group, 0 to GROUPS - 1, in rows of units that recur
DECISIONS = "decisions"

# The sums over each group in one partition, by name: DECISIONS is the number of decisions, and the name of a policy its
# money. Each list has the length GROUPS. None: the units don't recur. Empty: they recur, but the sums are unknown.
GroupSums = Mapping[str, Sequence[float]]

NOT_IN_ACCOUNTS = (
    "the same units recur, but some accounts were written before such units counted as clusters. Value these days again"
    " with `sixtyforty run`"
)
NOT_COUNTED = "the same units recur, and no interval of this figure counts them as clusters"


def group_sql(key: Sequence[str], table: str = "") -> str:
    """Return the SQL of a unit's group. key: the columns of the unit's key. table: the alias of their table, if any."""
    prefix = f"{table}." if table else ""
    columns = ", ".join(f"{prefix}{identifier(column)}::varchar" for column in key)
    return f"('0x' || left(md5(concat_ws('|', {columns})), 4))::integer % {GROUPS}"


def sum_groups(groups: NDArray[np.int64], amounts: NDArray[Any] | None = None) -> list[float]:
    """Return the sum of each group: of amounts, or the number of units. groups: the group of each unit."""
    import numpy as np

    return np.bincount(groups, amounts, GROUPS).astype(float).tolist()


def add_groups(first: GroupSums | None, second: GroupSums | None) -> GroupSums | None:
    """Add up the sums of two portions of a partition."""
    if first is None or second is None:
        return None
    return {name: [a + b for a, b in zip(sums, second[name], strict=True)] for name, sums in first.items()}


@dataclass(frozen=True)
class GroupedSums:
    """The totals and the counts of each group in some partitions, both of shape (partitions, GROUPS).

    problem: why they are unknown; empty if they are known.
    """

    totals: NDArray[np.float64] | None = None
    counts: NDArray[np.float64] | None = None
    problem: str = ""

    def select(self, is_counted: NDArray[np.bool_]) -> GroupedSums:
        """Return the sums of some partitions. is_counted: a mask of the shape (partitions,)."""
        if self.totals is None or self.counts is None:
            return self
        return GroupedSums(self.totals[is_counted], self.counts[is_counted])


NOT_GROUPED = GroupedSums(problem=NOT_COUNTED)


def subtract_groups(
    days: Iterable[tuple[GroupSums | None, str, GroupSums | None, str]],
) -> GroupedSums | None:
    """Return the differences in money of two policies by group; None if the units don't recur.

    days: for each partition, the sums and the name of the first policy, then those of the second. The counts are those
    of the first.
    """
    import numpy as np

    parts = list(days)
    if all(first is None and second is None for first, _, second, _ in parts):
        return None
    money, money_against, counts = [], [], []
    for first, policy, second, against in parts:
        if not (first and second and policy in first and against in second):
            return GroupedSums(problem=NOT_IN_ACCOUNTS)
        money.append(first[policy])
        money_against.append(second[against])
        counts.append(first[DECISIONS])
    return GroupedSums(np.array(money, np.float64) - np.array(money_against, np.float64), np.array(counts, np.float64))
