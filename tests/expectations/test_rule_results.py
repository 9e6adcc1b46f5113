"""Failing rows become the rule results and rejection reasons of a partition."""

from __future__ import annotations

import pandas as pd

from expectations.rule_results import RowFailures, partition_rule_results, row_rule_results
from expectations.rules import PartitionRules, Rule, Suite

BETWEEN = "expect_column_values_to_be_between"
SUITE = Suite(
    description="for the test",
    rows=[
        Rule(type="expect_column_values_to_not_be_null", severity="critical", kwargs={"column": "id"}, why="no id"),
        Rule(type="expect_column_values_to_be_unique", severity="info", kwargs={"column": "name"}, why="twice"),
    ],
    partition=PartitionRules(
        metrics={"row_count": "count(*)", "last_hour": "max(hour)"},
        rules=[
            Rule(type=BETWEEN, severity="critical", kwargs={"column": "row_count", "min_value": 5}, why="incomplete"),
            Rule(
                type=BETWEEN,
                severity="critical",
                applies="after_close",
                kwargs={"column": "last_hour", "min_value": 22},
                why="the evening is missing",
            ),
        ],
    ),
)
METRICS = pd.DataFrame({"_partition": ["a", "b"], "row_count": [1200, 3], "last_hour": [23, None]})
FAILING = [[1], [1]]


def reasons(partition: str, closed: bool = True, personal: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Return why the partition is rejected."""
    return partition_rule_results(SUITE, partition, METRICS, FAILING, closed, personal)[1]


def test_failures_are_counted_by_rule_and_sampled() -> None:
    results = row_rule_results(SUITE, {0: RowFailures(2, [7, 9])}, checked=10, personal={"name"})
    assert [(r.column, r.passed, r.failed, r.of, r.sample_rows) for r in results] == [
        ("id", False, 2, 10, [7, 9]),
        ("(personal data)", True, 0, 10, []),
    ]
    assert [r.expected for r in results] == ["a value", "each value once"]


def test_a_sound_partition_passes_with_its_metrics() -> None:
    results, rejections = partition_rule_results(SUITE, "a", METRICS, FAILING, True, set())
    assert rejections == []
    assert [(r.column, r.passed, r.observed, r.expected) for r in results] == [
        ("row_count", True, 1200, "at least 5"),
        ("last_hour", True, 23.0, "at least 22"),
    ]


def test_a_rejection_says_what_was_measured_and_expected() -> None:
    assert reasons("b") == [
        "row count is 3, expected at least 5: incomplete",
        "last hour is missing, expected at least 22: the evening is missing",
    ]


def test_a_partition_without_rows_fails_every_rule() -> None:
    assert reasons("c")[0] == "no rows, so no row count, expected at least 5: incomplete"


def test_rules_after_close_wait_for_the_close() -> None:
    assert reasons("b", closed=False) == ["row count is 3, expected at least 5: incomplete"]


def test_a_personal_metric_is_not_shown() -> None:
    assert reasons("b", closed=False, personal={"row_count"}) == [
        "(personal data) is not shown, expected at least 5: incomplete"
    ]
