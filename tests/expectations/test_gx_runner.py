"""Great Expectations evaluates every make_rule, or says which one it can't."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from expectations import suites
from expectations.gx_runner import RuleError, build_suite, find_failing_rows
from expectations.rules import Rule
from pipelines.authoring import catalog

BETWEEN = {"column": "temp", "min_value": 0, "max_value": 10}


def make_rule(rule_type: str = "expect_column_values_to_be_between", severity: str = "critical", **kwargs: Any) -> Rule:
    return Rule(type=rule_type, severity=severity, kwargs=kwargs or BETWEEN, why="for the test")


ALL_SUITES = [
    (name, source) for name in catalog.list_use_cases() for source in (*catalog.load_use_case(name).sources, "features")
]


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_misspelt_type_is_an_error(severity):
    rules = [make_rule(), make_rule("expect_colunm_values_to_be_between", severity)]
    with pytest.raises(RuleError, match="expect_colunm_values_to_be_between"):
        build_suite("weather", rules)


def test_a_misspelt_argument_is_an_error():
    with pytest.raises((RuleError, ValueError)):
        build_suite("weather", [make_rule(column="temp", minimum=0)])


FRAME = pd.DataFrame({"temp": [5.0, 50.0, None, -1.0], "origin": ["JFK", "LGA", "EWR", "JFK"]})


def test_failing_rows_are_found_by_position():
    unique = make_rule("expect_column_values_to_be_unique", column="origin")
    present = make_rule("expect_column_values_to_not_be_null", column="temp")
    assert find_failing_rows("weather", FRAME, [make_rule(), unique, present]) == [[1, 3], [0, 3], [2]]


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_a_rule_about_a_missing_column_is_an_error(severity):
    with pytest.raises(RuleError, match="windspeed"):
        find_failing_rows(
            "weather", FRAME, [make_rule(), make_rule(severity=severity, column="windspeed", min_value=0)]
        )


def test_a_rule_about_an_aggregate_is_an_error():
    with pytest.raises(RuleError, match="judges all rows together"):
        find_failing_rows(
            "weather", FRAME, [make_rule("expect_column_mean_to_be_between", column="temp", min_value=100)]
        )


def test_a_rule_about_the_table_is_an_error():
    with pytest.raises(RuleError, match="judges all rows together"):
        find_failing_rows("weather", FRAME, [make_rule("expect_table_row_count_to_equal", value=3)])


def test_an_aggregate_can_be_a_metric():
    metrics = pd.DataFrame({"mean_temp": [4.0, 400.0]})
    assert find_failing_rows("weather", metrics, [make_rule(column="mean_temp", max_value=100)]) == [[1]]


@pytest.mark.parametrize(("use_case", "source"), ALL_SUITES)
def test_great_expectations_accepts_every_rule_of_the_use_cases(use_case, source):
    suite = suites.load_suite(use_case, source)
    for name, rules in (("rows", suite.rows), ("partition", suite.partition.rules)):
        plain = [r for r in rules if not isinstance(r.kwargs.get("value_set"), dict)]
        assert len(build_suite(name, plain).expectations) == len(plain)
    assert all(r.kwargs["column"] in suite.partition.metrics for r in suite.partition.rules)
