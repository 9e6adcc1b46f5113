"""Evaluating each different value once finds the same rows as evaluating every row."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from expectations.gx_runner import RuleError, find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.rules import Rule


def rule(kind: str, **kwargs: Any) -> Rule:
    return Rule(type=f"expect_{kind}", severity="critical", kwargs=kwargs, why="for the test")


RULES = [
    rule("column_values_to_be_between", column="n", min_value=0, max_value=3),
    rule("column_values_to_be_between", column="x", min_value=-1, strict_min=True),
    rule("column_values_to_not_be_null", column="x"),
    rule("column_values_to_be_in_set", column="kind", value_set=["a", "b"]),
    rule("column_values_to_not_be_in_set", column="kind", value_set=[""]),
    rule("column_values_to_match_regex", column="kind", regex="^[ab]?$"),
    rule("column_values_to_be_in_set", column="yes", value_set=[True]),
    rule("column_values_to_be_unique", column="x"),
    rule("compound_columns_to_be_unique", column_list=["n", "kind"]),
    rule("column_pair_values_to_be_equal", column_A="x", column_B="n"),
    rule("column_pair_values_a_to_be_greater_than_b", column_A="x", column_B="n", or_equal=True),
]


def find_by_distinct_values(rows: pd.DataFrame, rules: list[Rule]) -> list[list[int]]:
    """Return the ids of the rows that `record_failing_rows` finds, by rule."""
    with duckdb.connect() as db:
        db.register("input_rows", rows)
        db.execute("create temp table rows as select row_number() over () - 1 as _id, * from input_rows")
        record_failing_rows(db, "test", "rows", rules)
        failures = db.execute("select rule, id from failures order by all").fetchall()
    return [[i for r, i in failures if r == number] for number in range(len(rules))]


@pytest.mark.parametrize("seed", range(3))
def test_distinct_values_find_the_same_rows_as_all_rows(seed):
    """Hypothesis is not used: an evaluation takes half a second, too long for its search."""
    draw = np.random.default_rng(seed)
    choices = {
        "n": [-1, 0, 1, 2, 4],
        "x": [None, -1.0, 0.5, 3.0, 7.0],
        "kind": [None, "", "a", "b", "c"],
        "yes": [True, False],
    }
    rows = pd.DataFrame({c: draw.choice(np.array(v, object), 12) for c, v in choices.items()})
    frame = rows.astype({"n": "int32", "x": "float64", "kind": "str", "yes": "bool"})
    assert find_by_distinct_values(frame, RULES) == find_failing_rows("test", frame, RULES)


def test_an_empty_table_has_no_failing_rows():
    assert find_by_distinct_values(pd.DataFrame({"n": pd.Series([], dtype="int32")}), RULES[:1]) == [[]]


@pytest.mark.parametrize(
    "broken_rule",
    [
        rule("column_values_to_be_between", column="windspeed", min_value=0),
        rule("compound_columns_to_be_unique", column_list=["n", "windspeed"]),
        rule("colunm_values_to_be_between", column="n", min_value=0),
        rule("column_mean_to_be_between", column="n", min_value=9),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_an_error(broken_rule):
    with pytest.raises(RuleError):
        find_by_distinct_values(pd.DataFrame({"n": [1, 2]}), [RULES[0], broken_rule])
