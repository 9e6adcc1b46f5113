"""The same rules in several engines find the same failures."""

from pathlib import Path

import pandas as pd
import pytest

from bench.rule_engines import (
    RuleTable,
    count_failures_sql,
    evaluate_as_chain,
    evaluate_every_row,
    evaluate_in_sql,
    repeat,
)
from expectations.rules import Rule

ARGUMENTS = {
    "expect_column_values_to_not_be_null": {"column": "site"},
    "expect_column_values_to_be_in_set": {"column": "site", "value_set": ["north", "south"]},
    "expect_column_values_to_not_be_in_set": {"column": "site", "value_set": ["south"]},
    "expect_column_values_to_match_regex": {"column": "site", "regex": "^[a-z]+$"},
    "expect_column_values_to_be_between": {"column": "load", "min_value": 0, "max_value": 1},
    "expect_compound_columns_to_be_unique": {"column_list": ["site", "load"]},
    "expect_column_pair_values_to_be_equal": {"column_A": "load", "column_B": "expected"},
}
RULES = [Rule(type=kind, severity="warning", kwargs=kwargs, why="a test") for kind, kwargs in ARGUMENTS.items()]
FAILURES = {
    "expect_column_values_to_not_be_null": 1,
    "expect_column_values_to_be_in_set": 1,
    "expect_column_values_to_not_be_in_set": 1,
    "expect_column_values_to_match_regex": 1,
    "expect_column_values_to_be_between": 2,
    "expect_compound_columns_to_be_unique": 2,
    "expect_column_pair_values_to_be_equal": 1,
}


@pytest.fixture
def table(tmp_path: Path) -> RuleTable:
    """Five rows that break every rule."""
    rows = pd.DataFrame(
        {
            "site": ["north", "north", "south", "East 1", None],
            "load": [0.5, 0.5, 1.5, -0.5, 0.2],
            "expected": [0.5, 0.5, 1.0, -0.5, 0.2],
        }
    )
    file = tmp_path / "it's rows.parquet"
    rows.to_parquet(file)
    return RuleTable(file, RULES)


@pytest.mark.parametrize("engine", [evaluate_as_chain, evaluate_every_row, evaluate_in_sql])
def test_engines_find_the_same_failures(table: RuleTable, engine) -> None:
    figures = repeat(engine, {"calls": table}, repetitions=2)
    assert figures.failures == sum(FAILURES.values())
    assert len(figures.seconds) == 2
    assert table.count_rows() == 5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.type)
def test_sql_counts_the_failures_of_each_rule(table: RuleTable, rule: Rule) -> None:
    single = RuleTable(table.file, [rule])
    assert evaluate_in_sql({"calls": single})[1] == FAILURES[rule.type]
    assert evaluate_as_chain({"calls": single})[1] == FAILURES[rule.type]


def test_a_rule_without_a_translation_is_an_error() -> None:
    rule = Rule(type="expect_column_values_to_be_unique", severity="info", kwargs={"column": "site"}, why="a test")
    with pytest.raises(KeyError, match="column_values_to_be_unique"):
        count_failures_sql(rule)
