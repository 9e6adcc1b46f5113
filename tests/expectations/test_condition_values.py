"""A condition of a rule compares dates, times and booleans as it is written, whatever the type of the column."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest

from expectations.gx_runner import RuleError
from expectations.row_rules import record_failing_rows
from expectations.rules import Rule

DAYS = ["2024-03-10", "2024-03-11", None]
TIMES = ["2024-03-10 12:00Z", "2024-03-10 11:00Z", None]
PASS_THROUGH = {"type": "pass_through", "pass_through_filter": "`the v`"}


def fulfilling(column_type: str, texts: list[str | None], condition: Any, **parser: str) -> list[int]:
    """Return the positions of the rows that fulfil a condition over the column `the v`: a rule that all rows fail."""
    rule = Rule(
        type="expect_column_values_to_be_in_set",
        severity="critical",
        why="",
        kwargs={"column": "one", "value_set": [2], "row_condition": condition, **parser},
    )
    with duckdb.connect() as db:
        db.execute(f'create temp table rows (_id bigint, "the v" {column_type}, one bigint)')
        rows = [[number, text] for number, text in enumerate(texts)]
        db.executemany(f"insert into rows values (?, ?::varchar::{column_type}, 1)", rows)
        record_failing_rows(db, "test", "rows", [rule])
        return [row for (row,) in db.execute("select id from failures order by id").fetchall()]


@pytest.mark.parametrize(
    ("column_type", "texts", "condition", "expected"),
    [
        ("DATE", DAYS, '`the v` == "2024-03-10"', [0]),
        ("DATE", DAYS, '"2024-03-10" == `the v`', [0]),
        ("DATE", DAYS, '`the v` != "2024-03-10"', [1, 2]),
        ("DATE", DAYS, '`the v` in ["2024-03-11", "2024-03-12"]', [1]),
        ("DATE", DAYS, '`the v` not in ["2024-03-11"]', [0, 2]),
        ("DATE", DAYS, '"2024-03-10" < `the v`', [1]),
        ("DATE", ["9999-12-31", "0001-01-01"], '`the v` == "9999-12-31"', [0]),
        ("DATE", DAYS, '(`the v` == "2024-03-10" or `the v` == "2024-03-11") and one == 1', [0, 1]),
        ("DATE", DAYS, '`the v` == "2024-03-10" & one == 1', [0]),
        ("DATE", DAYS, '(`the v` == "2024-03-10") == True', [0]),
        ("DATE", DAYS, 'False == (`the v` == "2024-03-10")', [1, 2]),
        ("DATE", DAYS, '(`the v` in ["2024-03-10", "2024-03-11"]) != False', [0, 1]),
        ("DATE", DAYS, 'one == 2 | `the v` == "2024-03-10"', [0]),
        ("DATE", DAYS, '"2024-03-10" <= `the v` < "2024-03-11"', [0]),
        ("TIMESTAMP", TIMES, '`the v` == "2024-03-10T13:00+01:00"', [0]),
        ("TIMESTAMPTZ", TIMES, '`the v` == "2024-03-10 11:00"', [1]),
        ("TIMESTAMPTZ", TIMES, '"2024-03-10 11:30" < `the v` < "2024-03-10 12:30"', [0]),
        ("TIME", ["08:30", "09:00", None], '`the v` == "08:30"', [0]),
        ("TIME", ["08:30", "09:00", None], '`the v` > "08:30"', [1]),
        ("TIME", ["08:30", "09:00", None], '"08:00" < `the v` <= "08:45"', [0]),
        ("BIGINT", ["1", "1000000000000001", "2", None], "`the v` % 2 == 1", [0, 1]),
        ("BIGINT", ["1", "-1000000000000001", None], "abs(`the v`) + one > 2", [1]),
        ("HUGEINT", ["1", "100000000000000000001", None], "`the v` / 2 > one", [1]),
        ("BOOLEAN", ["true", "false", None], "`the v`", [0]),
        ("BOOLEAN", ["true", "false", None], "`the v` and one == 1", [0]),
        ("BOOLEAN", ["true", "false", None], PASS_THROUGH, [0]),
        ("DATE", DAYS, '`the v`.isin(["2024-03-10", "2024-03-12"])', [0]),
        ("DATE", DAYS, '~`the v`.isin(["2024-03-10"])', [1, 2]),
        ("TIMESTAMP", TIMES, '`the v`.isin(("2024-03-10T13:00+01:00",))', [0]),
        ("TIMESTAMP_NS", ["2024-03-10 12:00", "2024-03-10 12:00:00.000000001"], '`the v` == "2024-03-10 12:00"', [0]),
        ("VARCHAR", ["x", "y", None], '`the v`.isin(["x"])', [0]),
        ("VARCHAR", ["2024-03-10", "x", None], '`the v` == "2024-03-10"', [0]),
        ("VARCHAR", ["a & b", "x", None], '`the v` == "a & b" & one == 1', [0]),
    ],
)
def test_a_condition_means_what_it_says(
    column_type: str, texts: list[str | None], condition: Any, expected: list[int]
) -> None:
    assert fulfilling(column_type, texts, condition) == expected


TEXTS = ["O'Brien", 'say "hi"', "a `b` c", "c:\\x", None]


@pytest.mark.parametrize("number", range(4))
def test_a_compared_text_may_hold_any_quotes(number: int) -> None:
    text = str(TEXTS[number])
    assert fulfilling("VARCHAR", TEXTS, compare("==", text)) == [number]
    assert fulfilling("VARCHAR", TEXTS, compare("IN", [text, "x"])) == [number]
    if '"' not in text:
        comparison = f'col("the v") == "{text}"'
        assert fulfilling("VARCHAR", TEXTS, comparison, condition_parser="great_expectations") == [number]


def compare(operator: str, parameter: Any) -> dict[str, Any]:
    return {"type": "comparison", "column": {"name": "the v"}, "operator": operator, "parameter": parameter}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (compare("==", "2024-03-10"), [0]),
        (compare("!=", date(2024, 3, 10)), [1, 2]),
        (compare(">", "2024-03-10"), [1]),
        (compare("IN", ["2024-03-10", date(2024, 3, 12)]), [0]),
        (compare("NOT_IN", ["2024-03-10"]), [1, 2]),
        ({"type": "and", "conditions": [compare("NOT_IN", ["2024-03-10"]), compare("<=", "2024-03-12")]}, [1]),
        (
            {
                "type": "or",
                "conditions": [
                    compare("==", "2024-03-11"),
                    {"type": "nullity", "column": {"name": "the v"}, "is_null": True},
                ],
            },
            [1, 2],
        ),
        ({"type": "pass_through", "pass_through_filter": '`the v` == "2024-03-10"'}, [0]),
    ],
)
def test_a_condition_object_means_what_it_says(condition: dict[str, Any], expected: list[int]) -> None:
    assert fulfilling("DATE", DAYS, condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('col("the v") == date("2024-03-10")', [0]),
        ('col("the v") != "2024-03-10"', [1, 2]),
        ('col("the v") >= date("2024-03-11")', [1]),
        ('col("the v").notNull()', [0, 1]),
        ('col("the v").NOTNULL()', [0, 1]),
    ],
)
def test_a_comparison_of_one_column_means_what_it_says(condition: str, expected: list[int]) -> None:
    assert fulfilling("DATE", DAYS, condition, condition_parser="great_expectations") == expected


def test_a_text_that_is_no_date_is_an_error() -> None:
    with pytest.raises(RuleError, match="a rule can't be evaluated"):
        fulfilling("DATE", DAYS, '`the v` == "soon"')
