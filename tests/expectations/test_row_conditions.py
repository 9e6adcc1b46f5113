"""A row condition names its columns and describes itself, in each form that Great Expectations documents."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.row_conditions import ConditionError, condition_columns, describe_condition

KIND_IS_B = {"type": "comparison", "column": {"name": "kind"}, "operator": "==", "parameter": "b"}
AMOUNT_KNOWN = {"type": "nullity", "column": {"name": "amount"}, "is_null": False}


@pytest.mark.parametrize(
    ("condition", "parser", "columns"),
    [
        ('kind == "b"', "pandas", ["kind"]),
        ('kind in ["a", "b"] and not amount.isnull()', None, ["amount", "kind"]),
        ("kind.str.len() > abs(amount)", "pandas", ["amount", "kind"]),
        ("`unit price` > 3 or `unit price` < -1", "pandas", ["unit price"]),
        ("True", "pandas", []),
        ('col("kind") == "b"', "great_expectations", ["kind"]),
        ('col("unit price") >= -2.5e3', "great_expectations", ["unit price"]),
        ('col("day") > date("2024-03-10")', "great_expectations__experimental__", ["day"]),
        ('col("amount").notNull()', "great_expectations", ["amount"]),
        (KIND_IS_B, None, ["kind"]),
        ({"type": "and", "conditions": [KIND_IS_B, AMOUNT_KNOWN]}, None, ["amount", "kind"]),
        ({"type": "pass_through", "pass_through_filter": "amount > 1"}, None, ["amount"]),
        (None, None, []),
    ],
)
def test_a_condition_names_its_columns(condition: Any, parser: str | None, columns: list[str]) -> None:
    arguments = {"row_condition": condition} | ({"condition_parser": parser} if parser else {})
    assert condition_columns(arguments) == columns


@pytest.mark.parametrize(
    ("condition", "parser", "message"),
    [
        ("kind = 'b'", "pandas", "isn't a valid pandas expression"),
        ("@kind == 'b'", "pandas", "isn't a valid pandas expression"),
        ('col("kind") == "b"', "pandas", "needs condition_parser: great_expectations"),
        ('kind == "b"', "great_expectations", "isn't one comparison; write one"),
        ('col("a") == 1 and col("b") == 2', "great_expectations", "isn't one comparison; write one"),
        ('kind == "b"', "spark", "'spark' doesn't work here"),
        (5, None, "write an expression"),
        ({"type": "like"}, None, "the type of the row_condition is 'like'"),
        (KIND_IS_B | {"operator": "~"}, None, "needs a parameter, and one of the operators"),
        (KIND_IS_B | {"column": "kind"}, None, "doesn't name its column"),
        (AMOUNT_KNOWN | {"is_null": "no"}, None, "needs the field is_null"),
        ({"type": "or", "conditions": "kind"}, None, "needs a list `conditions`"),
    ],
)
def test_a_condition_of_another_form_is_an_error(condition: Any, parser: str | None, message: str) -> None:
    with pytest.raises(ConditionError, match=message):
        condition_columns({"row_condition": condition, "condition_parser": parser or "pandas"})


def test_a_condition_is_described() -> None:
    assert describe_condition({}) == ""
    assert describe_condition({"row_condition": 'kind == "b"'}) == 'kind == "b"'
    either = {"type": "or", "conditions": [KIND_IS_B, AMOUNT_KNOWN | {"is_null": True}]}
    assert describe_condition({"row_condition": either}) == "(kind == b or amount is null)"
    not_in = KIND_IS_B | {"operator": "NOT_IN", "parameter": ["a"]}
    assert describe_condition({"row_condition": not_in}) == "kind not in ['a']"
    passed = {"type": "pass_through", "pass_through_filter": "amount > 1"}
    assert describe_condition({"row_condition": passed}) == "amount > 1"
