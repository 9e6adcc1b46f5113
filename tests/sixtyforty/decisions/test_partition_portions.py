"""A partition is cut at the same units, whatever other partitions are read, and small partitions stay whole."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.decisions.partition_portions import Cut, cut_at_partitions
from tests.small_portions import ROWS, use_small_portions

START = datetime(2013, 1, 1)


def make_units(sizes: list[int]) -> pd.DataFrame:
    """Return partitions of these sizes. Three units of a partition share a decision time."""
    days = [f"day {n:02}" for n, size in enumerate(sizes) for _ in range(size)]
    times = [START + timedelta(days=n, hours=(i + n) // 3) for n, size in enumerate(sizes) for i in range(size)]
    return pd.DataFrame({"_partition": days, "decided_at": times, "number": range(len(days))})


def cut(units: pd.DataFrame, chunk: int, where: Cut) -> list[pd.DataFrame]:
    """Return the portions of units that come in chunks of this size."""
    chunks = (units.iloc[n : n + chunk].reset_index(drop=True) for n in range(0, len(units), chunk))
    with pytest.MonkeyPatch.context() as patch:
        use_small_portions(patch)
        return list(cut_at_partitions(chunks, where))


def parts_by_partition(portions: list[pd.DataFrame]) -> dict[str, list[list[int]]]:
    """Return the unit numbers of each partition's parts."""
    parts: dict[str, list[list[int]]] = {}
    for portion in portions:
        for partition, rows in portion.groupby("_partition"):
            parts.setdefault(str(partition), []).append(rows["number"].tolist())
    return parts


@given(
    sizes=st.lists(st.integers(1, 14), max_size=8), chunk=st.integers(1, 2 * ROWS), where=st.sampled_from(get_args(Cut))
)
def test_parts_depend_on_their_partition_only(sizes: list[int], chunk: int, where: Cut) -> None:
    units = make_units(sizes)
    portions = cut(units, chunk, where)
    assert [number for portion in portions for number in portion["number"].tolist()] == list(range(len(units)))
    assert all(len(portion) > 0 for portion in portions)
    parts = parts_by_partition(portions)
    for partition, rows in units.groupby("_partition"):
        alone = cut(rows.reset_index(drop=True), len(units), where)
        assert parts_by_partition(alone) == {partition: parts[str(partition)]}
        assert (len(rows) > ROWS and where != "never") or len(parts[str(partition)]) == 1


@given(
    sizes=st.lists(st.integers(1, 14), max_size=8),
    chunk=st.integers(1, ROWS),
    where=st.sampled_from(["anywhere", "between times"]),
)
def test_a_portion_is_small(sizes: list[int], chunk: int, where: Cut) -> None:
    assert all(len(portion) < 2 * ROWS for portion in cut(make_units(sizes), chunk, where))


def test_a_decision_time_is_cut_only_if_it_has_more_units_than_a_portion() -> None:
    """Portions hold three units. The first time has seven, so its parts wait for each other, and the next do not."""
    times = [START + timedelta(hours=hour) for hour in [0] * 7 + [1] * 2 + [2] * 2 + [3] * 2]
    units = pd.DataFrame({"_partition": "day", "decided_at": times, "number": range(len(times))})
    sizes = [len(portion) for portion in cut(units, 1, "between times")]
    assert sizes == [3, 3, 1, 2, 2, 2]


@given(sizes=st.lists(st.integers(1, 14), max_size=8), chunk=st.integers(1, 2 * ROWS))
def test_units_of_a_decision_time_stay_together(sizes: list[int], chunk: int) -> None:
    groups = [
        set(zip(portion["_partition"], portion["decided_at"], strict=True))
        for portion in cut(make_units(sizes), chunk, "never within a time")
    ]
    assert sum(map(len, groups)) == len(set().union(*groups))
