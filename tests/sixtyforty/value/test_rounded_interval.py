"""Intervals are rounded for people and JSON, and what isn't known is None."""

from __future__ import annotations

import json
import math

import pytest

from sixtyforty.value.lift import Interval
from sixtyforty.value.rounded_interval import RoundedInterval, round_known


def test_an_interval_is_rounded_to_the_cent_and_survives_json() -> None:
    rounded = RoundedInterval.of(Interval(1.234, math.nan, 2.345))
    assert rounded == RoundedInterval(1.23, None, 2.35)
    assert RoundedInterval.from_dict(json.loads(json.dumps(rounded.to_dict()))) == rounded


def test_an_unknown_end_is_nan_for_computing() -> None:
    interval = RoundedInterval(1.0, None, None).to_interval()
    assert interval.value == 1.0
    assert math.isnan(interval.low) and math.isnan(interval.high)


@pytest.mark.parametrize(
    ("low", "high", "contains_zero"), [(-1.0, 1.0, True), (0.0, 1.0, True), (1.0, 2.0, False), (None, None, True)]
)
def test_zero_lies_within_an_interval_that_is_not_known(
    low: float | None, high: float | None, contains_zero: bool
) -> None:
    assert RoundedInterval(1.0, low, high).contains_zero is contains_zero


@pytest.mark.parametrize(("number", "rounded"), [(1.005, 1.0), (None, None), (math.nan, None), (math.inf, None)])
def test_only_finite_numbers_are_known(number: float | None, rounded: float | None) -> None:
    assert round_known(number, 1) == rounded
