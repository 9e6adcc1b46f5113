"""Arguments that can't be compared with their column are errors with the field and a cure."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from expectations.argument_checks import argument_type_errors
from expectations.rules import Rule

BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
REGEX = "expect_column_values_to_match_regex"

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def errors(column_type: str, rule_type: str, **arguments: Any) -> list[tuple[str, str]]:
    rule = Rule(type=rule_type, severity="info", kwargs={"column": "x", **arguments}, why="for the test")
    return [(error.field, error.message) for error in argument_type_errors("kwargs", rule, column_type)]


@pytest.mark.parametrize(
    ("column_type", "rule_type", "arguments"),
    [
        ("BIGINT", BETWEEN, {"min_value": 0, "max_value": 2.5}),
        ("decimal(12, 2)", BETWEEN, {"min_value": 0}),
        ("decimal(20, 2)", BETWEEN, {"min_value": "-900719925474099.31", "max_value": 99999999.99}),
        ("DECIMAL(20, 2)", IN_SET, {"value_set": ["900719925474099.31", 7, 0.1, None]}),
        ("UUID", IN_SET, {"value_set": [UUID]}),
        ("DATE", BETWEEN, {"min_value": date(2024, 3, 10), "max_value": "2024-03-11"}),
        ("TIMESTAMP WITH TIME ZONE", BETWEEN, {"max_value": "2024-03-10T14:00Z"}),
        ("TIME", BETWEEN, {"min_value": "08:00", "max_value": "18:30:15"}),
        ("", BETWEEN, {"min_value": "08:00"}),
        ("INTEGER[]", IN_SET, {"value_set": ["anything"]}),
        ("VARCHAR", IN_SET, {"value_set": ["7", None]}),
        ("BOOLEAN", IN_SET, {"value_set": [True]}),
        ("VARCHAR", IN_SET, {"value_set": {"source": "planes", "column": "tail"}}),
        ("VARCHAR", REGEX, {"regex": "^[A-Z]{2}$"}),
    ],
)
def test_arguments_that_fit_have_no_errors(column_type: str, rule_type: str, arguments: dict[str, Any]) -> None:
    assert errors(column_type, rule_type, **arguments) == []


@pytest.mark.parametrize(
    ("column_type", "rule_type", "arguments", "field", "message"),
    [
        ("DATE", BETWEEN, {"min_value": 20240310}, "kwargs.min_value", "write a date, such as 2024-03-10"),
        ("DATE", BETWEEN, {"max_value": "10.03.2024"}, "kwargs.max_value", "'10.03.2024' can't be compared"),
        ("TIME", BETWEEN, {"min_value": 630}, "kwargs.min_value", "a clock time in quotes, such as '08:30'"),
        ("TIMESTAMP", IN_SET, {"value_set": ["soon"]}, "kwargs.value_set.0", "of type TIMESTAMP"),
        ("BIGINT", BETWEEN, {"min_value": "5"}, "kwargs.min_value", "a number without quotes"),
        ("DOUBLE", BETWEEN, {"max_value": date(2024, 3, 10)}, "kwargs.max_value", "of type DOUBLE"),
        ("VARCHAR", BETWEEN, {"min_value": 5}, "kwargs.column", "compares only numbers, dates and times"),
        ("VARCHAR", IN_SET, {"value_set": ["a", 7]}, "kwargs.value_set.1", "a text in quotes, such as '7'"),
        ("BOOLEAN", IN_SET, {"value_set": [1]}, "kwargs.value_set.0", "write true or false"),
        ("", BETWEEN, {"min_value": "many"}, "kwargs.min_value", "'many' can't be compared"),
        ("BIGINT", BETWEEN, {"min_value": 3, "max_value": 2}, "kwargs.min_value", "min_value is above max_value"),
        (
            "DATE",
            BETWEEN,
            {"min_value": "2024-03-10", "max_value": "2024-03-09"},
            "kwargs.min_value",
            "exchange the two",
        ),
        ("DEC(9, 2)", BETWEEN, {"min_value": "5x"}, "kwargs.min_value", "a number, such as 7.5"),
        (
            "DECIMAL(20, 2)",
            BETWEEN,
            {"min_value": "900719925474099.31", "max_value": "900719925474099.30"},
            "kwargs.min_value",
            "exchange the two",
        ),
        ("DECIMAL(20, 2)", BETWEEN, {"max_value": 900719925474099.31}, "kwargs.max_value", "more than 15 digits"),
        ("DECIMAL(20, 2)", IN_SET, {"value_set": ["nan"]}, "kwargs.value_set.0", "a number, such as 7.5"),
        ("UUID", IN_SET, {"value_set": [UUID.upper()]}, "kwargs.value_set.0", "a UUID in small letters"),
        ("UUID", IN_SET, {"value_set": [7]}, "kwargs.value_set.0", "a UUID in small letters"),
        ("UUID", BETWEEN, {"min_value": 7}, "kwargs.column", "compares only numbers, dates and times"),
        ("LONG", IN_SET, {"value_set": ["5"]}, "kwargs.value_set.0", "a number without quotes"),
        ("NVARCHAR", IN_SET, {"value_set": [7]}, "kwargs.value_set.0", "a text in quotes, such as '7'"),
        ("BIGINT", BETWEEN, {}, "kwargs", "needs min_value, max_value or both"),
        ("VARCHAR", REGEX, {"regex": "[A-Z"}, "kwargs.regex", "not a valid regular expression"),
        (
            "VARCHAR",
            "expect_column_values_to_match_regex_list",
            {"regex_list": ["a", "("]},
            "kwargs.regex_list",
            "not a valid regular expression",
        ),
    ],
)
def test_an_argument_that_does_not_fit_is_named(
    column_type: str, rule_type: str, arguments: dict[str, Any], field: str, message: str
) -> None:
    ((named, text),) = errors(column_type, rule_type, **arguments)
    assert named == field
    assert message in text
