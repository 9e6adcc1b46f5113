"""Sensitivity: the gain under other payoffs equals the gain with these payoffs declared, on the same decisions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.spec.actions import Action
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.value.daily_value import DailyValue, sum_values
from sixtyforty.value.period_sums import PayoffsOfPeriod
from sixtyforty.value.sensitivity import (
    PAYOFF_CHANGES,
    Gains,
    PayoffName,
    PayoffSensitivity,
    payoff_differences,
    vary_opportunity_cost,
    vary_payoffs,
    vary_success,
)
from sixtyforty.value.summary import summarize_days
from sixtyforty.value.unit_sums import sum_units
from tests.sixtyforty.value.kpis import EXPERIMENT, STAFF, THREE, TWO
from tests.sixtyforty.value.test_unit_sums import BY_FARE, NUMBER, make_units, stack_payoffs

KPIS = [TWO, THREE, NUMBER, BY_FARE, STAFF, EXPERIMENT]
DAYS = 9


def make_days(kpi: Kpi, seed: int, days: int = DAYS) -> list[pd.DataFrame]:
    return [make_units(kpi, 6, seed + day).assign(_partition=f"2013-04-{1 + day:02}") for day in range(days)]


def value_days(kpi: Kpi, days: Sequence[pd.DataFrame]) -> list[DailyValue]:
    return [sum_values(kpi, d, d["outcome"].to_numpy(float)).of_partition(d["_partition"].iloc[0]) for d in days]


def sum_days(kpi: Kpi, days: Sequence[pd.DataFrame]) -> PayoffsOfPeriod:
    return stack_payoffs([sums.payoffs for sums in sum_units(kpi, pd.concat(days)).values()])


def with_payoff(kpi: Kpi, payoff: PayoffName, factor: float) -> Kpi:
    """Return the KPI with one payoff multiplied by a factor."""
    if kpi.amount:
        changed = getattr(kpi.amount, payoff.kind) * factor
        return kpi.model_copy(update={"amount": kpi.amount.model_copy(update={payoff.kind: changed})})
    if kpi.treatment and payoff.kind == "value_per_outcome":
        changed = kpi.treatment.value_per_outcome * factor
        return kpi.model_copy(update={"treatment": kpi.treatment.model_copy(update={"value_per_outcome": changed})})
    action = kpi.actions[payoff.action]
    changed = action.model_copy(update={payoff.kind: getattr(action, payoff.kind) * factor})
    return kpi.model_copy(update={"actions": kpi.actions | {payoff.action: changed}})


def scale_column(day: pd.DataFrame, payoff: PayoffName, factor: float) -> pd.DataFrame:
    """Return a day whose payoffs in SQL are multiplied by a factor."""
    column = f"_{payoff.kind} {payoff.action}"
    return day.assign(**{column: day[column] * factor})


def recompute(kpi: Kpi, days: Sequence[pd.DataFrame], payoff: PayoffName, factor: float) -> list[DailyValue]:
    """Return the value of the same decisions with another payoff declared."""
    if payoff.declared(kpi) is None:
        return value_days(kpi, [scale_column(day, payoff, factor) for day in days])
    return value_days(with_payoff(kpi, payoff, factor), days)


def sensitivities_of(kpi: Kpi, days: Sequence[pd.DataFrame]) -> list[PayoffSensitivity]:
    differences = payoff_differences(kpi, sum_days(kpi, days))
    return vary_payoffs(Gains(kpi, "replay", value_days(kpi, days)), differences)


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=3)
@given(seed=st.integers(0, 10_000))
def test_a_changed_payoff_gives_the_gain_of_that_declaration(kpi: Kpi, seed: int) -> None:
    days = make_days(kpi, seed)
    sensitivities = sensitivities_of(kpi, days)
    assert sensitivities
    for sensitivity in sensitivities:
        assert [varied.change for varied in sensitivity.gains] == list(PAYOFF_CHANGES)
        for varied in sensitivity.gains:
            values = recompute(kpi, days, sensitivity.payoff, 1 + varied.change)
            expected = summarize_days(kpi, "replay", values)
            assert varied.gain == pytest.approx(expected.gain, abs=0.0101)
            lift = expected.lift_vs_current
            assert [varied.per_1000.value, varied.per_1000.low, varied.per_1000.high] == pytest.approx(
                [lift.value, lift.low, lift.high], abs=0.0101
            )


@pytest.mark.parametrize("track", ["replay", "live"])
@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=3)
@given(seed=st.integers(0, 10_000), days=st.integers(1, DAYS))
def test_an_unchanged_payoff_gives_the_official_figure(kpi: Kpi, track: Track, seed: int, days: int) -> None:
    """To the cent, and with the same interval: every table of the section shows the figure of the page's top."""
    units = make_days(kpi, seed, days)
    values = value_days(kpi, units)
    official = summarize_days(kpi, track, values)
    gains = Gains(kpi, track, values)
    differences = payoff_differences(kpi, sum_days(kpi, units))
    unchanged = [s.gains[1] for s in vary_payoffs(gains, differences)]
    unchanged += [
        v.gains[0] for v in (vary_success(gains, differences), vary_opportunity_cost(gains, differences)) if v
    ]
    assert all((v.gain, v.per_1000) == (official.gain, official.lift_vs_current) for v in unchanged)


@pytest.mark.parametrize("kpi", KPIS)
@settings(max_examples=3)
@given(seed=st.integers(0, 10_000))
def test_the_break_even_payoff_gains_nothing(kpi: Kpi, seed: int) -> None:
    days = make_days(kpi, seed)
    for sensitivity in sensitivities_of(kpi, days):
        change = sensitivity.break_even_change
        if change is None:
            # Not even a payoff of zero turns the gain's sign, or the payoff makes no difference in total.
            without = sum(d.model - d.current_process for d in recompute(kpi, days, sensitivity.payoff, 0.0))
            gain = sensitivity.gains[1].gain
            assert without * gain > -0.01
            assert abs(without) <= abs(gain) + 0.01 or without * gain >= 0
            continue
        values = recompute(kpi, days, sensitivity.payoff, 1 + change)
        assert sum(d.model - d.current_process for d in values) == pytest.approx(0.0, abs=1e-6)
        if sensitivity.declared is not None:
            assert sensitivity.break_even == round(sensitivity.declared * (1 + change), 2)


@settings(max_examples=3)
@given(seed=st.integers(0, 10_000))
def test_actions_that_fail_cost_the_same_and_gain_nothing(seed: int) -> None:
    days = make_days(THREE, seed)
    success = vary_success(
        Gains(THREE, "replay", value_days(THREE, days)),
        payoff_differences(THREE, sum_days(THREE, days)),
    )
    units = pd.concat(days)
    prices = {name: (action.gain, action.cost) for name, action in THREE.actions.items()}
    for varied in success.gains if success else []:
        money = [
            units[column].map(lambda name, rate=varied.change: prices[name][0] * rate) * units["outcome"]
            - units[column].map(lambda name: prices[name][1])
            for column in ("action", "current_action")
        ]
        assert varied.gain == pytest.approx((money[0] - money[1]).sum(), abs=0.0051)


def test_an_opportunity_cost_adds_to_the_cost_of_every_action_but_the_idle_one() -> None:
    days = make_days(THREE, 3)
    variation = vary_opportunity_cost(
        Gains(THREE, "replay", value_days(THREE, days)),
        payoff_differences(THREE, sum_days(THREE, days)),
    )
    assert variation is not None
    for varied in variation.gains:
        actions = {
            name: action if name == "wait" else action.model_copy(update={"cost": action.cost * (1 + varied.change)})
            for name, action in THREE.actions.items()
        }
        dearer = value_days(THREE.model_copy(update={"actions": actions}), days)
        assert varied.gain == pytest.approx(summarize_days(THREE, "replay", dearer).gain, abs=0.0051)


def test_an_amount_and_a_measured_effect_have_no_success_rate() -> None:
    for kpi in (STAFF, EXPERIMENT):
        days = make_days(kpi, 0)
        differences = payoff_differences(kpi, sum_days(kpi, days))
        assert vary_success(Gains(kpi, "replay", value_days(kpi, days)), differences) is None


def test_a_break_even_below_zero_is_none() -> None:
    """The decisions act more cheaply than the current process, and gain more: no cost makes the gain zero."""
    kpi = TWO.model_copy(update={"actions": TWO.actions | {"act": Action(description="", cost=3, gain=10)}})
    units = make_units(kpi, 4).assign(outcome=[0.0, 0, 1, 1], action="wait", current_action="act")
    units["action"] = np.array(["wait", "wait", "act", "act"], object)
    (cost,) = sensitivities_of(kpi, [units])
    assert cost.payoff == PayoffName("cost", "act")
    assert (cost.break_even_change, cost.break_even) == (-1.0, 0.0)
    assert cost.gains[1].gain == 6


def test_json_rounds_the_break_even() -> None:
    units = make_days(TWO, 1)
    sensitivity = sensitivities_of(TWO, units)[0]
    figures = sensitivity.to_dict()
    assert figures["kind"] == "cost" and figures["action"] == "act" and figures["declared"] == 3
    assert figures["gains"][1]["per_1000"].keys() == {"value", "low", "high", "problem"}
