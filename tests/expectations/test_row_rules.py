"""Judging each value once is judging each row: the same rows are found as when Great Expectations sees them all."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from expectations.gx_runner import RuleError, find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.suites import Rule


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


def found(rows: pd.DataFrame, rules: list[Rule]) -> list[list[int]]:
    """The ids of the rows that `breaking` finds, rule by rule."""
    with duckdb.connect() as db:
        db.register("given", rows)
        db.execute("create temp table rows as select row_number() over () - 1 as _id, * from given")
        record_failing_rows(db, "test", "rows", rules)
        hits = db.execute("select rule, id from failures order by all").fetchall()
    return [[i for r, i in hits if r == number] for number in range(len(rules))]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_are_found_as_when_great_expectations_sees_them_all(seed):
    """Drawn at random, not by Hypothesis: half a second a frame is too much for its search."""
    draw = np.random.default_rng(seed)
    some = {
        "n": [-1, 0, 1, 2, 4],
        "x": [None, -1.0, 0.5, 3.0, 7.0],
        "kind": [None, "", "a", "b", "c"],
        "yes": [True, False],
    }
    rows = pd.DataFrame({c: draw.choice(np.array(v, object), 12) for c, v in some.items()})
    frame = rows.astype({"n": "int32", "x": "float64", "kind": "str", "yes": "bool"})
    assert found(frame, RULES) == find_failing_rows("test", frame, RULES)


def test_nothing_breaks_a_rule_where_nothing_is():
    assert found(pd.DataFrame({"n": pd.Series([], dtype="int32")}), RULES[:1]) == [[]]


@pytest.mark.parametrize(
    "wrong",
    [
        rule("column_values_to_be_between", column="windspeed", min_value=0),
        rule("compound_columns_to_be_unique", column_list=["n", "windspeed"]),
        rule("colunm_values_to_be_between", column="n", min_value=0),
        rule("column_mean_to_be_between", column="n", min_value=9),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_no_pass(wrong):
    with pytest.raises(RuleError):
        found(pd.DataFrame({"n": [1, 2]}), [RULES[0], wrong])
