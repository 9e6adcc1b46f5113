"""Sums by group equal those of pandas, and the sums of portions add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sixtyforty.value.group_sums import add_groups, split_partitions, sum_by_group

ROWS = pd.DataFrame(
    {
        "partition": ["2013-04-01", "2013-04-02", "2013-04-01", "2013-04-01"],
        "site": ["north", "north", "south", "north"],
        "count": [1, 2, 3, 4],
        "money": [0.5, 1.5, 2.5, -3.0],
    }
)


def sum_rows(rows: pd.DataFrame) -> dict[tuple[str, ...], tuple[float, ...]]:
    return sum_by_group([rows["partition"], rows["site"]], [rows["count"].to_numpy(), rows["money"].to_numpy()])


def test_the_sums_are_those_of_pandas() -> None:
    sums = sum_rows(ROWS)
    expected = ROWS.groupby(["partition", "site"])[["count", "money"]].sum()
    assert sums == {key: tuple(row) for key, row in zip(expected.index, expected.itertuples(index=False), strict=True)}
    assert list(sums) == sorted(sums)
    assert all(isinstance(count, int) and isinstance(money, float) for count, money in sums.values())


@pytest.mark.parametrize("cut", range(5))
def test_portions_add_up(cut: int) -> None:
    assert add_groups(sum_rows(ROWS[:cut]), sum_rows(ROWS[cut:])) == sum_rows(ROWS)


def test_partitions_are_split() -> None:
    assert split_partitions(sum_rows(ROWS)) == {
        "2013-04-01": {("north",): (5, -2.5), ("south",): (3, 2.5)},
        "2013-04-02": {("north",): (2, 1.5)},
    }


def test_no_rows_give_no_groups() -> None:
    assert sum_by_group([np.array([], object)], [np.array([], int)]) == {}
