"""Describe in words what a rule expects of the data, for verdicts, reasons and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from expectations.row_conditions import CONDITION, PARSER, describe_condition

MAX_LENGTH = 160  # longer descriptions are cut to this number of characters
COLUMN_ARGUMENTS = {"column", "column_A", "column_B", "column_list", CONDITION, PARSER}
Arguments = Mapping[str, Any]


def describe_expected(rule_type: str, arguments: Arguments) -> str:
    """Return in words what a rule expects of its columns, such as `50 to 75` or `one of: EWR, JFK, LGA`.

    A rule with a `row_condition` names the condition, as in `at least 0 where kind == "b"`.
    """
    describe = _DESCRIPTIONS.get(rule_type)
    text = describe(arguments) if describe else _describe_by_name(rule_type, arguments)
    condition = describe_condition(arguments)
    return f"{text} where {condition}"[:MAX_LENGTH] if condition else text[:MAX_LENGTH]


def format_value(observed: Any) -> str:
    """Return a value as text: numbers with thousands separators, floats with four significant digits."""
    if isinstance(observed, bool) or not isinstance(observed, int | float):
        return str(observed)
    return f"{observed:,}" if isinstance(observed, int) else f"{observed:,.4g}"


def _describe_by_name(rule_type: str, arguments: Arguments) -> str:
    words = rule_type.removeprefix("expect_").replace("_", " ")
    listed = ", ".join(f"{name}={argument}" for name, argument in arguments.items() if name not in COLUMN_ARGUMENTS)
    return f"{words} ({listed})" if listed else words


def _range(arguments: Arguments) -> str:
    lowest, highest = arguments.get("min_value"), arguments.get("max_value")
    if lowest is not None and lowest == highest:
        return format_value(lowest)
    if lowest is not None and highest is not None:
        return f"{format_value(lowest)} to {format_value(highest)}"
    if highest is not None:
        return f"at most {format_value(highest)}"
    return f"at least {format_value(lowest)}"


def _set(arguments: Arguments) -> str:
    allowed = arguments["value_set"]
    if isinstance(allowed, Mapping):
        return f"a value of {allowed['column']} in {allowed['source']}"
    texts = [format_value(each) for each in allowed]
    return texts[0] if len(texts) == 1 else f"one of: {', '.join(texts)}"


_DESCRIPTIONS: dict[str, Callable[[Arguments], str]] = {
    "expect_column_values_to_be_between": _range,
    "expect_column_values_to_be_in_set": _set,
    "expect_column_values_to_not_be_in_set": lambda arguments: f"anything but {_set(arguments)}",
    "expect_column_values_to_be_null": lambda _: "no value",
    "expect_column_values_to_not_be_null": lambda _: "a value",
    "expect_column_values_to_be_unique": lambda _: "each value once",
    "expect_compound_columns_to_be_unique": lambda _: "each combination once",
    "expect_column_values_to_match_regex": lambda arguments: f"text that matches {arguments['regex']}",
    "expect_column_values_to_not_match_regex": lambda arguments: f"text that doesn't match {arguments['regex']}",
    "expect_column_value_lengths_to_be_between": lambda arguments: f"{_range(arguments)} characters",
    "expect_column_value_lengths_to_equal": lambda arguments: f"{arguments['value']} characters",
    "expect_column_pair_values_to_be_equal": lambda arguments: (
        f"{arguments['column_A']} equals {arguments['column_B']}"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": lambda arguments: (
        f"{arguments['column_A']} is at least {arguments['column_B']}"
        if arguments.get("or_equal")
        else f"{arguments['column_A']} is greater than {arguments['column_B']}"
    ),
}
