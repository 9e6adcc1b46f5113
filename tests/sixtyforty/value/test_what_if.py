"""What if: the declared assumption gives the account to the cent, and other payoffs that of their declaration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.spec.actions import Costs
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.capacity_gains import gain_by_capacity
from sixtyforty.value.period_sums import PeriodSums
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.sensitivity import Gains
from sixtyforty.value.summary import summarize_days
from sixtyforty.value.what_if import BUILD, CAPACITY, PER_MONTH, SUCCESS, WhatIf, WhatIfError
from tests.sixtyforty.value.kpis import TWO
from tests.sixtyforty.value.test_sensitivity import KPIS, make_days, recompute, sum_days, value_days
from tests.sixtyforty.value.test_unit_sums import make_units

COSTS = Costs(build=20, per_month=30)
SEEDS = st.integers(0, 10_000)


def make_what_if(kpi: Kpi, seed: int = 0) -> WhatIf:
    kpi = kpi.model_copy(update={"costs": COSTS})
    units = make_days(kpi, seed)
    days, acted = value_days(kpi, units), np.array([6.0] * len(units))
    sums = PeriodSums([day.partition for day in days], sum_days(kpi, units), {}, {}, acted, acted)
    official = summarize_days(kpi, "replay", days).lift_vs_current
    return WhatIf(Gains(kpi, "replay", days), official, sums, 1.0)


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=5)
@given(seed=SEEDS)
def test_the_declared_assumption_is_the_account_to_the_cent(kpi: Kpi, seed: int) -> None:
    what_if = make_what_if(kpi, seed)
    account = summarize_days(what_if.gains.kpi, "replay", what_if.gains.days)
    declared = {v.name: v.declared for v in what_if.variables.values() if v.declared is not None}
    for assumption in ({}, declared):
        answer = what_if.answer(assumption)
        assert answer.gain == account.gain
        assert answer.per_1000 == account.lift_vs_current
        expected = (account.gain, account.build, account.running, account.net_impact, account.payback)
        assert tuple(vars(answer.balance).values()) == expected


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=5)
@given(seed=SEEDS, share=st.floats(0.1, 3))
def test_the_gain_is_linear_in_each_payoff(kpi: Kpi, seed: int, share: float) -> None:
    what_if = make_what_if(kpi, seed)
    for variable in what_if.variables.values():
        if not variable.payoff or not variable.declared:
            continue
        ends = (variable.declared, variable.declared * share)
        low, high, middle = (what_if.answer({variable.name: n}).gain for n in (*ends, sum(ends) / 2))
        assert middle == pytest.approx((low + high) / 2, abs=0.0151)


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=3)
@given(seed=SEEDS)
def test_an_assumed_payoff_gives_the_account_of_that_declaration(kpi: Kpi, seed: int) -> None:
    what_if = make_what_if(kpi, seed)
    for variable in what_if.variables.values():
        if not variable.payoff:
            continue
        answer = what_if.answer({variable.name: (variable.declared or 0) * 1.5})
        days = recompute(what_if.gains.kpi, make_days(kpi, seed), variable.payoff, 1.5)
        expected = summarize_days(what_if.gains.kpi, "replay", days)
        assert answer.gain == pytest.approx(expected.gain, abs=0.0101)
        assert answer.balance.net_impact == pytest.approx(expected.net_impact, abs=0.0101)
        lift = expected.lift_vs_current
        assert [answer.per_1000.low, answer.per_1000.high] == pytest.approx([lift.low, lift.high], abs=0.0101)


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=3)
@given(seed=SEEDS)
def test_at_its_break_even_a_variable_brings_nothing(kpi: Kpi, seed: int) -> None:
    what_if = make_what_if(kpi, seed)
    first = next(v for v in what_if.variables.values() if v.payoff)
    assumption = {first.name: (first.declared or 0) * 0.75, PER_MONTH: 10.0}
    answer = what_if.answer(assumption)
    for name, number in answer.break_evens.items():
        if number is None:
            continue
        balance = what_if.answer(assumption | {name: number}).balance
        amount = balance.net_impact if name in (BUILD, PER_MONTH) else balance.gain
        assert amount == pytest.approx(0.0, abs=1.0)  # the break-even is rounded to the cent, for each of 54 units


def test_success_and_payoffs_multiply() -> None:
    what_if = make_what_if(TWO)
    assumed, halved = what_if.answer({"gain.act": 5, SUCCESS: 50}), what_if.answer({"gain.act": 2.5})
    assert (assumed.gain, assumed.per_1000) == (halved.gain, halved.per_1000)


def test_a_capacity_is_that_of_the_table_and_stands_alone() -> None:
    kpi = TWO.model_copy(update={"costs": COSTS})
    units = [make_units(kpi, 60, seed).assign(_partition=f"2013-04-{1 + seed:02}") for seed in range(9)]
    days = value_days(kpi, units)
    acted = np.array([float(day.acted) for day in days])
    sums = PeriodSums([day.partition for day in days], sum_days(kpi, units), {}, {}, acted, acted)
    what_if = WhatIf(Gains(kpi, "replay", days), RoundedInterval(0, 0, 0), sums, 1.0)
    table = gain_by_capacity(kpi, "replay", days)
    assert table and what_if.variables[CAPACITY].choices == tuple(point.capacity for point in table.points) == (10, 25)
    answer = what_if.answer({CAPACITY: 10})
    assert answer.per_1000 == table.points[0].first_come
    assert answer.activity and answer.activity.peak == 10
    assert answer.break_evens.keys() == {BUILD, PER_MONTH}
    with pytest.raises(WhatIfError, match="Set either the capacity"):
        what_if.answer({CAPACITY: 10, "cost.act": 4})


def test_what_is_impossible_is_refused() -> None:
    what_if = make_what_if(TWO)
    for name, number in (("cost.act", -1), ("cost.act", 1e10), (SUCCESS, 101), ("tea", 1), (BUILD, float("nan"))):
        with pytest.raises(WhatIfError, match="can't be assumed"):
            what_if.answer({name: number})


def test_without_unit_sums_only_the_costs_vary() -> None:
    """An experiment measures the gain, so its payoffs can't be varied."""
    what_if = replace(make_what_if(TWO), sums=None)
    assert what_if.variables.keys() == {BUILD, PER_MONTH}
    answer = what_if.answer({PER_MONTH: 0, BUILD: 0})
    assert (answer.per_1000, answer.activity) == (what_if.official, None)
    assert answer.balance.net_impact == answer.gain
