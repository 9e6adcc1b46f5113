"""Rules are described in words."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.rule_texts import MAX_LENGTH, describe_expected, format_value


@pytest.mark.parametrize(
    ("rule_type", "arguments", "text"),
    [
        ("expect_column_values_to_be_between", {"column": "n", "min_value": 50, "max_value": 75}, "50 to 75"),
        (
            "expect_column_values_to_be_between",
            {"column": "n", "min_value": 20000, "max_value": 45000},
            "20,000 to 45,000",
        ),
        ("expect_column_values_to_be_between", {"column": "n", "min_value": 0.01}, "at least 0.01"),
        ("expect_column_values_to_be_between", {"column": "n", "max_value": 0}, "at most 0"),
        ("expect_column_values_to_be_between", {"column": "n", "min_value": 3, "max_value": 3}, "3"),
        ("expect_column_values_to_be_in_set", {"column": "n", "value_set": ["EWR", "JFK"]}, "one of: EWR, JFK"),
        ("expect_column_values_to_be_in_set", {"column": "n", "value_set": [False]}, "False"),
        (
            "expect_column_values_to_be_in_set",
            {"column": "n", "value_set": {"source": "planes", "column": "tailnum"}},
            "a value of tailnum in planes",
        ),
        (
            "expect_column_values_to_not_be_in_set",
            {"column": "n", "value_set": ["a", "b"]},
            "anything but one of: a, b",
        ),
        ("expect_column_values_to_not_be_null", {"column": "n"}, "a value"),
        ("expect_column_values_to_be_unique", {"column": "n"}, "each value once"),
        ("expect_column_values_to_match_regex", {"column": "n", "regex": "^a"}, "text that matches ^a"),
        ("expect_column_value_lengths_to_equal", {"column": "n", "value": 2}, "2 characters"),
        ("expect_column_pair_values_to_be_equal", {"column_A": "a", "column_B": "b"}, "a equals b"),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "a", "column_B": "b", "or_equal": True},
            "a is at least b",
        ),
        (
            "expect_column_values_to_be_increasing",
            {"column": "n", "strictly": True},
            "column values to be increasing (strictly=True)",
        ),
    ],
)
def test_a_rule_says_what_it_expects(rule_type: str, arguments: dict[str, Any], text: str) -> None:
    assert describe_expected(rule_type, arguments) == text


def test_a_long_description_is_cut() -> None:
    values = [f"value {number}" for number in range(100)]
    text = describe_expected("expect_column_values_to_be_in_set", {"column": "n", "value_set": values})
    assert len(text) == MAX_LENGTH


@pytest.mark.parametrize(
    ("observed", "text"), [(1300, "1,300"), (0.123456, "0.1235"), (12345.678, "1.235e+04"), (True, "True"), ("a", "a")]
)
def test_numbers_are_short(observed: Any, text: str) -> None:
    assert format_value(observed) == text
