"""A rule that can't judge the types of its columns, and an argument of another form, are errors of the suite."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from expectations.column_checks import column_errors
from expectations.row_rules import record_failing_rows
from expectations.rules import Rule

COLUMNS = {
    "n": "BIGINT",
    "x": "DOUBLE",
    "amount": "DECIMAL(12,2)",
    "day": "DATE",
    "seen": "TIMESTAMP",
    "zoned": "TIMESTAMPTZ",
    "opens": "TIME",
    "kind": "VARCHAR",
    "odd": "INTERVAL",
}
GREATER = "column_pair_values_a_to_be_greater_than_b"
PAIRS = {"column_A": "day", "column_B": "n"}


def make_rule(rule_type: str, arguments: dict[str, Any]) -> Rule:
    return Rule(type=f"expect_{rule_type}", severity="critical", kwargs=arguments, why="for the test")


@pytest.mark.parametrize(
    ("rule_type", "arguments", "message"),
    [
        (GREATER, {"column_A": "n", "column_B": "kind"}, "different types: n BIGINT, kind VARCHAR"),
        (GREATER, {"column_A": "seen", "column_B": "opens"}, "different types"),
        ("multicolumn_values_to_be_equal", {"column_list": ["n", "amount", "day"]}, "different types"),
        ("multicolumn_sum_to_equal", {"column_list": ["n", "kind"], "sum_total": 3}, "can't judge 'kind'"),
        ("column_values_to_be_increasing", {"column": "kind"}, "can't judge 'kind', a column of type VARCHAR"),
        ("column_value_z_scores_to_be_less_than", {"column": "kind"}, "can't judge 'kind'"),
        ("column_values_to_not_be_outliers", {"column": "day"}, "can't judge 'day'"),
        ("column_pair_values_to_be_in_set", PAIRS | {"value_pairs_set": [["2024-03-10"]]}, "is no pair"),
        ("column_pair_values_to_be_in_set", PAIRS | {"value_pairs_set": [["soon", 1]]}, "'soon' can't be compared"),
    ],
)
def test_a_rule_that_can_not_judge_its_columns_is_an_error(
    rule_type: str, arguments: dict[str, Any], message: str
) -> None:
    (error,) = column_errors("rows.0.kwargs", make_rule(rule_type, arguments), COLUMNS)
    assert message in error.message
    assert error.field.startswith("rows.0.kwargs")


@pytest.mark.parametrize(
    ("rule_type", "arguments"),
    [
        (GREATER, {"column_A": "n", "column_B": "amount"}),
        (GREATER, {"column_A": "day", "column_B": "zoned"}),
        (GREATER, {"column_A": "n", "column_B": "odd"}),
        ("multicolumn_sum_to_equal", {"column_list": ["n", "x", "amount"], "sum_total": 3}),
        ("column_values_to_be_increasing", {"column": "seen"}),
        ("column_value_lengths_to_be_between", {"column": "n", "min_value": None, "max_value": 4}),
        ("column_pair_values_to_be_in_set", PAIRS | {"value_pairs_set": [["2024-03-10", None], [None, 3]]}),
    ],
)
def test_a_rule_that_suits_its_columns_has_no_errors(rule_type: str, arguments: dict[str, Any]) -> None:
    assert list(column_errors("rows.0.kwargs", make_rule(rule_type, arguments), COLUMNS)) == []


def test_times_with_and_without_a_zone_are_compared() -> None:
    rules = [
        make_rule(GREATER, {"column_A": "seen", "column_B": "zoned", "or_equal": True}),
        make_rule("column_values_to_be_null", {"column": "seen", "row_condition": "seen == zoned"}),
    ]
    with duckdb.connect() as db:
        db.execute("create temp table rows (_id bigint, seen timestamp, zoned timestamptz)")
        db.execute("insert into rows values (0, '2024-03-10 12:00', '2024-03-10 13:00+01'), (1, '2024-03-10', null)")
        db.execute("insert into rows values (2, '2024-03-10 12:00', '2024-03-10 12:01Z')")
        record_failing_rows(db, "test", "rows", rules)
        assert db.execute("select rule, id from failures order by all").fetchall() == [(0, 1), (0, 2), (1, 0)]
