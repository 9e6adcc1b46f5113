"""The money of a day equals what a person computes by hand, and days are grouped without losing one."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.daily_value import (
    DailyValue,
    deal_over_period,
    group_by_month,
    group_by_period,
    group_by_week,
    money_by_day,
    period_name,
    value_of_day,
)
from sixtyforty.value.payoffs import build_payoffs
from tests.sixtyforty.value.kpis import FARES, THREE, TWO, account_day, day_worth, kpi_of, make_kpi

UNITS = st.lists(st.tuples(*[st.sampled_from(sorted(THREE.actions))] * 2, st.sampled_from([0.0, 1.0])), max_size=6)


def test_a_day_is_accounted_for_as_by_hand() -> None:
    # Acting pays 10 on an outcome of 1 and costs 3.
    day = account_day(
        TWO,
        "2013-03-10",
        ["act", "act", "wait", "wait"],
        ["wait", "act", "act", "wait"],
        np.array([1.0, 0.0, 1.0, 0.0]),
        fallback=1,
    )
    assert day == DailyValue(
        partition="2013-03-10",
        decisions=4,
        model=7 - 3,
        current_process=-3 + 7,
        random_choice=0.5 * (7 - 3 + 7 - 3),  # half act, half wait
        perfect_foresight=7 + 7,
        acted=2,
        differ=2,
        fallback=1,
        current_acted=2,
        counts={"act": 2, "wait": 2},
        paid_for_all={"act": 7 - 3 + 7 - 3, "wait": 0},
    )


def test_a_day_without_decisions_has_no_money() -> None:
    nothing = DailyValue("d", 0, 0, 0, 0, 0, 0, 0, 0, counts={"act": 0, "wait": 0}, paid_for_all={"act": 0, "wait": 0})
    assert account_day(TWO, "d", [], [], np.array([])) == nothing


@given(st.lists(UNITS, min_size=1, max_size=4))
def test_the_random_choice_of_days_is_that_of_one_long_day(days: list[list[tuple[str, str, float]]]) -> None:
    def account(name: str, units: list[tuple[str, str, float]]) -> DailyValue:
        actions, current, outcome = ([unit[n] for unit in units] for n in range(3))
        return account_day(THREE, name, actions, current, np.array(outcome, float))

    dealt = deal_over_period([account(f"d{n}", units) for n, units in enumerate(days)])
    whole = account("all", [unit for units in days for unit in units])
    assert sum(day.random_choice for day in dealt) == pytest.approx(whole.random_choice)
    assert deal_over_period(dealt) == dealt


def test_days_without_counts_keep_their_random_choice() -> None:
    days = [day_worth("d", 10, 1.0, 0.0), account_day(TWO, "e", ["act"], ["wait"], np.ones(1))]
    assert deal_over_period(days) == days
    assert deal_over_period([]) == []


def test_the_cheapest_action_counts_as_not_acting() -> None:
    for cheapest in THREE.actions:
        kpi = kpi_of(**{action: (0 if action == cheapest else 2, 1) for action in THREE.actions})
        day = account_day(kpi, "d", ["wait", "act", "rush", cheapest], ["act"] * 4, np.zeros(4))
        assert day.acted == 2


@given(UNITS.filter(bool))
def test_the_random_choice_is_the_mean_over_all_assignments_of_the_same_actions(units: list[tuple]) -> None:
    actions, current, outcome = (list(column) for column in zip(*units, strict=True))
    totals = [
        build_payoffs(THREE, pd.DataFrame(index=range(len(order)))).realized(order, np.array(outcome)).sum()
        for order in permutations(actions)
    ]
    day = account_day(THREE, "d", actions, current, np.array(outcome))
    assert day.random_choice == pytest.approx(np.mean(totals))


@given(UNITS)
def test_no_policy_beats_perfect_foresight_and_equal_actions_gain_nothing(units: list[tuple]) -> None:
    actions, current, outcome = (list(column) for column in zip(*units, strict=True)) if units else ([], [], [])
    day = account_day(THREE, "d", actions, current, np.array(outcome, float))
    assert day.perfect_foresight >= max(day.model, day.current_process, day.random_choice) - 1e-9
    same = account_day(THREE, "d", current, current, np.array(outcome, float))
    assert (same.model - same.current_process, same.differ) == (0, 0)


def test_candidates_are_paid_on_the_same_units() -> None:
    days = [
        account_day(
            TWO,
            f"2013-03-1{i}",
            ["act", "wait"],
            ["wait", "wait"],
            np.array([1.0, float(i)]),
            candidates={"rule": ["act", "act"]},
        )
        for i in range(2)
    ]
    assert [day.candidates for day in days] == [{"rule": 4.0}, {"rule": 14.0}]
    assert money_by_day(days, "candidate rule") == [4.0, 14.0]
    assert money_by_day(days, "model") == [7.0, 7.0]


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


def test_units_whose_action_has_no_known_cost_are_left_out_of_the_money() -> None:
    """The model acts on the first two units, and the current process on the last."""
    rows = pd.DataFrame(
        {
            "action": ["act", "act", "wait", "wait"],
            "current_action": ["wait", "wait", "wait", "act"],
            "_gain act": [10.0, 8.0, None, None],
            "_cost act": [3.0, 3.0, 3.0, None],
        }
    )
    day = value_of_day(make_kpi(actions=FARES), "d", rows, np.ones(4), {"same": rows["action"].tolist()})
    assert (day.decisions, day.acted, day.differ) == (3, 2, 2)
    assert (day.model, day.current_process, day.perfect_foresight) == (12.0, 0.0, 12.0)
    assert day.candidates == {"same": 12.0}
    assert day.random_choice == pytest.approx(2 / 3 * 12)  # where the cost is unknown, random choice waits
