"""DECIMAL stays decimal through rules and sums: no floating-point error fails a row, and none lets one pass."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.row_rules import record_failing_rows
from expectations.rule_decimals import read_frame, with_scaled_decimals
from expectations.rules import Rule
from sixtyforty.storage.duckdb_session import connect

Amount = tuple[str | None, str | None, str | None]


def rule(kind: str, **arguments: Any) -> Rule:
    return Rule(type=f"expect_{kind}", severity="critical", kwargs=arguments, why="for the test")


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect("UTC") as db:
        yield db


def failing(db: duckdb.DuckDBPyConnection, rows: list[Amount], *rules: Rule) -> list[list[int]]:
    """Numbers of the rows that fail each rule. The columns are net, tax and paid, of DECIMAL(12,2)."""
    columns = zip(*rows, strict=True)
    texts = {name: pa.array(column, pa.string()) for name, column in zip(("net", "tax", "paid"), columns, strict=True)}
    db.register("texts", pa.table({"_id": range(len(rows)), **texts}))
    casts = ", ".join(f"{name}::decimal(12,2) as {name}" for name in texts)
    db.execute(f"create or replace temp table amounts as select _id, {casts}, 1::integer as one from texts")
    record_failing_rows(db, "amounts", "amounts", rules)
    failures = db.execute("select rule, id from failures order by all").fetchall()
    return [[row for number, row in failures if number == n] for n in range(len(rules))]


ROWS: list[Amount] = [
    ("0.10", "0.20", "-0.30"),
    ("1.00", "1.00", "-3.00"),
    ("0.70", "0.10", "-0.80"),
    ("0.10", None, "-0.10"),
]


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (rule("multicolumn_sum_to_equal", column_list=["net", "tax", "paid"], sum_total=0), [1, 3]),
        (rule("multicolumn_sum_to_equal", column_list=["net", "tax"], sum_total=0.3), [1, 2, 3]),
        (rule("multicolumn_sum_to_equal", column_list=["net", "tax", "one"], sum_total=1.8), [0, 1, 3]),
        (rule("column_values_to_be_between", column="net", min_value=0.1, max_value=0.7), [1]),
        (rule("column_values_to_be_between", column="net", min_value=0.1, strict_min=True), [0, 3]),
        (rule("column_values_to_be_between", column="net", min_value=0.105), [0, 3]),
        (rule("column_values_to_be_in_set", column="net", value_set=[0.1, 0.7]), [1]),
        (rule("column_values_to_not_be_in_set", column="tax", value_set=[0.2]), [0]),
        (rule("column_values_to_not_be_null", column="tax"), [3]),
    ],
)
def test_a_rule_compares_exact_numbers(database: duckdb.DuckDBPyConnection, checked: Rule, expected: list[int]) -> None:
    assert failing(database, ROWS, checked) == [expected]


LARGE = """select * from (values
    (0, 900719925474099.30::decimal(20,2), 900719925474099.31::decimal(20,2), 9007199254740993::hugeint, 'a',
        '1234567890123456789012345678.0000000002'::decimal(38,10), 18446744073709551614::ubigint),
    (1, 900719925474099.31, 900719925474099.31, 9007199254740992, 'a',
        '1234567890123456789012345678.0000000001', 18446744073709551615),
    (2, 900719925474099.30, 1.00, null, 'b', '1234567890123456789012345678.0000000001', 0)
    ) t(_id, x, y, n, kind, long, u)"""
FIRST_TWO = {"row_condition": "kind == 'a'"}


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (
            rule("column_pair_values_to_be_in_set", column_A="x", column_B="kind", value_pairs_set=[[0.1, "a"]]),
            [0, 1, 2],
        ),
        (rule("column_pair_values_to_be_in_set", column_A="y", column_B="kind", value_pairs_set=[[1, "b"]]), [0, 1]),
        (rule("multicolumn_values_to_be_equal", column_list=["x", "y"]), [0, 2]),
        (rule("select_column_values_to_be_unique_within_record", column_list=["x", "y"]), [1]),
        (rule("column_values_to_be_unique", column="x", **FIRST_TWO), []),
        (rule("compound_columns_to_be_unique", column_list=["x", "kind"], **FIRST_TWO), []),
        (rule("column_values_to_be_increasing", column="x", strictly=True), [2]),
        (rule("column_values_to_be_decreasing", column="y"), []),
        (rule("column_values_to_be_between", column="n", max_value=9007199254740992), [0]),
        (rule("column_values_to_be_in_set", column="n", value_set=[9007199254740992]), [0]),
        (rule("column_values_to_be_unique", column="n", **FIRST_TWO), []),
        (rule("column_values_to_be_increasing", column="long", strictly=True), [1, 2]),
        (rule("column_values_to_be_unique", column="long", **FIRST_TWO), []),
        (rule("column_values_to_be_increasing", column="u", strictly=True), [2]),
    ],
)
def test_a_rule_tells_large_numbers_apart(
    database: duckdb.DuckDBPyConnection, checked: Rule, expected: list[int]
) -> None:
    database.execute(f"create or replace temp table large as {LARGE}")
    record_failing_rows(database, "large", "large", [checked])
    assert [number for (number,) in database.execute("select id from failures order by id").fetchall()] == expected


def test_a_pair_of_whole_numbers_or_booleans_may_have_any_number_of_nulls(database: duckdb.DuckDBPyConnection) -> None:
    database.execute(
        "create or replace temp table pairs as select n as _id, case when n < 100 then n end as x, n as y,"
        " 9007199254740992 + case when n > 0 then n end as large, 0.10::decimal(9,2) as amount,"
        " case when n < 100 then n % 2 = 0 end as even, true as yes, null::boolean as unknown,"
        " n % 2 = 0 as parity from range(200) t(n)"
    )
    for checked, expected in (
        (rule("column_pair_values_to_be_equal", column_A="x", column_B="y"), range(100, 200)),
        (rule("column_pair_values_a_to_be_greater_than_b", column_A="large", column_B="x"), [0, *range(100, 200)]),
        (rule("column_values_to_be_in_set", column="large", value_set=[9007199254740993]), range(2, 200)),
        (rule("multicolumn_values_to_be_equal", column_list=["even", "yes"]), [*range(1, 100, 2), *range(100, 200)]),
        (rule("multicolumn_values_to_be_equal", column_list=["unknown", "parity"]), range(200)),
        (rule("column_values_to_be_in_set", column="even", value_set=[True]), range(1, 100, 2)),
        (rule("multicolumn_sum_to_equal", column_list=["x", "amount"], sum_total=1.1), [0, *range(2, 200)]),
    ):
        record_failing_rows(database, "pairs", "pairs", [checked])
        failures = database.execute("select id from failures order by id").fetchall()
        assert [number for (number,) in failures] == list(expected)


def test_a_declared_number_equals_its_floating_point_number_of_any_width(database: duckdb.DuckDBPyConnection) -> None:
    database.execute("create or replace temp table floats as select 0 as _id, 0.1::float as x, 0.1 as y, null::float z")
    for checked in (
        rule("column_values_to_be_in_set", column="x", value_set=[0.1, None]),
        rule("column_values_to_be_between", column="x", min_value=0.1, max_value=0.1),
        rule("column_pair_values_to_be_in_set", column_A="x", column_B="y", value_pairs_set=[[0.1, 0.1]]),
        rule("column_values_to_be_in_set", column="z", value_set=[0.1]),
    ):
        record_failing_rows(database, "floats", "floats", [checked])
        assert database.execute("select id from failures").fetchall() == []


CENTS = st.integers(-(10**9), 10**9)


@settings(max_examples=10)
@given(rows=st.lists(st.tuples(CENTS, CENTS), min_size=1, max_size=6), total=CENTS)
def test_sums_are_exact(database: duckdb.DuckDBPyConnection, rows: list[tuple[int, int]], total: int) -> None:
    amounts: list[Amount] = [(f"{Decimal(a) / 100}", f"{Decimal(total - a) / 100}", "0") for a, _ in rows]
    amounts += [(f"{Decimal(a) / 100}", f"{Decimal(b) / 100}", "0") for a, b in rows]
    checked = rule("multicolumn_sum_to_equal", column_list=["net", "tax", "paid"], sum_total=total / 100)
    wrong = [len(rows) + n for n, (a, b) in enumerate(rows) if a + b != total]
    assert failing(database, amounts, checked) == [wrong]


def test_a_sum_of_decimals_stays_decimal(database: duckdb.DuckDBPyConnection) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error"
        )  # DuckDB warns of slow ways to read rows, and the warning would reach the terminal
        frame = read_frame(
            database, "select sum(x) as total, avg(x) as mean from (values (0.10), (0.20), (-0.30)) t(x)"
        )
    assert (frame["total"].tolist(), frame["total"].dtype) == ([Decimal("0.00")], object)
    between = rule("column_values_to_be_between", column="total", min_value=0, max_value=0)
    scaled, (changed,) = with_scaled_decimals(frame, [between])
    assert scaled[changed.kwargs["column"]].tolist() == [0]
    assert scaled["total"].dtype == "float64"


def test_other_columns_and_rules_are_left_alone(database: duckdb.DuckDBPyConnection) -> None:
    frame = read_frame(database, "select 1.5::double as x, 'a' as y")
    between = rule("column_values_to_be_between", column="x", max_value=2)
    unchanged, rules = with_scaled_decimals(frame, [between])
    assert unchanged is frame
    assert rules == [between]


WIDE = st.one_of(st.none(), st.integers(-(10**35), 10**35), st.integers(10**17, 10**17 + 3)).map(
    lambda cents: None if cents is None else str(Decimal(cents).scaleb(-2))
)
COMPARED = {"==": Decimal.__eq__, "!=": Decimal.__ne__, "<": Decimal.__lt__, ">=": Decimal.__ge__}


@settings(max_examples=25)
@given(rows=st.lists(st.tuples(WIDE, WIDE), min_size=1, max_size=6), operator=st.sampled_from(sorted(COMPARED)))
@pytest.mark.parametrize("form", ["`net sum` {} tax", "one == 1 and `net sum` {} tax", {"type": "pass_through"}])
def test_a_condition_compares_decimals_of_two_columns_exactly(
    database: duckdb.DuckDBPyConnection, rows: list[tuple[str | None, str | None]], operator: str, form: Any
) -> None:
    """As floating-point numbers, 1000000000000000.01 and 1000000000000000.02 would be equal."""
    nets, taxes = zip(*rows, strict=True)
    texts = pa.table({"_id": range(len(rows)), "net": pa.array(nets, pa.string()), "tax": pa.array(taxes, pa.string())})
    database.register("texts", texts)
    database.execute(
        """create or replace temp table amounts as select _id, net::decimal(38,2) as "net sum",
            tax::decimal(38,3) as tax, 1::integer as one from texts"""
    )
    condition = (
        form.format(operator) if isinstance(form, str) else form | {"pass_through_filter": f"`net sum` {operator} tax"}
    )
    checked = rule("column_values_to_be_in_set", column="one", value_set=[2], row_condition=condition)
    record_failing_rows(database, "amounts", "amounts", [checked])
    selected = [row for (row,) in database.execute("select id from failures order by all").fetchall()]
    known = {
        n: (Decimal(net), Decimal(tax)) for n, (net, tax) in enumerate(rows) if net is not None and tax is not None
    }
    expected = [n for n, (net, tax) in known.items() if COMPARED[operator](net, tax)]
    assert [n for n in selected if n in known] == expected
