"""The partitions that a plan checks for leakage are spread over the history, the weekdays and the hours."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from sixtyforty.lifecycle.plan_edit import CHECKED_PARTITIONS, choose_sample


@pytest.mark.parametrize("count", [*range(7, 60), 98, 126, 129, 147, 365, 1001])
def test_every_weekday_is_checked(count: int) -> None:
    days = [str(date(2024, 1, 1) + timedelta(days=i)) for i in range(count)]
    sample = choose_sample(days)
    assert sample[0] == days[0] and CHECKED_PARTITIONS <= len(sample) <= CHECKED_PARTITIONS + 1
    assert {date.fromisoformat(day).weekday() for day in sample} == set(range(7))
    assert sample == sorted(sample)
    assert count < 60 or date.fromisoformat(sample[-1]) - date.fromisoformat(sample[0]) > timedelta(days=count * 0.6)


def test_different_hours_of_the_day_are_checked() -> None:
    for days in range(2, 60):
        assert len({hour % 24 for hour in map(int, choose_sample([str(i) for i in range(24 * days)]))}) >= 7


def test_a_short_history_is_checked_completely() -> None:
    assert choose_sample(["2024-01-01", "2024-01-02"]) == ["2024-01-01", "2024-01-02"]
    assert choose_sample([]) == []
