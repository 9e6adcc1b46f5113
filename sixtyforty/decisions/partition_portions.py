"""Cut a sorted stream of units into portions that never depend on the other partitions of the stream.

The sums over a partition are added portion by portion. The last digits of a sum depend on where the portions end, so a
partition is always cut at the same units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sixtyforty.storage import stored_tables

if TYPE_CHECKING:
    import pandas as pd


def cut_at_partitions(frames: Iterable[pd.DataFrame], join_times: bool) -> Iterator[pd.DataFrame]:
    """Yield sorted units so that a partition with at most PORTION_ROWS units is in one DataFrame, as a whole.

    A larger partition is cut after each PORTION_ROWS of its units. Its last part shares a DataFrame with the partitions
    that follow. A DataFrame has at most twice as many units as a portion.

    frames: must be sorted by `_partition`, then by `decided_at`.
    join_times: whether the units of a partition and decision time stay together. Then a part may have more units.
    """
    import pandas as pd

    waiting: list[pd.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if join_times and _group_at(waiting[0], 0) == _group_at(frame, -1):
            continue  # none of these units can be yielded yet, so they are joined only once
        units = pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else frame
        while count := _count_complete(units, join_times):
            yield units.iloc[:count]
            units = units.iloc[count:].reset_index(drop=True)
        waiting = [units] if len(units) else []
    if waiting:
        yield pd.concat(waiting, ignore_index=True) if len(waiting) > 1 else waiting[0]


def _group_at(units: pd.DataFrame, row: int) -> tuple[object, object]:
    """Return the partition and decision time of a row."""
    return units["_partition"].iloc[row], units["decided_at"].iloc[row]


def _count_complete(units: pd.DataFrame, join_times: bool) -> int:
    """Return how many units from the start of `units` form a portion, or 0 if more units must be read to know."""
    if len(units) < stored_tables.PORTION_ROWS:
        return 0
    bounds = [0, *_changes(units["_partition"]), len(units)]
    for start, end in pairwise(bounds):
        if end - start >= stored_tables.PORTION_ROWS:
            return start or _first_part(units, end, join_times)
    return bounds[-2]


def _first_part(units: pd.DataFrame, end: int, join_times: bool) -> int:
    """Return after how many units to cut a first partition that is larger than a portion.

    Return 0 if more units must be read to know. end: the number of units of the first partition in `units`.
    """
    size = stored_tables.PORTION_ROWS
    if not join_times:
        return size
    later = _changes(units["decided_at"].iloc[size - 1 : end])
    if later:
        return size - 1 + later[0]
    return end if end < len(units) else 0


def _changes(column: pd.Series) -> list[int]:
    """Return the positions at which a column differs from the row before."""
    import numpy as np

    values = column.to_numpy()
    return (np.flatnonzero(values[1:] != values[:-1]) + 1).tolist()
