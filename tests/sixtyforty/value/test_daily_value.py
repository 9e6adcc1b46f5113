"""The money of a day equals what a person computes by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.daily_value import DailyValue, value_of_day
from sixtyforty.value.daily_values import money_by_day
from sixtyforty.value.payoffs import build_payoffs
from tests.sixtyforty.value.kpis import FARES, THREE, TWO, account_day, kpi_of, make_kpi

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
        counts={"act": 2, "wait": 2},
        paid_for_all={"act": 7 - 3 + 7 - 3, "wait": 0},
    )


def test_a_day_without_decisions_has_no_money() -> None:
    nothing = DailyValue("d", 0, 0, 0, 0, 0, 0, 0, 0, counts={"act": 0, "wait": 0}, paid_for_all={"act": 0, "wait": 0})
    assert account_day(TWO, "d", [], [], np.array([])) == nothing


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
