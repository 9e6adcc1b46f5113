"""The chosen decision times find a leak that touches few units, in one run or day by day."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pandas as pd
import pytest

from sixtyforty.modeling.leakage_sample import (
    ENOUGH_UNITS,
    QUARTER_DAYS,
    TARGETED_TIMES,
    CandidateTime,
    choose_times,
    list_candidates,
)

START = datetime(2013, 1, 1)
QUARTERS = 200  # simulated for each shape


def make_quarter(days_between: int, times: int, units: int) -> list[CandidateTime]:
    """Return the decision times of a quarter: partitions some days apart, each with some times of some units."""
    return [
        CandidateTime(f"{START + timedelta(days=day):%Y-%m-%d}", START + timedelta(days=day, hours=hour), units)
        for day in range(0, QUARTER_DAYS, days_between)
        for hour in range(times)
    ]


@pytest.mark.parametrize("day_by_day", [False, True], ids=["in one run", "day by day"])
@pytest.mark.parametrize(
    ("days_between", "times", "units"),
    [(1, 1, 6), (1, 19, 50), (1, 3, 2), (7, 1, 2000), (1, 24, 1)],
    ids=["café", "airport", "few units", "weekly campaign", "hourly"],
)
def test_a_leak_that_touches_one_percent_of_units_is_found_in_a_quarter(
    days_between: int, times: int, units: int, day_by_day: bool
) -> None:
    quarter, missed = make_quarter(days_between, times, units), 0
    if len(quarter) * units < ENOUGH_UNITS:
        assert choose_times(quarter, days_between, "any") == quarter  # every unit is checked
    for number in range(QUARTERS):
        chance = random.Random(number)
        leaky = [any(chance.random() < 0.01 for _ in range(units)) for _ in quarter]
        if not any(leaky):
            continue
        if day_by_day:
            chosen = choose_day_by_day(quarter, days_between, number)
        else:
            chosen = set(choose_times(quarter, days_between, f"{number}"))
        missed += not any(is_leaky for candidate, is_leaky in zip(quarter, leaky, strict=True) if candidate in chosen)
    assert missed <= 5  # 0.99 ** 500 of 200 quarters are 1.3; more than 5 has a probability below 1%


def choose_day_by_day(quarter: list[CandidateTime], days_between: int, number: int) -> set[CandidateTime]:
    chosen: set[CandidateTime] = set()
    for partition in sorted({candidate.partition for candidate in quarter}):
        of_day = [candidate for candidate in quarter if candidate.partition == partition]
        chosen |= set(choose_times(of_day, days_between, f"{number} {partition}"))
    return chosen


def test_a_quarter_costs_few_decision_times_where_each_has_many_units() -> None:
    quarter = make_quarter(1, 19, 50)
    assert len(choose_times(quarter, 1, "any")) <= ENOUGH_UNITS / 50 + TARGETED_TIMES


def test_one_more_day_costs_one_decision_time() -> None:
    day = [candidate for candidate in make_quarter(1, 19, 50) if candidate.partition == "2013-01-01"]
    assert all(len(choose_times(day, 1, f"{number}")) == 1 for number in range(50))


def time(day: int, hour: int) -> datetime:
    return START + timedelta(days=day, hours=hour)


def feature_rows(days: int = 10) -> pd.DataFrame:
    """Return feature rows: four decision times a day with ten units each, all alike."""
    return pd.DataFrame(
        [
            {
                "_partition": f"day {day}",
                "decided_at": time(day, hour),
                "id": unit,
                "x": 1.5,
                "k": "a",
            }
            for day in range(days)
            for hour in range(4)
            for unit in range(10)
        ]
    )


def candidates_of(rows: pd.DataFrame, portion: int = 150) -> list[CandidateTime]:
    """Return the decision times of rows that are read in portions. They are those of the undivided rows."""
    portions = [rows.iloc[start : start + portion] for start in range(0, len(rows), portion)]
    candidates = list_candidates(lambda: portions, ["id"])
    assert candidates == list_candidates(lambda: [rows], ["id"])
    return candidates


@pytest.mark.parametrize(
    ("column", "value"), [("x", None), ("k", "rare"), ("k", None)], ids=["null", "rare category", "null text"]
)
def test_the_decision_time_with_a_rare_value_is_always_chosen(column: str, value: str | None) -> None:
    for number in range(20):
        rows = feature_rows()
        rows.loc[number * 7, column] = value
        expected = rows.loc[number * 7, "decided_at"]
        chosen = choose_times(candidates_of(rows), 1, f"{number}")
        assert expected in {candidate.time for candidate in chosen}


def test_few_decision_times_cover_many_rare_values() -> None:
    rows = feature_rows()
    rows.loc[[3, 47, 390], ["x"]] = None
    rows.loc[[3], ["k"]] = "rare"
    rare = [candidate for candidate in candidates_of(rows) if candidate.rare]
    assert len(rare) == 3
    assert rare[0].rare == {"x=null", "k=rare"}


def test_a_key_has_no_rare_values() -> None:
    rows = feature_rows().assign(id=range(400))
    assert not any(candidate.rare for candidate in candidates_of(rows))
