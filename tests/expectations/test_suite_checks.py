"""Rules, arguments and columns of a suite that don't exist are errors with the field and the choices."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from expectations.row_conditions import FUNCTIONS
from expectations.rules import PartitionRules, Rule, Suite
from expectations.suite_checks import suite_errors

BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
SOURCES = {"calls": {"id": "BIGINT", "load": "DOUBLE", "day": "DATE"}, "sites": {"site": "VARCHAR"}}


def errors(rule_type: str, **arguments: Any) -> list[tuple[str, str]]:
    """Return field and message of each error of a suite with one row rule."""
    rule = Rule(type=rule_type, severity="info", kwargs=arguments, why="for the test")
    found_errors = suite_errors(Suite(description="x", rows=[rule]), SOURCES["calls"], SOURCES)
    return [(error.field, error.message) for error in found_errors]


@pytest.mark.parametrize(
    ("rule_type", "arguments"),
    [
        (BETWEEN, {"column": "load", "max_value": 1}),
        (IN_SET, {"column": "load", "value_set": {"source": "sites", "column": "site"}}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["id", "load"]}),
        (BETWEEN, {"column": "load", "max_value": 1, "mostly": 0.9}),
    ],
)
def test_a_sound_rule_has_no_errors(rule_type: str, arguments: dict[str, Any]) -> None:
    assert errors(rule_type, **arguments) == []


def test_an_unknown_rule_is_an_error_with_all_rules() -> None:
    assert errors("expect_colunm_values", column="load") == [
        ("rows.0.type", "there is no row-wise rule 'expect_colunm_values'")
    ]


def test_an_unknown_and_a_missing_argument_are_errors() -> None:
    assert errors(BETWEEN, column="load", minimum=1) == [
        ("rows.0.kwargs.minimum", f"{BETWEEN} has no argument 'minimum'")
    ]
    assert errors(IN_SET, column="load") == [("rows.0.kwargs", f"{IN_SET} needs the argument value_set")]


def test_a_misspelt_required_argument_is_one_error() -> None:
    assert errors(IN_SET, column="load", value_sett=[1]) == [
        ("rows.0.kwargs.value_sett", f"{IN_SET} has no argument 'value_sett'")
    ]


def test_unknown_columns_and_sources_are_errors() -> None:
    assert errors(BETWEEN, column="laod", max_value=1) == [("rows.0.kwargs.column", "there is no column 'laod'")]
    assert errors(IN_SET, column="load", value_set={"source": "site", "column": "site"}) == [
        ("rows.0.kwargs.value_set", "there is no source 'site'")
    ]
    assert errors(IN_SET, column="load", value_set={"source": "sites", "column": "size"}) == [
        ("rows.0.kwargs.value_set", "source sites has no column 'size'")
    ]


def test_a_partition_rule_is_about_a_metric() -> None:
    rule = Rule(type=BETWEEN, severity="info", kwargs={"column": "load", "max_value": 1}, why="for the test")
    suite = Suite(description="x", partition=PartitionRules(metrics={"row_count": "count(*)"}, rules=[rule]))
    (error,) = suite_errors(suite, None, SOURCES)
    assert (error.field, error.message) == ("partition.rules.0.kwargs.column", "there is no metric 'load'")


def test_a_condition_names_existing_columns_in_a_documented_form() -> None:
    bounds = {"column": "load", "max_value": 1}
    assert errors(BETWEEN, **bounds, row_condition="day > '2024-03-10'", condition_parser="pandas") == []
    assert errors(BETWEEN, **bounds, row_condition="dya > '2024-03-10'") == [
        ("rows.0.kwargs.row_condition", "there is no column 'dya'")
    ]
    ((field, message),) = errors(BETWEEN, **bounds, row_condition="day >")
    assert field == "rows.0.kwargs.row_condition"
    assert "isn't a valid pandas expression" in message


DAY = {"type": "comparison", "column": {"name": "day"}}
TYPED = SOURCES["calls"] | {
    "seen": "TIMESTAMP",
    "opens": "TIME",
    "kind": "VARCHAR",
    "amount": "DECIMAL(12,2)",
    "open": "BOOLEAN",
}
AMOUNT = {"type": "comparison", "column": {"name": "amount"}, "operator": ">"}


@pytest.mark.parametrize(
    ("condition", "parser", "is_exact"),
    [
        ("amount < 0 and amount != 1234567890123.99", None, True),
        ("amount == 12345678901234.99", None, False),
        ("`amount` in [1, -12345678901234.99]", None, False),
        ("load == 12345678901234.99", None, True),  # a DOUBLE is compared as it is
        ('col("amount") >= 12345678901234', "great_expectations", False),
        ('col("amount").notNull()', "great_expectations", True),
        (AMOUNT | {"parameter": 1e13}, None, False),
        ({"type": "or", "conditions": [AMOUNT | {"parameter": 3}, AMOUNT | {"parameter": 4.5}]}, None, True),
        ({"type": "pass_through", "pass_through_filter": "amount > 12345678901234"}, None, False),
    ],
)
def test_a_comparison_that_would_round_a_decimal_is_an_error(
    condition: Any, parser: str | None, is_exact: bool
) -> None:
    """With two decimals, numbers from ten trillion on need more than 15 digits."""
    arguments = {"column": "load", "max_value": 1, "row_condition": condition}
    rule = Rule(
        type=BETWEEN, severity="info", why="x", kwargs=arguments | ({"condition_parser": parser} if parser else {})
    )
    columns = SOURCES["calls"] | {"amount": "DECIMAL(18,2)"}
    problems = list(suite_errors(Suite(description="x", rows=[rule]), columns, SOURCES))
    assert [problem.field for problem in problems] == ([] if is_exact else ["rows.0.kwargs.row_condition"])
    assert all("the comparison of 'amount' with" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("condition", "parser", "wrong"),
    [
        ('day > "2024-02-30"', None, "'2024-02-30'"),
        ('day in ["2024-03-10", "soon"]', None, "'soon'"),
        ('day.isin(["2024-03-10", "soon"])', None, "'soon'"),
        ('"soon" < day', None, "'soon'"),
        ("id > 3 and not (day == 20240310)", None, "20240310"),
        ("2024 < day < '2025-01-01'", None, "2024"),
        ('seen == "2024-03-10 12:00:00.1234567"', None, "'2024-03-10 12:00:00.1234567'"),
        ('opens > "25:00"', None, "'25:00'"),
        ('id == "7"', None, "'7'"),
        ('id > -"a"', None, None),
        ("kind > 5", None, "5"),
        ("kind == -5", None, "-5"),
        ("kind == None", None, "None"),
        ('amount == "1.10"', None, "'1.10'"),
        ('col("day") == date("2024-13-10")', "great_expectations", "'2024-13-10'"),
        ('col("kind") == 5', "great_expectations", "5"),
        (DAY | {"operator": ">", "parameter": "soon"}, None, "'soon'"),
        (DAY | {"operator": "IN", "parameter": ["2024-03-10", 5]}, None, "5"),
        ({"type": "pass_through", "pass_through_filter": "day > 5"}, None, "5"),
        ({"type": "and", "conditions": [DAY | {"operator": "==", "parameter": "soon"}]}, None, "'soon'"),
        ("id in [1, None] or kind in ['a', None] or day not in ['2024-03-10']", None, None),
        ("load > 1e3 and amount < 5.5 and kind != 'it''s' and open == True", None, None),
        ('opens >= "08:30" and seen < "2024-03-10T12:00+01:00"', None, None),
        ("day.dt.year == 2024 and kind.str.len() > 3 and abs(load) > 2 and id % 2 == 1", None, None),
        (DAY | {"operator": "==", "parameter": date(2024, 3, 10)}, None, None),
    ],
)
def test_a_condition_compares_a_column_with_values_of_its_type(condition: Any, parser: str | None, wrong: str) -> None:
    arguments = {"column": "load", "max_value": 1, "row_condition": condition}
    rule = Rule(
        type=BETWEEN, severity="info", why="x", kwargs=arguments | ({"condition_parser": parser} if parser else {})
    )
    problems = list(suite_errors(Suite(description="x", rows=[rule]), TYPED, SOURCES))
    assert [problem.field for problem in problems] == (["rows.0.kwargs.row_condition"] if wrong else [])
    assert all(f"{wrong} can't be compared with a column of type" in problem.message for problem in problems)


@pytest.mark.parametrize("members", ["a", {"a": 1}, 5])
def test_a_condition_about_a_set_needs_a_list(members: Any) -> None:
    condition = DAY | {"operator": "IN", "parameter": members}
    ((field, message),) = errors(BETWEEN, column="load", max_value=1, row_condition=condition)
    assert (field, "needs a list" in message) == ("rows.0.kwargs.row_condition", True)


def test_a_bound_must_fit_the_type_of_the_column() -> None:
    assert errors(BETWEEN, column="day", min_value="2024-03-10") == []
    ((field, message),) = errors(BETWEEN, column="day", min_value=20240310)
    assert field == "rows.0.kwargs.min_value"
    assert "20240310 can't be compared with a column of type DATE" in message


def test_a_rule_about_types_is_an_error_because_the_contract_declares_them() -> None:
    for rule_type, arguments in (
        ("expect_column_values_to_be_of_type", {"type_": "str"}),
        ("expect_column_values_to_be_in_type_list", {"type_list": ["str"]}),
    ):
        ((field, message),) = errors(rule_type, column="load", **arguments)
        assert (field, "remove this rule" in message) == ("rows.0.type", True)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("lenght(load) > 2", "calls 'lenght', which pandas doesn't have; write a comparison"),
        ("sqr(load) > 2", "calls 'sqr', which pandas doesn't have; did you mean 'sqrt'?"),
        ("load.isnul()", "calls 'isnul', which pandas doesn't have; did you mean 'isnull'?"),
        ("site.str.contain('a')", "calls 'contain', which pandas doesn't have; did you mean 'contains'?"),
        ("day.dt.weekdays() > 2", "calls 'weekdays', which pandas doesn't have; did you mean 'weekday'?"),
        ("(load + 1)(2) > 1", "calls load + 1, which is no function"),
    ],
)
def test_a_function_that_pandas_lacks_is_an_error(condition: str, message: str) -> None:
    ((field, text),) = errors(BETWEEN, column="load", max_value=1, row_condition=condition)
    assert field == "rows.0.kwargs.row_condition" and message in text


@pytest.mark.parametrize("condition", ["sqrt(load) > 2", "load.isnull()", "load.isin([1, 2])", "day.dt.year > 2000"])
def test_a_function_of_pandas_may_be_called(condition: str) -> None:
    assert errors(BETWEEN, column="load", max_value=1, row_condition=condition) == []


def test_the_listed_functions_are_those_of_pandas() -> None:
    from pandas.core.computation.ops import MATHOPS

    assert set(FUNCTIONS) == set(MATHOPS)


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        ({"type": "objct"}, ".type", "it is not a valid JSON schema: 'objct' is not valid"),
        ({"properties": {"a": {"minimum": "1"}}}, ".properties.a.minimum", "'1' is not of type 'number'"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "required": True}, ".required", "True is not of type"),
        ("object", "", "'object' is not valid here; write a mapping"),
    ],
)
def test_an_invalid_json_schema_is_an_error(schema: Any, field: str, message: str) -> None:
    ((place, text),) = errors("expect_column_values_to_match_json_schema", column="load", json_schema=schema)
    assert place == f"rows.0.kwargs.json_schema{field}" and message in text


def test_a_valid_json_schema_is_accepted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "number", "minimum": 1}}}
    assert errors("expect_column_values_to_match_json_schema", column="load", json_schema=schema) == []
