"""Choose the decision times at which features are recomputed to find leakage.

A leak may touch only 1% of the units, spread over the decision times. The checks of a quarter still find the leak with
a probability above 99%, because they cover at least ENOUGH_UNITS units, and 0.99 ** 500 < 0.01. It makes no difference
whether the quarter is built in one run or day by day. Leaks often touch only units with a rare value, without a value,
or without an outcome. So some decision times are chosen because they have such units.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ENOUGH_UNITS = 500  # units to check in a quarter
QUARTER_DAYS = 91
RARE_SHARE = 0.05  # a value is rare if fewer units than this share have it
TARGETED_TIMES = 5  # decision times chosen for their rare values, in a run of several partitions
MAX_DISTINCT = 50  # a column with more distinct values is not searched: all its values are rare


@dataclass(frozen=True)
class CandidateTime:
    """A decision time (UTC) that may be checked for leakage, its number of units, and the rare values in their rows."""

    partition: str
    time: datetime
    units: int
    rare: frozenset[str] = field(default=frozenset())


def list_candidates(
    read_rows: Callable[[], Iterable[pd.DataFrame]], hidden: Collection[str] = ()
) -> list[CandidateTime]:
    """Return the decision times of feature rows, sorted, with the rare values of their units.

    read_rows: yields the rows in portions, each time it is called. There is one row for each unit, with `_partition`,
    `decided_at` (UTC) and the columns to search for rare values. hidden: columns in which rare values are not searched.
    """
    import numpy as np

    rare_values = _rare_values(read_rows(), {"_partition", "decided_at", *hidden})
    units: Counter[tuple[Any, Any]] = Counter()
    rare: dict[tuple[Any, Any], set[str]] = {}
    for rows in read_rows():
        groups = rows.groupby(["_partition", "decided_at"], sort=True)
        sizes = groups.size()
        units.update(dict(zip(sizes.index, sizes.tolist(), strict=True)))
        numbers = groups.ngroup().to_numpy()  # -1 for a unit without a decision time
        for column, rare_value in rare_values:
            having = np.unique(numbers[_has_value(rows[column], rare_value)])
            for time in sizes.index[having[having >= 0]]:
                rare.setdefault(time, set()).add(f"{column}={'null' if rare_value is None else rare_value}")
    return [
        CandidateTime(str(partition), time, units[partition, time], frozenset(rare.get((partition, time), ())))
        for partition, time in sorted(units)
    ]


def _rare_values(portions: Iterable[pd.DataFrame], hidden: Collection[str]) -> list[tuple[str, Any]]:
    """Return the rare values of each column. None stands for rows without a value."""
    row_count, nulls = 0, Counter[str]()
    counts: dict[str, Counter[Any] | None] = {}  # None: too many distinct values, or fractions
    for rows in portions:
        row_count += len(rows)
        for column in rows.columns.difference([*hidden]):
            nulls[column] += int(rows[column].isna().sum())
            counts[column] = _add_counts(counts.get(column, Counter()), rows[column])
    limit = max(1, math.floor(RARE_SHARE * row_count))
    return [
        (column, distinct)
        for column, of_values in counts.items()
        for distinct, count in [(None, nulls[column]), *(of_values or {}).items()]
        if 0 < count <= limit
    ]


def _add_counts(counts: Counter[Any] | None, column: pd.Series[Any]) -> Counter[Any] | None:
    """Add to `counts` how often each value occurs in a portion of a column, and return `counts`.

    Return None if the column holds neither text, whole numbers nor booleans, or more than MAX_DISTINCT values.
    """
    if counts is None or not (column.dtype.kind in "iubOU" or column.dtype == "str"):
        return None
    of_portion = column.value_counts()
    if len(of_portion) > MAX_DISTINCT:
        return None
    counts.update(dict(zip(of_portion.index, of_portion.tolist(), strict=True)))
    return counts if len(counts) <= MAX_DISTINCT else None


def _has_value(column: pd.Series[Any], rare_value: Any) -> NDArray[np.bool_]:
    return column.isna().to_numpy() if rare_value is None else (column == rare_value).to_numpy(bool)


def choose_times(candidates: Sequence[CandidateTime], days_between_partitions: float, seed: str) -> list[CandidateTime]:
    """Return the decision times to check, sorted. The same arguments give the same choice.

    candidates: the decision times for which a run has built features. days_between_partitions: days from the start of a
    partition to that of the next one.
    """
    chance = random.Random(seed)
    partitions = {candidate.partition for candidate in candidates}
    units = sum(candidate.units for candidate in candidates)
    units_a_quarter = units / max(1, len(partitions)) * QUARTER_DAYS / days_between_partitions
    needed = units * min(1.0, ENOUGH_UNITS / units_a_quarter) if units else 0.0
    chosen = _choose_at_random(candidates, needed, chance)
    if len(partitions) > 1:
        chosen |= set(_choose_rare(candidates, TARGETED_TIMES))
    elif len(chosen) == 1 and chance.random() < 0.5:  # a second decision time would double the cost of a daily run
        chosen = set(_choose_rare(candidates, 1)) or chosen
    return sorted(chosen, key=lambda candidate: (candidate.partition, candidate.time))


def _choose_at_random(candidates: Sequence[CandidateTime], needed: float, chance: random.Random) -> set[CandidateTime]:
    """Draw decision times at random until together they have the `needed` number of units.

    Return at least one decision time, even if no unit is needed.
    """
    chosen: set[CandidateTime] = set()
    covered = 0
    for candidate in chance.sample(candidates, len(candidates)):
        if chosen and covered >= needed:
            break
        chosen.add(candidate)
        covered += candidate.units
    return chosen


def _choose_rare(candidates: Sequence[CandidateTime], count: int) -> list[CandidateTime]:
    """Return up to `count` decision times whose units together have as many of the rare values as possible."""
    chosen: list[CandidateTime] = []
    missing = set().union(*(candidate.rare for candidate in candidates))
    while missing and len(chosen) < count:
        best = max(candidates, key=lambda candidate: len(candidate.rare & missing))
        chosen.append(best)
        missing -= best.rare
    return chosen


def seed_of(use_case_name: str, partitions: Mapping[str, object]) -> str:
    """Return the seed with which `choose_times` draws the decision times to check in a use case's partitions."""
    return f"{use_case_name} {min(partitions)} {max(partitions)}"
