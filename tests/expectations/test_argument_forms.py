"""Arguments of rules that no rule can use are refused when the suite is read, and never first by a run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from expectations.gx_runner import build_suite, find_failing_rows
from expectations.rule_catalog import ALWAYS, RULES, list_arguments
from expectations.rules import Rule, Suite
from expectations.suite_checks import suite_errors

COLUMNS = {"n": "BIGINT", "m": "DOUBLE", "x": "DECIMAL(8,2)", "s": "VARCHAR", "t": "VARCHAR", "k": "BIGINT"}
VALID: dict[str, list[Any]] = {
    "column": ["n", "m", "s", "x"],
    "column_A": ["n", "s"],
    "column_B": ["m", "t"],
    "column_list": [["n", "m"], ["s", "t"]],
    "condition_parser": ["pandas"],
    "double_sided": [True],
    "ignore_row_if": [
        *("both_values_are_missing", "either_value_is_missing", "neither"),
        *("all_values_are_missing", "any_value_is_missing", "never"),
    ],
    "json_schema": [{"type": "object"}],
    "match_on": ["any"],
    "max_value": [2, None],
    "method": ["iqr"],
    "min_value": [1],
    "mostly": [0.9],
    "multiplier": [1.5],
    "or_equal": [True],
    "regex": ["^a"],
    "regex_list": [["^a"]],
    "row_condition": ["k == 1"],
    "strftime_format": ["%Y-%m-%d"],
    "strict_max": [False],
    "strict_min": [True],
    "strictly": [True],
    "sum_total": [3],
    "threshold": [3],
    "value": [2],
    "value_pairs_set": [[[1, 1.5]], [["a", "b"]]],
    "value_set": [[1, 2], ["a"]],
}
MALFORMED: list[Any] = [
    *(None, True, -1, 1.5, float("nan"), float("inf"), 10**30, "", "%Q", "nonsense", "2024-02-30"),
    *([], [1], ["a", None], [[1]], [[1, 2, 3]], [float("nan")], {}, {"a": 1}),
]


EVALUATED = ("ignore_row_if", "max_value", "min_value")  # Great Expectations checks these only when it evaluates a rule
TEXT_RULES = ("json", "dateutil", "strftime", "regex", "lengths")


def needs_texts(rule: Rule) -> bool:
    """Return whether the rule judges texts, and its column has none. A run gives such a rule the texts of the values.

    No text of the tests' rows is JSON, so a rule about JSON always needs other texts.
    """
    return any(word in rule.type for word in TEXT_RULES) and (
        COLUMNS[rule.columns[0]] != "VARCHAR" or "json_schema" in rule.type
    )


def is_accepted(rule_type: str, arguments: dict[str, Any]) -> Rule | None:
    """Return the rule if the check of its suite finds no error."""
    rule = Rule(type=rule_type, severity="critical", kwargs=arguments, why="for the test")
    suite = Suite(description="for the test", rows=[rule])
    return None if list(suite_errors(suite, COLUMNS, {})) else rule


def valid_rules(rule_type: str) -> Iterator[Rule]:
    """Yield rules of a type with valid required arguments: all combinations that suit the columns."""
    required = [*list_arguments(rule_type)[0], *(["min_value"] if rule_type.endswith("_between") else [])]
    for values in itertools.product(*(VALID[name] for name in required)):
        rule = is_accepted(rule_type, dict(zip(required, values, strict=True)))
        if rule is not None:
            yield rule


@pytest.mark.parametrize("rule_type", RULES)
def test_great_expectations_accepts_what_the_check_accepts(rule_type: str) -> None:
    rules = list(valid_rules(rule_type))
    assert rules
    rows = pd.DataFrame({"n": [1, 2], "m": [1.5, 2.5], "x": [1.2, 3.0], "s": ["a", "b"], "t": ["a", "c"], "k": [1, 1]})
    for rule in rules:
        for name in list_arguments(rule_type)[1]:
            for argument in (*MALFORMED, *VALID[name]):
                accepted = is_accepted(rule_type, rule.kwargs | {name: argument})
                if accepted is not None:
                    build_suite("test", [accepted])
                    if (name in ALWAYS or name in EVALUATED) and not needs_texts(accepted):
                        find_failing_rows("test", rows.astype({"n": object}), [accepted])


@pytest.mark.parametrize("rule_type", RULES)
def test_a_condition_leaves_out_the_other_rows(rule_type: str) -> None:
    chance = random.Random(rule_type)
    rows = pd.DataFrame(
        {
            "n": [chance.choice([1, 2, 3, 50]) for _ in range(12)],
            "m": [chance.choice([1.5, 2.0, 3.0, None]) for _ in range(12)],
            "x": [chance.choice([1.2, 2.5]) for _ in range(12)],
            "s": [chance.choice(["a", "2024-01-01", "bbb", None]) for _ in range(12)],
            "t": [chance.choice(["a", "b", "bbb"]) for _ in range(12)],
            "k": [chance.choice([0, 1]) for _ in range(12)],
        }
    )
    fulfilling = rows[rows["k"] == 1]
    conditions = ("k == 1", "pandas"), ('col("k") == 1', "great_expectations")
    for rule in valid_rules(rule_type):
        if needs_texts(rule):
            continue
        (alone,) = find_failing_rows("test", fulfilling.reset_index(drop=True), [rule])
        expected = fulfilling.index[alone].tolist()
        for condition, parser in conditions:
            limited = rule.kwargs | {"row_condition": condition, "condition_parser": parser}
            assert find_failing_rows("test", rows, [rule.model_copy(update={"kwargs": limited})]) == [expected]


@pytest.mark.parametrize(
    ("rule_type", "arguments", "field", "message"),
    [
        ("column_values_to_match_strftime_format", {"strftime_format": "%Q"}, "strftime_format", "write a format of"),
        ("column_values_to_be_between", {"min_value": float("nan")}, "min_value", "nan can't be compared"),
        ("column_values_to_be_between", {"max_value": float("inf")}, "max_value", "inf can't be compared"),
        ("column_values_to_be_in_set", {"value_set": [float("nan")]}, "value_set.0", "nan can't be a value"),
        ("column_value_lengths_to_be_between", {"max_value": None}, "", "needs min_value, max_value or both"),
        ("column_values_to_be_null", {"mostly": 95}, "mostly", "write a share from 0 to 1, such as 0.95"),
        ("column_values_to_be_null", {"mostly": "most"}, "mostly", "write a share from 0 to 1"),
        ("column_values_to_match_json_schema", {"json_schema": True}, "json_schema", "write a mapping"),
        ("column_value_lengths_to_equal", {"value": -1}, "value", "a whole number of at least 0"),
        ("column_values_to_match_regex", {"column": "s", "regex": r"^(\d+)+$"}, "regex", "may take hours"),
        ("column_values_to_be_unique", {"column": ["n"]}, "column", "write the name of a column"),
    ],
)
def test_the_error_names_field_and_cure(rule_type: str, arguments: dict[str, Any], field: str, message: str) -> None:
    rule = Rule(type=f"expect_{rule_type}", severity="critical", kwargs={"column": "n"} | arguments, why="a test")
    (error,) = suite_errors(Suite(description="a test", rows=[rule]), COLUMNS, {})
    assert error.field == ".".join(filter(None, ("rows.0.kwargs", field)))
    assert message in error.message


@pytest.mark.parametrize(
    "condition",
    [
        *("n", "n + 1", "-n", "abs(n)", "7", "`n`", "'n == 1'"),
        *("k == 1 and n", "not n", "n & 1", "~n", "(k == 1) | m", "s.str.len()", "n.abs()", "s.str.upper()"),
    ],
)
def test_a_condition_that_is_a_quantity_is_refused(condition: str) -> None:
    assert is_accepted("expect_column_values_to_not_be_null", {"column": "m", "row_condition": condition}) is None


@pytest.mark.parametrize(
    "condition",
    [
        *("n == 1", "n.isnull()", "n == 1 & m > 2", "not n == 1", "s.str.contains('a')", "~n.isin([1, 2])", "n.ge(2)"),
        *("s.str.isdigit()", "n.between(1, 2) and k == 1", "0 < n < 3", "True"),
    ],
)
def test_a_condition_that_is_true_or_false_is_accepted(condition: str) -> None:
    assert is_accepted("expect_column_values_to_not_be_null", {"column": "m", "row_condition": condition})
