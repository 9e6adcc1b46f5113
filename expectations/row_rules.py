"""Evaluate rules about rows on a DuckDB table, without passing every row to Great Expectations.

For a rule about one column, Great Expectations gets each distinct value once; for a rule about two columns, each
distinct pair. For a rule that values are unique, it gets only the rows whose values occur more than once. So a million
rows become a few thousand, and the failing rows are the same. All other rules get every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from expectations.gx_runner import RuleError, build_suite, find_failing_rows
from expectations.rule_decimals import read_frame
from expectations.rules import Rule
from sixtyforty.storage.sql import identifier, identifiers

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Rules that check each value of a column independently of other rows.
VALUE_RULES = {
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_match_regex",
    "expect_column_value_lengths_to_be_between",
    "expect_column_value_lengths_to_equal",
}
# Rules that check each pair of values of two columns independently of other rows.
PAIR_RULES = {
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_in_set",
}
# Rules that a row passes if no other row has the same values in the rule's columns.
UNIQUE_RULES = {"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"}
ROW_CONDITIONS = {"row_condition", "condition_parser"}  # a rule with one of these arguments also reads other columns


def record_failing_rows(db: duckdb.DuckDBPyConnection, name: str, table: str, rules: Sequence[Rule]) -> None:
    """Evaluate rules on a table, and create the table `failures` with one row for each failing row of each rule.

    The columns of `failures` are `rule` (the number of the rule in `rules`) and `id` (the `_id` of the failing row).
    table: must have a column `_id`. name: the suite's name, for error messages. Raises RuleError if a rule can't be
    evaluated.
    """
    import duckdb

    db.execute("create or replace temp table failures (rule bigint, id bigint)")
    build_suite(name, rules)
    value_rules = {
        number: rule
        for number, rule in enumerate(rules)
        if rule.type in VALUE_RULES and not ROW_CONDITIONS & rule.kwargs.keys()
    }
    try:
        _evaluate_values(db, name, table, value_rules)
        for number, rule in enumerate(rules):
            if number not in value_rules:
                _evaluate_rows(db, name, table, number, rule)
    except duckdb.BinderException as error:
        raise RuleError(f"suite {name}: a rule names a column that doesn't exist. {error}") from error


def _evaluate_values(db: duckdb.DuckDBPyConnection, name: str, table: str, rules: dict[int, Rule]) -> None:
    """Evaluate rules about single columns on the distinct values of these columns, which share one DataFrame."""
    import numpy as np
    import pandas as pd

    columns = sorted({rule.kwargs["column"] for rule in rules.values()})
    distinct_sql = {column: f"select distinct {identifier(column)} as value from {table}" for column in columns}
    values: dict[str, pd.Series[Any]] = {
        column: read_frame(db, f"{sql} order by value")["value"] for column, sql in distinct_sql.items()
    }
    longest = max(map(len, values.values()), default=0)
    if not longest:
        return
    # A column with fewer distinct values repeats them to fill the DataFrame. Failures of repeated values are dropped.
    frame = pd.DataFrame({c: series.take(np.arange(longest) % len(series)).array for c, series in values.items()})
    for number, positions in zip(rules, find_failing_rows(name, frame, list(rules.values())), strict=True):
        column = rules[number].kwargs["column"]
        failing = [position for position in positions if position < len(values[column])]
        if failing:
            numbered = f"select value, row_number() over (order by value) - 1 as n from ({distinct_sql[column]})"
            db.execute(
                f"""insert into failures select {number}, r._id from {table} r join ({numbered}) v
                on r.{identifier(column)} is not distinct from v.value where v.n in ({_number_list(failing)})"""
            )


def _evaluate_rows(db: duckdb.DuckDBPyConnection, name: str, table: str, number: int, rule: Rule) -> None:
    """Evaluate one rule on as few rows as its type allows: distinct pairs, rows with repeated values, or all rows."""
    has_condition = bool(ROW_CONDITIONS & rule.kwargs.keys())
    if rule.type in PAIR_RULES and not has_condition:
        _evaluate_pairs(db, name, table, number, rule)
        return
    columns = identifiers(rule.columns) or "*"
    only_alike = ""
    if rule.type in UNIQUE_RULES and not has_condition:
        alike = f"select {columns} from {table} group by all having count(*) > 1"
        only_alike = f"semi join ({alike}) a on {_same_values(rule)}"
    frame = read_frame(db, f"select _id, {columns} from {table} r {only_alike} order by _id")
    ids = frame["_id"].to_numpy()
    (positions,) = find_failing_rows(name, frame.drop(columns="_id"), [rule])
    if positions:
        _insert_failures(db, number, ids[positions])


def _evaluate_pairs(db: duckdb.DuckDBPyConnection, name: str, table: str, number: int, rule: Rule) -> None:
    db.execute(
        f"create or replace temp table pairs as select *, row_number() over () - 1 as _n"
        f" from (select distinct {identifiers(rule.columns)} from {table})"
    )
    frame = read_frame(db, "select * exclude _n from pairs order by _n")
    (positions,) = find_failing_rows(name, frame, [rule])
    if positions:
        db.execute(
            f"insert into failures select {number}, r._id from {table} r join pairs a on {_same_values(rule)}"
            f" where a._n in ({_number_list(positions)})"
        )


def _same_values(rule: Rule) -> str:
    return " and ".join(f"r.{identifier(c)} is not distinct from a.{identifier(c)}" for c in rule.columns)


def _number_list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _insert_failures(db: duckdb.DuckDBPyConnection, number: int, ids: Any) -> None:
    import pandas as pd

    db.register("failing_rows", pd.DataFrame({"rule": number, "id": ids}))
    db.execute("insert into failures select rule, id from failing_rows")
    db.unregister("failing_rows")
