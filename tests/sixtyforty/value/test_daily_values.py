"""The figures of many days are the same as columns and one by one, and days are grouped without losing one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.capacity_gains import gain_by_capacity
from sixtyforty.value.daily_value import POLICIES, DailyValue
from sixtyforty.value.daily_values import (
    FIGURES,
    NUMBERS_BY_KEY,
    OBJECTS,
    DailyValues,
    deal_over_period,
    figures_by_day,
    first_days,
    gains_by_day,
    group_by_month,
    group_by_period,
    group_by_week,
    money_by_day,
    numbers_by_key,
    period_name,
    with_candidate,
)
from sixtyforty.value.lift import measure_lift
from sixtyforty.value.summary import summarize_days
from tests.sixtyforty.value.kpis import THREE, TWO, account_day, day_worth

UNITS = st.lists(st.tuples(*[st.sampled_from(sorted(THREE.actions))] * 2, st.sampled_from([0.0, 1.0])), max_size=6)


def account(
    name: str, units: list[tuple[str, str, float]], candidates: dict[str, list[str]] | None = None
) -> DailyValue:
    actions, current, outcome = ([unit[n] for unit in units] for n in range(3))
    return account_day(THREE, name, actions, current, np.array(outcome, float), candidates=candidates)


def as_columns(days: Sequence[DailyValue]) -> DailyValues:
    """Return the same days as columns."""
    columns = {}
    for name in ("partition", *FIGURES, *OBJECTS):
        column = [getattr(day, name) for day in days]
        columns[name] = np.array(column) if name in FIGURES else np.fromiter(column, object, len(column))
    return DailyValues(columns, {name: numbers_by_key(days, name) for name in NUMBERS_BY_KEY})


@st.composite
def accounted_days(draw: st.DrawFn) -> list[DailyValue]:
    """Draw days in a row. Some have a candidate's money, or the money above a capacity, and some have no decision."""
    days = []
    for number, units in enumerate(draw(st.lists(UNITS, max_size=40))):
        current = [unit[1] for unit in units]
        day = account(
            f"{date(2013, 1, 28) + timedelta(number)}", units, {"rule": current} if draw(st.booleans()) else None
        )
        lost = {"10": [1.5, float(number)]} if draw(st.booleans()) else {}
        days.append(DailyValue(**{**vars(day), "lost_above": lost, "acted": draw(st.integers(0, 40))}))
    return days


FUNCTIONS: dict[str, Callable[[Sequence[DailyValue]], Any]] = {
    "partitions": lambda days: figures_by_day(days, "partition"),
    "first days": lambda days: first_days(days).tolist(),
    "gains": gains_by_day,
    "money": lambda days: {policy: money_by_day(days, policy) for policy in POLICIES},
    "money of a candidate": lambda days: money_by_day(with_candidate(days, "rule"), "candidate rule"),
    "without the candidate": lambda days: list(with_candidate(days, "unknown")),
    "random choice of the period": lambda days: list(deal_over_period(days)),
    "months": lambda days: {month: list(in_month) for month, in_month in group_by_month(days).items()},
    "weeks": lambda days: {monday: list(in_week) for monday, in_week in group_by_week(days).items()},
    "summary": lambda days: summarize_days(THREE, "replay", days),
    "lift": lambda days: repr(measure_lift("live", days)),
    "capacity": lambda days: gain_by_capacity(THREE, "replay", days) if any(day.decisions for day in days) else None,
}


@given(accounted_days(), st.data())
def test_columns_hold_the_same_days(days: list[DailyValue], data: st.DataObject) -> None:
    columns = as_columns(days)
    assert (list(columns), len(columns)) == (days, len(days))
    start, end = (data.draw(st.integers(-len(days) - 1, len(days) + 1)) for _ in range(2))
    assert list(columns[start:end]) == days[start:end]
    assert [columns[i] for i in range(-len(days), len(days))] == [days[i] for i in range(-len(days), len(days))]
    with pytest.raises(IndexError):
        columns[len(days)]
    assert all(isinstance(number, int) for day in columns for number in day.counts.values())


@pytest.mark.parametrize("name", FUNCTIONS)
@given(days=accounted_days())
def test_figures_are_the_same_from_columns(name: str, days: list[DailyValue]) -> None:
    assert FUNCTIONS[name](as_columns(days)) == FUNCTIONS[name](days)


@given(st.lists(UNITS, min_size=1, max_size=4))
def test_the_random_choice_of_days_is_that_of_one_long_day(days: list[list[tuple[str, str, float]]]) -> None:
    dealt = deal_over_period([account(f"d{n}", units) for n, units in enumerate(days)])
    whole = account("all", [unit for units in days for unit in units])
    assert sum(day.random_choice for day in dealt) == pytest.approx(whole.random_choice)
    assert deal_over_period(dealt) == dealt


def test_days_without_counts_keep_their_random_choice() -> None:
    days = [day_worth("d", 10, 1.0, 0.0), account_day(TWO, "e", ["act"], ["wait"], np.ones(1))]
    assert deal_over_period(days) == days
    assert deal_over_period([]) == []


DAYS = st.integers(0, 80).map(
    lambda count: [day_worth(str(date(2013, 1, 30) + timedelta(days=i)), 1, i, 0) for i in range(count)]
)


@given(DAYS)
def test_months_hold_every_day_once_and_in_order(days: list[DailyValue]) -> None:
    months = group_by_month(days[::-1])
    assert [day for in_month in months.values() for day in in_month] == days
    assert list(months) == sorted(months)
    assert all(day.partition.startswith(month) for month, in_month in months.items() for day in in_month)


@given(DAYS)
def test_weeks_are_named_by_their_monday_and_hold_every_day_once(days: list[DailyValue]) -> None:
    weeks = group_by_week(days[::-1])
    assert [day for in_week in weeks.values() for day in in_week] == days
    for monday, in_week in weeks.items():
        assert date.fromisoformat(monday).weekday() == 0
        assert all(0 <= (date.fromisoformat(d.partition) - date.fromisoformat(monday)).days < 7 for d in in_week)


def test_three_years_are_grouped_by_month_and_longer_histories_by_year() -> None:
    days = [day_worth(f"{year}-{month:02}-01", 1, 1.0, 0.0) for year in range(2010, 2014) for month in range(1, 13)]
    assert list(group_by_period(days[:36])) == list(group_by_month(days[:36]))
    assert {year: len(in_year) for year, in_year in group_by_period(days).items()} == dict.fromkeys(
        ["2010", "2011", "2012", "2013"], 12
    )


def test_a_period_has_a_name_for_people() -> None:
    names = [period_name("2013-04"), period_name("2013-04", "%B"), period_name("2013")]
    assert names == ["April 2013", "April", "2013"]
