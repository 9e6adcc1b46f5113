"""Choose the decision times at which features are recomputed to find leakage.

A leak may touch only 1% of the units, spread over the decision times. The checks of a quarter still find the leak with
a probability above 99%, because they cover at least ENOUGH_UNITS units, and 0.99 ** 500 < 0.01. It makes no difference
whether the quarter is built in one run or day by day. Leaks often touch only units with a rare value, without a value,
or without an outcome. So some decision times are chosen because they have such units.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ENOUGH_UNITS = 500  # units to check in a quarter
QUARTER_DAYS = 91
RARE_SHARE = 0.05  # a value is rare if fewer units than this share have it
TARGETED_TIMES = 5  # decision times chosen for their rare values, in a run of several partitions
MAX_DISTINCT = 50  # in columns with more distinct values, rare values are not searched: all are rare


@dataclass(frozen=True)
class CandidateTime:
    """A decision time (UTC) that may be checked for leakage, its number of units, and the rare values in their rows."""

    partition: str
    time: datetime
    units: int
    rare: frozenset[str] = field(default=frozenset())


def list_candidates(rows: pd.DataFrame, hidden: Collection[str] = ()) -> list[CandidateTime]:
    """Return the decision times of feature rows, sorted, with the rare values of their units.

    rows: one row for each unit, with `_partition`, `decided_at` (UTC) and the columns to search for rare values.
    hidden: columns in which rare values are not searched.
    """
    rare = _rare_values(rows, {"_partition", "decided_at", *hidden})
    groups: Mapping[Any, Any] = rows.groupby(["_partition", "decided_at"], sort=True).indices
    return [
        CandidateTime(str(partition), time, len(positions), frozenset(rare.names_in(positions)))
        for (partition, time), positions in groups.items()
    ]


@dataclass
class _RareValues:
    """The rare values of features, such as `carrier=XY`, each with the positions of the rows that have this value."""

    rows: dict[str, set[int]] = field(default_factory=dict)

    def names_in(self, positions: Collection[int]) -> list[str]:
        """Return the names of the rare values that the rows at these positions have."""
        return [name for name, rows in self.rows.items() if not rows.isdisjoint(positions)]


def _rare_values(rows: pd.DataFrame, hidden: Collection[str]) -> _RareValues:
    import numpy as np

    limit, rare_values = max(1, math.floor(RARE_SHARE * len(rows))), _RareValues()
    for column in rows.columns.difference([*hidden]):
        null = rows[column].isna().to_numpy()
        masks = {"null": null}
        if rows[column].dtype.kind in "iubOU" or rows[column].dtype == "str":
            counts = rows[column].value_counts()
            if len(counts) <= MAX_DISTINCT:
                masks |= {str(value): (rows[column] == value).to_numpy() for value in counts[counts <= limit].index}
        for value, mask in masks.items():
            if 0 < mask.sum() <= limit:
                rare_values.rows[f"{column}={value}"] = set(np.flatnonzero(mask).tolist())
    return rare_values


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
