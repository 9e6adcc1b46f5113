"""Bounds that a floating-point number can't hold are compared exactly, whatever the type of the column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.row_rules import record_failing_rows
from expectations.rule_bounds import LARGEST_EXACT
from expectations.rules import Rule
from sixtyforty.storage.duckdb_session import connect

BETWEEN = "expect_column_values_to_be_between"
SUM = "expect_multicolumn_sum_to_equal"


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect("UTC") as db:
        yield db


def failing(
    db: duckdb.DuckDBPyConnection, column_type: str, texts: list[str | None], kind: str, **arguments: Any
) -> list[int]:
    """Return the positions of the texts that fail a rule, in a table with the column `n` of a type, and `one`."""
    rule = Rule(type=kind, severity="critical", why="", kwargs=arguments)
    db.execute(f"create or replace temp table numbers (_id bigint, n {column_type}, one bigint)")
    db.executemany(
        f"insert into numbers values (?, ?::varchar::{column_type}, 1)", [[n, text] for n, text in enumerate(texts)]
    )
    record_failing_rows(db, "numbers", "numbers", [rule])
    return [row for (row,) in db.execute("select id from failures order by id").fetchall()]


@pytest.mark.parametrize(
    ("column_type", "low", "high"),
    [
        ("BIGINT", 2**53, 2**53 + 1),
        ("BIGINT", -(2**63), -(2**63) + 1),
        ("BIGINT", 2**63 - 2, 2**63 - 1),
        ("UBIGINT", 2**64 - 2, 2**64 - 1),
        ("HUGEINT", 2**100, 2**100 + 1),
        ("DECIMAL(20,0)", 10**19, 10**19 + 1),
    ],
)
@pytest.mark.parametrize("missing", [[], [None]])
def test_neighbours_of_a_bound_are_told_apart(
    database: duckdb.DuckDBPyConnection, column_type: str, low: int, high: int, missing: list[None]
) -> None:
    texts = [str(low), str(high), *missing]
    assert failing(database, column_type, texts, BETWEEN, column="n", min_value=high) == [0]
    assert failing(database, column_type, texts, BETWEEN, column="n", max_value=low) == [1]
    assert failing(database, column_type, texts, BETWEEN, column="n", min_value=low, max_value=high) == []
    assert failing(database, column_type, texts, BETWEEN, column="n", min_value=low, strict_min=True) == [0]
    assert failing(database, column_type, texts, BETWEEN, column="n", max_value=high, strict_max=True) == [1]
    condition = {"row_condition": "one == 1"}
    assert failing(database, column_type, texts, BETWEEN, column="n", min_value=high, **condition) == [0]


def test_decimals_and_late_times_have_large_bounds_too(database: duckdb.DuckDBPyConnection) -> None:
    texts: list[str | None] = ["900719925474099.29", "900719925474099.30", "900719925474099.31"]
    assert failing(database, "DECIMAL(20,2)", texts, BETWEEN, column="n", min_value="900719925474099.30") == [0]
    allowed = ["900719925474099.29", "900719925474099.31"]
    in_set = "expect_column_values_to_be_in_set"
    assert failing(database, "DECIMAL(20,2)", texts, in_set, column="n", value_set=allowed) == [1]
    assert failing(database, "DECIMAL(20,2)", [None], BETWEEN, column="n", min_value="900719925474099.30") == []
    assert failing(database, "DECIMAL(20,2)", [None], in_set, column="n", value_set=allowed) == []
    texts = ["9999-12-31 23:59:59.999998", "9999-12-31 23:59:59.999999"]
    last = "9999-12-31 23:59:59.999999"
    assert failing(database, "TIMESTAMP", texts, BETWEEN, column="n", min_value=last) == [0]


@pytest.mark.parametrize("column_type", ["BIGINT", "DECIMAL(20,0)", "HUGEINT"])
def test_a_large_total_is_exact(database: duckdb.DuckDBPyConnection, column_type: str) -> None:
    texts = [str(2**53), str(2**53 + 1), None]
    arguments = {"column_list": ["n", "one"], "ignore_row_if": "any_value_is_missing"}
    assert failing(database, column_type, texts, SUM, sum_total=2**53 + 1, **arguments) == [1]


numbers = st.integers(LARGEST_EXACT - 3, LARGEST_EXACT + 3)


@settings(max_examples=30)
@given(low=numbers, width=st.integers(0, 4), strict=st.booleans(), values=st.lists(numbers, min_size=1, max_size=6))
def test_a_range_means_what_it_says(low: int, width: int, strict: bool, values: list[int]) -> None:
    arguments = {"column": "n", "min_value": low, "max_value": low + width, "strict_min": strict}
    with connect("UTC") as db:
        failed = failing(db, "BIGINT", [*map(str, values), "0"], BETWEEN, **arguments)
    passes = [(low < n if strict else low <= n) and n <= low + width for n in [*values, 0]]
    assert failed == [n for n, ok in enumerate(passes) if not ok]
