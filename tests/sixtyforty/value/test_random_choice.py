"""The money of random choice is the same whether its numbers come from one portion or from several."""

from __future__ import annotations

import json
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.daily_value import DailyValue, sum_values, value_of_day
from sixtyforty.value.daily_values import deal_over_period
from sixtyforty.value.numeric_payoffs import format_amount
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.random_choice import MOST_NUMBERS
from tests.sixtyforty.value.kpis import AMOUNT, STAFF, THREE, make_kpi

NAMES = st.sampled_from(sorted(THREE.actions))
AMOUNTS = st.floats(AMOUNT.minimum, AMOUNT.maximum).map(format_amount)
FRACTIONS = make_kpi(amount=AMOUNT.model_copy(update={"whole_numbers": False}), outcome_type="number")


def check_portions(kpi: Kpi, units: list[tuple[str, str, float]], size: int) -> None:
    """Compare the sums over portions of `size` units with those over all units."""
    rows = pd.DataFrame(units, columns=["action", "current_action", "outcome"]).assign(decided_by="model")
    whole = value_of_day(kpi, "d", rows, rows["outcome"].to_numpy(), {"rule": rows["current_action"].tolist()})
    portions = [rows.iloc[n : n + size] for n in range(0, len(rows), size)]
    sums = [sum_values(kpi, p, p["outcome"].to_numpy(), {"rule": p["current_action"].tolist()}) for p in portions]
    total = reduce(add, sums).of_partition("d")
    assert total.candidates == pytest.approx(whole.candidates)
    for name in vars(whole).keys() - {"partition", "candidates"}:
        assert getattr(total, name) == pytest.approx(getattr(whole, name)), name


@given(st.lists(st.tuples(NAMES, NAMES, st.sampled_from([0.0, 1.0])), min_size=1, max_size=9), st.integers(1, 9))
def test_portions_of_named_actions_add_up(units: list[tuple[str, str, float]], size: int) -> None:
    check_portions(THREE, units, size)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, st.floats(-20, 20)), min_size=1, max_size=9), st.integers(1, 9))
def test_portions_of_amounts_add_up(units: list[tuple[str, str, float]], size: int) -> None:
    check_portions(STAFF, units, size)
    check_portions(FRACTIONS, units, size)


@given(st.lists(st.lists(st.tuples(AMOUNTS, st.floats(-20, 20)), min_size=1, max_size=5), min_size=1, max_size=4))
def test_amounts_are_dealt_to_the_units_of_the_whole_period(units: list[list[tuple[str, float]]]) -> None:
    """The random choice is the mean over all pairs of an amount and a unit of the period."""
    days = [
        value_of_day(
            FRACTIONS, f"d{number}", pd.DataFrame({"action": list(amounts), "current_action": "1"}), np.array(outcomes)
        )
        for number, (amounts, outcomes) in enumerate(zip(*of_day, strict=True) for of_day in units)
    ]
    amounts, outcomes = zip(*(unit for of_day in units for unit in of_day), strict=True)
    payoffs = build_payoffs(FRACTIONS, pd.DataFrame(index=range(len(outcomes))))
    by_hand = [payoffs.realized([amount] * len(outcomes), np.array(outcomes)).sum() for amount in amounts]
    dealt = deal_over_period(days)
    assert sum(day.random_choice for day in dealt) == pytest.approx(np.mean(by_hand))
    assert deal_over_period(dealt) == dealt
    assert deal_over_period([DailyValue.from_dict(json.loads(json.dumps(day.to_dict()))) for day in days]) == dealt


def test_joined_numbers_change_the_random_choice_by_less_than_a_thousandth() -> None:
    rng = np.random.default_rng(1)
    amounts, outcome = np.round(rng.gamma(2, 2, 5000), 3).clip(AMOUNT.minimum, AMOUNT.maximum), rng.gamma(2, 2, 5000)
    rows = pd.DataFrame({"action": [format_amount(a) for a in amounts], "current_action": "1"})
    shortage = outcome - amounts[:, None]
    cost = np.where(shortage > 0, AMOUNT.shortage_cost * shortage, -AMOUNT.excess_cost * shortage)
    day = value_of_day(FRACTIONS, "d", rows, outcome)
    assert day.amounts is not None and len(day.amounts.outcomes) == MOST_NUMBERS
    assert day.random_choice == pytest.approx(-cost.mean() * 5000, rel=1e-3)


def test_many_different_amounts_take_seconds() -> None:
    """Each of 100,000 units gets another amount. The mean over all pairs would take 10 billion payoffs."""
    n = 50_000
    amounts = np.linspace(AMOUNT.minimum, AMOUNT.maximum, 2 * n)
    rows = pd.DataFrame({"action": [format_amount(a) for a in amounts], "current_action": "1"})
    outcome = np.full(2 * n, 5.0)
    first, second = (sum_values(FRACTIONS, rows[s], outcome[s]) for s in (slice(n), slice(n, None)))
    total = (first + second).of_partition("d")
    assert total.random_choice == pytest.approx(total.model, rel=1e-6)  # all outcomes are equal
