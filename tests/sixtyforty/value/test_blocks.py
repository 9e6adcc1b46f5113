"""Blocks of days: how days are cut into blocks, their standard error, and when there is none."""

from __future__ import annotations

import itertools
import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.blocks import MINIMUM_BLOCKS, Blocks

DAYS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 500)), max_size=150)


def days_from(start: str, count: int, step: int = 1) -> list[str]:
    """Return the keys of partitions that start every `step` days."""
    first = date.fromisoformat(start)
    return [str(first + timedelta(days=step * number)) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "step", "block_days", "blocks", "mean_days"),
    [
        (28, 1, 14, 2, 14.0),
        (41, 1, 14, 2, 20.5),  # the last 13 days belong to the second block
        (42, 1, 14, 3, 14.0),
        (13, 1, 14, 1, 13.0),
        (12, 7, 14, 6, 14.0),  # two weeks a block
        (13, 7, 14, 6, 91 / 6),
        (6, 28, 14, 6, 28.0),  # a campaign is a block by itself
        (10, 1, 1, 10, 1.0),
    ],
)
def test_days_are_cut_into_blocks(count: int, step: int, block_days: int, blocks: int, mean_days: float) -> None:
    cut = Blocks.of(days_from("2024-02-20", count, step), [1.0] * count, [1] * count, block_days)
    assert (cut.number, cut.mean_days) == (blocks, pytest.approx(mean_days))


def test_the_hours_of_a_day_are_in_one_block() -> None:
    hours = [f"{day}T{hour:02}00" for day in days_from("2024-02-20", 28) for hour in range(24)]
    assert Blocks.of(hours, [1.0] * len(hours), [1] * len(hours)).number == 2


def test_closed_days_do_not_shift_the_blocks() -> None:
    weekdays = [day for day in days_from("2024-01-01", 57) if date.fromisoformat(day).weekday() < 5]
    assert Blocks.of(weekdays, [1.0] * len(weekdays), [1] * len(weekdays)).number == 4


@given(DAYS)
def test_the_error_is_that_of_a_ratio_of_sums(days: list[tuple[float, int]]) -> None:
    """The oracle adds up days block by block in plain Python, and uses the formula of Cochran's chapter 6."""
    partitions, totals, counts = days_from("2024-01-01", len(days)), [t for t, _ in days], [n for _, n in days]
    known = [(index, total, count) for index, (total, count) in enumerate(days) if count]
    blocks = Blocks.of(partitions, totals, counts, block_days=7)
    if not known:
        assert blocks.number == 0
        assert math.isnan(blocks.ratio)
        return
    first, last = known[0][0], known[-1][0]
    sums: dict[int, list[float]] = {}
    for index, total, count in known:
        block = sums.setdefault((index - first) // 7, [0.0, 0.0])
        block[0] += total
        block[1] += count
    steps = [later - earlier for (earlier, _, _), (later, _, _) in itertools.pairwise(known)]
    newest = max(sums)
    if newest and last - first + min(steps) < 7 * (newest + 1):
        rest = sums.pop(newest)
        block = sums.setdefault(newest - 1, [0.0, 0.0])
        block[0] += rest[0]
        block[1] += rest[1]
    total, count = (sum(block[side] for block in sums.values()) for side in (0, 1))
    assert blocks.number == len(sums)
    assert blocks.ratio == pytest.approx(total / count, abs=1e-6)
    if len(sums) > 1:
        squares = sum((t - total / count * n) ** 2 for t, n in sums.values())
        expected = math.sqrt(len(sums) / (len(sums) - 1) * squares) / count
        assert blocks.error == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert bool(blocks.problem) == (len(sums) < MINIMUM_BLOCKS)


def test_too_few_blocks_are_named() -> None:
    blocks = Blocks.of(days_from("2024-01-01", 111), [1.0] * 111, [1] * 111)
    assert blocks.problem == "too few days to say: 7 of 8 needed blocks of at least 14 days"
    assert not Blocks.of(days_from("2024-01-01", 112), [1.0] * 112, [1] * 112).problem


def test_a_few_extreme_days_are_noticed() -> None:
    rng = np.random.default_rng(1)
    gains = rng.normal(0, 1, 140)
    assert not Blocks.of(days_from("2024-01-01", 140), gains, [1] * 140).is_skewed
    gains[70] = 100
    assert Blocks.of(days_from("2024-01-01", 140), gains, [1] * 140).is_skewed


def test_normal_days_are_rarely_called_extreme() -> None:
    rng = np.random.default_rng(2)
    for count, step in ((112, 1), (365, 1), (8, 28), (16, 7)):
        partitions = days_from("2024-01-01", count, step)
        samples = rng.normal(0, 1, (400, count))
        assert sum(Blocks.of(partitions, gains, [1] * count).is_skewed for gains in samples) <= 8
