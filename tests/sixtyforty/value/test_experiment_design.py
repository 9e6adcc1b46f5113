"""The planned number of units detects an effect as often as promised."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value.experiment import compare_arms
from sixtyforty.value.experiment_design import HoldoutDesign
from tests.sixtyforty.value.simulated_arms import DAILY_UNITS, SHARE, UNITS, is_outside, make_arms, simulate


def test_the_planned_units_detect_the_effect_as_often_as_promised() -> None:
    held, value, _ = simulate(21, runs=100)
    design = HoldoutDesign(SHARE, float(value.std()), DAILY_UNITS)
    effect = design.detectable_effect(UNITS)
    assert design.units(effect) == pytest.approx(UNITS)
    held, value, _ = simulate(22, effect=effect)
    detected = is_outside(compare_arms(*make_arms(held, value)).single_look_interval())
    assert detected.mean() == pytest.approx(0.8, abs=0.05)
    larger = design.detectable_effect(UNITS, always_valid=True)
    held, value, _ = simulate(23, effect=larger)
    detected = is_outside(compare_arms(*make_arms(held, value)).always_valid_interval(UNITS))
    assert detected.mean() == pytest.approx(0.8, abs=0.05)


@given(st.floats(0.01, 10), st.floats(0.01, 0.99), st.floats(0.1, 100), st.floats(1, 1e4), st.booleans())
def test_a_smaller_effect_needs_more_units(
    effect: float, share: float, deviation: float, units_a_day: float, always_valid: bool
) -> None:
    design = HoldoutDesign(share, deviation, units_a_day)
    units = design.units(effect, always_valid)
    assert units < design.units(effect / 2, always_valid)
    assert units < design.units(effect, always_valid, power=0.9)
    assert units >= HoldoutDesign(0.5, deviation, units_a_day).units(effect, always_valid) * (1 - 1e-9)
    assert design.units(effect) <= design.units(effect, always_valid=True)
    days = design.days(effect, always_valid)
    assert days == pytest.approx(math.ceil(units / units_a_day))
    assert design.days(effect, always_valid, observed_units=units) == 0
    assert design.days(effect, always_valid, observed_units=units / 2) <= days


def test_without_units_or_without_an_effect_no_number_of_days_suffices() -> None:
    assert HoldoutDesign(0.1, 1, 0).days(1) == math.inf
    assert HoldoutDesign(0.1, 1, 10).days(0) == math.inf
    assert HoldoutDesign(0.1, 1, 10).detectable_effect(0) == math.inf
    assert HoldoutDesign(0.1, 1, 0).days(1, observed_units=1e9) == 0
