"""Sums of units: payoffs by group, hits by segment, actions. Portions add up, and the payoffs add up to the gain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.daily_value import sum_values
from sixtyforty.value.group_sums import SumsByGroup
from sixtyforty.value.payoffs import build_payoffs
from sixtyforty.value.period_sums import PayoffsOfPeriod, PeriodSums
from sixtyforty.value.unit_sums import NO_SUMS, NOT_CLASSED, PAYOFF_SUMS, UnitSums, split_payoffs, sum_units
from tests.sixtyforty.value.kpis import EXPERIMENT, FARES, STAFF, THREE, TWO, make_kpi

NUMBER = make_kpi(
    outcome_type="number",
    actions={
        "wait": Action(description="wait"),
        "act": Action(description="act", cost=3, gain=10),
        "rush": Action(description="rush", cost=9, gain=12.5),
    },
    segments=["site"],
)
BY_FARE = make_kpi(actions=FARES, segments=["site"])
KPIS = [TWO, THREE, NUMBER, BY_FARE, STAFF, EXPERIMENT]


def make_units(kpi: Kpi, count: int, seed: int = 0) -> pd.DataFrame:
    """Return random decisions of a KPI, with every column that its payoffs need. Every outcome is known."""
    rng = np.random.default_rng(seed)
    names = [f"{amount}" for amount in range(1, 10)] if kpi.amount else list(kpi.actions)
    outcome = rng.integers(0, 2, count) if kpi.outcome_type == "binary" else rng.integers(-2, 9, count)
    return pd.DataFrame(
        {
            "_partition": "2013-04-01",
            "decided_at": pd.Timestamp("2013-04-01 12:00"),
            "action": rng.choice(names, count),
            "current_action": rng.choice(names, count),
            "expected": np.where(rng.random(count) < 0.2, np.nan, rng.random(count)),
            "outcome": outcome.astype(float),
            "site": rng.choice(["north", "south"], count),
            "received": rng.choice(["none", "mail"], count),
            "_gain act": rng.integers(0, 99, count) / 10,
            "_cost act": rng.integers(0, 99, count) / 10,
        }
    ).astype({"action": object, "current_action": object})


def sum_partition(kpi: Kpi, units: pd.DataFrame) -> UnitSums:
    """Return the sums of decisions of one partition; no sums without decisions."""
    return sum_units(kpi, units).get("2013-04-01", NO_SUMS)


def stack_payoffs(payoffs: Sequence[SumsByGroup]) -> PayoffsOfPeriod:
    """Return the payoffs of partitions as arrays, like the ledger does."""
    nothing = (0.0,) * len(PAYOFF_SUMS)
    groups = sorted({group for of_partition in payoffs for group in of_partition})
    return {group: np.array([of_partition.get(group, nothing) for of_partition in payoffs]).T for group in groups}


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 60))
def test_the_payoffs_add_up_to_the_gain(kpi: Kpi, seed: int, count: int) -> None:
    units = make_units(kpi, count, seed)
    sums = sum_partition(kpi, units)
    value = sum_values(kpi, units, units["outcome"].to_numpy(float)).of_partition("2013-04-01")
    period = PeriodSums(["2013-04-01"], stack_payoffs([sums.payoffs]), {}, {}, np.zeros(1), np.zeros(1))
    assert period.gain == pytest.approx([value.model - value.current_process], abs=1e-6)
    assert period.decisions.tolist() == [value.decisions] == [count]
    assert period.total_payoffs == sums.payoffs
    if not kpi.amount:
        assert sums.acted == value.acted


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 40))
def test_portions_add_up(kpi: Kpi, seed: int, cut: int) -> None:
    units = make_units(kpi, 40, seed)
    whole, parts = sum_partition(kpi, units), sum_partition(kpi, units[:cut]) + sum_partition(kpi, units[cut:])
    for name in ("payoffs", "predictions", "segments"):
        groups, added = getattr(whole, name), getattr(parts, name)
        assert groups.keys() == added.keys()
        assert all(added[key] == pytest.approx(sums) for key, sums in groups.items())
    assert (parts.acted, parts.current_acted) == pytest.approx((whole.acted, whole.current_acted))


@pytest.mark.parametrize("kpi", KPIS)
def test_facts_keep_the_sums(kpi: Kpi) -> None:
    sums = sum_partition(kpi, make_units(kpi, 30))
    facts: Any = json.loads(json.dumps(sums.to_facts()))
    for name in ("payoffs", "predictions", "segments"):
        assert {tuple(key): tuple(numbers) for key, numbers in facts[name]} == getattr(sums, name)
    assert (facts["acted"], facts["current_acted"]) == (sums.acted, sums.current_acted)


def test_a_payoff_is_its_gain_minus_its_cost() -> None:
    for kpi in KPIS:
        units = make_units(kpi, 50)
        payoffs, outcome = build_payoffs(kpi, units), units["outcome"].to_numpy(float)
        gain, cost = split_payoffs(payoffs, units["action"].tolist(), outcome)
        assert gain - cost == pytest.approx(payoffs.realized(units["action"].tolist(), outcome))
        assert (cost >= -1e-9).all()


def test_counts_by_group_and_segment_equal_those_of_pandas() -> None:
    units = make_units(NUMBER, 200)
    # An action is needed if acting pays more than waiting: 10y - 3 > 0, or 12.5y - 9 > 0.
    units["needed"] = np.where(units["outcome"] > 0.3, "needed", "not needed")
    sums = sum_partition(NUMBER, units)
    groups = units.groupby(["action", "current_action", "needed"]).size()
    assert {key: of_group[0] for key, of_group in sums.payoffs.items()} == groups.to_dict()
    for column in ("action", "current_action"):
        units[column] = np.where(units[column] == "wait", "idle", "acted")
    by_site = units.groupby(["site", "needed", "action", "current_action"]).size()
    assert {key[1:]: count for key, (count,) in sums.segments.items()} == by_site.to_dict()


def test_units_without_an_outcome_count_only_as_actions() -> None:
    units = make_units(TWO, 10).assign(outcome=np.nan, action="act")
    sums = sum_partition(TWO, units)
    assert (sums.payoffs, sums.predictions, sums.segments, sums.acted) == ({}, {}, {}, 10)


@pytest.mark.parametrize("kpi", [STAFF, EXPERIMENT])
def test_an_outcome_that_depends_on_the_action_has_no_class(kpi: Kpi) -> None:
    sums = sum_partition(kpi, make_units(kpi, 30))
    assert {needed for _, _, needed in sums.payoffs} == {NOT_CLASSED}
    assert sums.segments == {}
