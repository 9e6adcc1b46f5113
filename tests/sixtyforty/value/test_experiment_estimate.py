"""A holdout's result in a sentence: a loss, or no effect, is stated as clearly as a gain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from sixtyforty.value.experiment_design import HoldoutDesign
from sixtyforty.value.experiment_estimate import HoldoutEstimate, describe_estimate
from sixtyforty.value.lift import Interval
from sixtyforty.value.share_test import DealtUnits

LOST = [DealtUnits("overall", {"held out": 0.1, "not held out": 0.9}, {"held out": 50, "not held out": 4950})]


def estimate(
    value: float,
    low: float,
    high: float,
    mismatches: Sequence[DealtUnits] = (),
    imbalance: float = 0.0,
    problem: str = "",
    broken_bounds: str = "",
) -> HoldoutEstimate:
    interval = Interval(value, low, high, problem=problem)
    return HoldoutEstimate(
        since="2013-03-01",
        units=5000,
        held_out=500,
        lift=interval,
        single_look=interval,
        gain=4500 * value / 1000,
        sample_ratio_p_value=0.5,
        imbalance=imbalance,
        design=HoldoutDesign(0.1, 5.0, 100),
        mismatches=mismatches,
        broken_bounds=broken_bounds,
    )


@pytest.mark.parametrize(
    ("result_so_far", "text"),
    [
        (None, "The holdout has no result yet: none of the calls in both arms has a known outcome."),
        (
            estimate(120, 40, 200),
            "The model gains +EUR 120 per 1,000 calls (95% confidence interval +EUR 40 to +EUR 200).",
        ),
        (
            estimate(-120, -200, -40),
            "The model loses: -EUR 120 per 1,000 calls (95% confidence interval -EUR 200 to -EUR 40). The current",
        ),
        (
            estimate(20, -40, 80),
            "No effect shown: +EUR 20 per 1,000 calls (95% confidence interval -EUR 40 to +EUR 80).",
        ),
        (
            estimate(120, 40, 200, LOST),
            "No figure of the holdout can be trusted: the shares of the experiment differ from those declared in"
            " kpi.holdout.share"
            " (overall, 5,000 units: held out 10.0% declared and 1.0% seen",
        ),
        (
            estimate(120, 40, 200, imbalance=-5),
            "No figure of the holdout can be trusted: the calls that kept the current process",
        ),
        (
            estimate(120, math.nan, math.nan, problem="too heavy-tailed to say: a few"),
            "Too heavy-tailed to say: a few. So far, 5,000 calls are in both arms, of which 500 were held out.",
        ),
        (
            estimate(120, 40, 200, broken_bounds="values are outside."),
            "No figure of the holdout can be trusted: values are outside.",
        ),
    ],
)
def test_every_result_is_stated_clearly(result_so_far: HoldoutEstimate | None, text: str) -> None:
    assert describe_estimate(result_so_far, "EUR", "calls", 300).startswith(text)


def test_no_effect_comes_with_the_days_until_one_would_show() -> None:
    no_effect = estimate(20, -40, 80)
    days = no_effect.days_left(0.3)
    assert 1 < days < math.inf
    assert f"would probably show after about {days:,.0f} more days." in describe_estimate(
        no_effect, "EUR", "calls", 300
    )
    assert "would probably have shown by now." in describe_estimate(no_effect, "EUR", "calls", 3000)


def test_the_figures_as_json_are_rounded_and_unknown_ones_are_null() -> None:
    figures = estimate(120.004, math.nan, 200).to_dict(0.3)
    assert figures["lift"] == {"value": 120.0, "low": None, "high": 200, "problem": ""}
    assert (figures["held_out"], figures["trustworthy"], figures["sample_ratio_p_value"]) == (500, True, 0.5)
