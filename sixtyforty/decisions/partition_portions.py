"""Cut a sorted stream of units into portions that never depend on the other partitions of the stream.

The sums over a partition are added portion by portion. The last digits of a sum depend on where the portions end, so a
partition is always cut at the same units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from sixtyforty.storage import stored_tables

if TYPE_CHECKING:
    import pandas as pd


Cut = Literal["anywhere", "between times", "never within a time", "never"]


def cut_at_partitions(frames: Iterable[pd.DataFrame], cut: Cut) -> Iterator[pd.DataFrame]:
    """Yield sorted units so that a partition with at most PORTION_ROWS units is in one DataFrame, as a whole.

    A larger partition is cut into parts. Its last part shares a DataFrame with the partitions that follow. A DataFrame
    has at most twice as many units as a portion.

    frames: must be sorted by `_partition`, then by `decided_at`.
    cut: where a larger partition is cut. `anywhere`: after each PORTION_ROWS of its units. `between times`: at the last
    change of the decision time before that, or, within a decision time of more units, after PORTION_ROWS.
    `never within a time`: at the next change of the decision time, so that a part may have more units. `never`: at no
    unit, so that a portion may have as many units as a partition.
    """
    import pandas as pd

    waiting: list[pd.DataFrame] = []
    last_group: tuple[object, object] | None = None
    for frame in frames:
        waiting.append(frame)
        first, last = _group_at(waiting[0], 0), _group_at(frame, -1)
        if (cut == "never" and first[0] == last[0]) or (cut == "never within a time" and first == last):
            continue  # none of these units can be yielded yet, so they are joined only once
        units = pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else frame
        while count := _count_complete(units, cut, last_group):
            last_group = _group_at(units, count - 1)
            yield units.iloc[:count]
            units = units.iloc[count:].reset_index(drop=True)
        waiting = [units] if len(units) else []
    if waiting:
        yield pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else waiting[0]


def _group_at(units: pd.DataFrame, row: int) -> tuple[object, object]:
    """Return the partition and decision time of a row."""
    return units["_partition"].iloc[row], units["decided_at"].iloc[row]


def _count_complete(units: pd.DataFrame, cut: Cut, last_group: tuple[object, object] | None) -> int:
    """Return how many units from the start of `units` form a portion, or 0 if more units must be read to know.

    last_group: the partition and decision time at the end of the portion before.
    """
    if len(units) < stored_tables.PORTION_ROWS:
        return 0
    bounds = [0, *_changes(units["_partition"]), len(units)]
    for start, end in pairwise(bounds):
        if end - start >= stored_tables.PORTION_ROWS:
            return start or _first_part(units, end, cut, last_group)
    return bounds[-2]


def _first_part(units: pd.DataFrame, end: int, cut: Cut, last_group: tuple[object, object] | None) -> int:
    """Return after how many units to cut a first partition that is larger than a portion.

    Return 0 if more units must be read to know. end: the number of units of the first partition in `units`.
    """
    size = stored_tables.PORTION_ROWS
    if cut == "anywhere":
        return size
    if cut == "between times":
        changes = _changes(units["decided_at"].iloc[:size])
        starts_within = last_group == _group_at(units, 0)
        is_new = last_group is None or last_group[0] != units["_partition"].iloc[0]
        if is_new and end == size:  # the partition isn't larger than a portion, unless more units follow
            return size if end < len(units) else 0
        return (changes[0] if starts_within else changes[-1]) if changes else size
    later = _changes(units["decided_at"].iloc[size - 1 : end]) if cut == "never within a time" else []
    if later:
        return size - 1 + later[0]
    return end if end < len(units) else 0


def _changes(column: pd.Series) -> list[int]:
    """Return the positions at which a column differs from the row before."""
    import numpy as np

    values = column.to_numpy()
    return (np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()
