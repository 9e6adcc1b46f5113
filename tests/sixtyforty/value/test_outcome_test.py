"""A holdout refutes that the action leaves the outcome as it is, or bounds the change."""

from __future__ import annotations

import json
import math

from sixtyforty.value.lift import Interval
from sixtyforty.value.outcome_test import OutcomeTest


def make_test(difference: float, low: float, high: float, problem: str = "") -> OutcomeTest:
    return OutcomeTest(1000, 200, 0.31 + difference, 0.31, Interval(difference, low, high), problem)


def test_an_interval_without_zero_refutes_the_assumption() -> None:
    for test in (make_test(0.1, 0.05, 0.15), make_test(-0.1, -0.15, -0.05)):
        assert test.is_refuted and test.to_dict()["refuted"]
        text = test.describe("calls", is_rate=True)
        assert text.startswith("Refuted: the action changes the outcome, so the figures don't hold.")
        assert text.endswith("Declare kpi.measurement: randomized.")


def test_an_interval_with_zero_bounds_the_change() -> None:
    test = make_test(0.01, -0.02, 0.04)
    assert not test.is_refuted
    assert test.describe("calls", is_rate=True) == (
        "The holdout shows no change of the outcome by the action: the mean outcome is 32.00% where the model decides"
        " and 31.00% in the holdout (200 of 1,000 calls); 95% confidence interval of the difference -2.00% to 4.00%. So"
        " any change is smaller than 4.00%."
    )
    assert "any change is smaller than 0.04" in test.describe("calls", is_rate=False)


def test_too_few_units_or_wrong_shares_say_nothing() -> None:
    early = make_test(0.1, math.nan, math.nan)
    assert not early.is_refuted and early.describe("calls", True).startswith(
        "The holdout can't test yet whether the action"
    )
    assert json.loads(json.dumps(early.to_dict(), allow_nan=False))["low"] is None
    unequal = make_test(0.1, 0.05, 0.15, "the shares differ.")
    assert not unequal.is_refuted
    assert unequal.describe("calls", True).endswith(
        "can't test whether the action changes the outcome: the shares differ."
    )
