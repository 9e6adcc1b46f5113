"""Great Expectations evaluates every make_rule, or says which one it can't."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext
from typing import Any

import pandas as pd
import pytest
from great_expectations.core import id_dict
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from expectations import gx_runner, suites
from expectations.gx_runner import MAX_UNJUDGED, RuleError, build_suite, find_failing_rows
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


def test_less_repetition_changes_no_outcome(monkeypatch):
    rules = [
        make_rule(),
        make_rule("expect_column_values_to_be_in_set", column="origin", value_set=["JFK", "LGA"]),
        make_rule("expect_column_values_to_be_between", column="origin", min_value=0, max_value=1),
        make_rule("expect_column_mean_to_be_between", column="temp", min_value=float("nan"), max_value=3.5),
    ]
    sets = dict(enumerate(rules))
    outcomes = [gx_runner._evaluate("weather", FRAME, sets, gx_runner.ROW_NUMBERS)]
    monkeypatch.setattr(gx_runner, "_less_repetition", nullcontext)
    outcomes.append(gx_runner._evaluate("weather", FRAME, sets, gx_runner.ROW_NUMBERS))
    texts = [
        {number: outcome if isinstance(outcome, str) else outcome.to_json_dict() for number, outcome in each.items()}
        for each in outcomes
    ]
    assert texts[0] == texts[1]


def test_great_expectations_is_itself_again_after_an_evaluation():
    names = [(id_dict, "convert_to_json_serializable"), (Expectation, "configuration")]
    names += [(ExpectationConfiguration, "to_domain_obj")]
    before = [vars(owner)[name] for owner, name in names]
    find_failing_rows("weather", FRAME, [make_rule()])
    with pytest.raises(RuleError):
        find_failing_rows("weather", FRAME, [make_rule(column="absent")])
    assert [vars(owner)[name] for owner, name in names] == before


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


JSON_SCHEMA = {"column": "payload", "json_schema": {"type": "object", "required": ["id"]}}


@pytest.mark.parametrize(
    ("rule", "values", "failing"),
    [
        (
            make_rule("expect_column_values_to_match_json_schema", **JSON_SCHEMA),
            ['{"id": 1}', "not json", "{}", None, '{"id": 2}', "{broken"],
            [1, 2, 5],
        ),
        (make_rule(column="payload", min_value=0), [1, 2, "three", 4, -5, None, 6], [2, 4]),
        (make_rule(column="payload", max_value=9), [1, b"x", 20, 3, 4, 5, 6, 7], [1, 2]),
        (
            make_rule("expect_column_pair_values_a_to_be_greater_than_b", column_A="payload", column_B="other"),
            [3, "odd", 1, 5],
            [1, 2],
        ),
    ],
)
def test_a_value_that_a_rule_cannot_judge_fails_alone(rule, values, failing):
    frame = pd.DataFrame({"payload": pd.Series(values, dtype=object), "other": 2})
    assert find_failing_rows("odd", frame, [make_rule(column="other", max_value=1), rule]) == [
        list(range(len(values))),
        failing,
    ]


def test_a_rule_names_its_failing_rows_whatever_share_may_fail():
    frame = pd.DataFrame({"payload": pd.Series([1, "odd", 2, -5, 3, 4, 5, 6], dtype=object), "other": 2})
    tolerant = [make_rule(column=column, min_value=0, max_value=2, mostly=0.1) for column in ("payload", "other")]
    assert find_failing_rows("odd", frame, tolerant) == [[1, 3, 4, 5, 6, 7], []]


def test_a_repeated_value_that_cannot_be_judged_fails_each_time():
    frame = pd.DataFrame({"temp": pd.Series([1, "odd"] * 200, dtype=object)})
    assert find_failing_rows("odd", frame, [make_rule()]) == [list(range(1, 400, 2))]


def test_a_rule_that_can_judge_no_value_is_an_error():
    frame = pd.DataFrame({"temp": pd.Series(["a", "b", "c"], dtype=object)})
    with pytest.raises(RuleError, match="can't be evaluated on temp"):
        find_failing_rows("odd", frame, [make_rule()])


def test_a_rule_that_cannot_judge_many_values_is_an_error():
    frame = pd.DataFrame({"temp": pd.Series([1, *(f"text {n}" for n in range(MAX_UNJUDGED + 1))], dtype=object)})
    with pytest.raises(RuleError, match="can't be evaluated on temp"):
        find_failing_rows("odd", frame, [make_rule()])


def test_a_rule_with_a_condition_judges_only_matching_rows():
    beyond = make_rule(**BETWEEN, row_condition='origin == "JFK"', condition_parser="pandas")
    assert find_failing_rows("weather", FRAME, [beyond]) == [[3]]


def test_metrics_may_be_dates():
    metrics = pd.DataFrame({"last_day": pd.to_datetime(["2024-03-09", "2024-03-11", None])})
    rule = make_rule(column="last_day", max_value="2024-03-10")
    assert find_failing_rows("weather", metrics, [rule]) == [[1]]
    with pytest.raises(RuleError, match="neither a date nor a time"):
        find_failing_rows("weather", metrics, [make_rule(column="last_day", max_value=5)])


def test_a_judged_frame_is_released_at_once():
    """Great Expectations' objects refer to each other, so seven DataFrames of long texts were in memory at once."""
    frame = pd.DataFrame({"temp": [5.0, 50.0]})
    reference = weakref.ref(frame)
    gc.disable()
    try:
        assert find_failing_rows("weather", frame, [make_rule()]) == [[1]]
        del frame
        assert reference() is None
    finally:
        gc.enable()
