"""Evaluating each different value once finds the same rows as evaluating every row."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from expectations import repeated_hashes, row_rules, small_tables, value_frames
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


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 4.0], [None, 2.0], [None], [float("nan"), 2.0, 4.0]])
def test_the_extreme_values_of_a_large_table_find_the_same_rows_as_all_rows(
    values: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [
        rule("column_values_to_be_between", column="x", min_value=1, max_value=3),
        rule("column_values_to_be_between", column="x", min_value=1, strict_min=True),
        rule("column_values_to_not_be_null", column="x"),
        rule("column_values_to_be_null", column="kind"),
        rule("column_values_to_not_be_null", column="day"),
        rule("column_values_to_be_between", column="day", min_value="2013-01-02"),
    ]
    days = [date(2013, 1, 2), None, date(2013, 1, 1)]
    rows = pd.DataFrame(
        {
            "x": [*values, 2.0],
            "kind": pd.Series([None] * len(values) + ["a"], dtype="str"),
            "day": pd.Series(([days[0]] * len(values) + days)[-len(values) - 1 :], dtype="datetime64[s]"),
        }
    )
    monkeypatch.setattr(small_tables, "MOST_ROWS", 0)
    assert find_by_distinct_values(rows, rules) == find_failing_rows("test", rows, rules)


@pytest.mark.parametrize(
    "limit", [10**6, 4 * repeated_hashes.BYTES_PER_GROUP]
)  # one pass over the rows, and one for each row
def test_repeated_values_are_found_in_any_number_of_passes(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 512 MB, a rule that values are unique failed on 10 million rows."""
    rng = np.random.default_rng(5)
    values = [float(n) for n in rng.integers(-20, 20, 60)]
    rows = pd.DataFrame({"x": [*values, -0.0, 0.0, None, None], "kind": [*rng.choice(["a", "b"], 63), None]})
    rules = [
        rule("column_values_to_be_unique", column="x"),
        rule("compound_columns_to_be_unique", column_list=["x", "kind"]),
    ]
    monkeypatch.setattr(repeated_hashes, "duckdb_limit", lambda: limit)
    expected = find_failing_rows("test", rows, rules)
    assert all(expected)
    assert find_by_distinct_values(rows, rules) == expected


def test_a_rule_about_columns_that_are_known_to_be_unique_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = [
        rule("column_values_to_be_unique", column="n"),
        rule("compound_columns_to_be_unique", column_list=["kind", "n"]),
    ]
    monkeypatch.setattr(row_rules._RowEvaluator, "compare_rows", None)
    with duckdb.connect() as db:
        db.execute("create temp table rows as select 0 as _id, 1 as n, 'a' as kind")
        record_failing_rows(db, "test", "rows", checked, unique=["n"])
        assert db.execute("from failures").fetchall() == []


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


@pytest.mark.parametrize("seed", range(3))
def test_values_in_several_frames_fail_the_same_rules(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"n": rng.integers(-3, 9, 60), "kind": rng.choice(["a", "b", "", "c", None], 60)})
    rules = [
        rule("column_values_to_be_between", column="n", min_value=0, max_value=5),
        rule("column_values_to_not_be_null", column="kind"),
        rule("column_values_to_be_in_set", column="kind", value_set=["a", "b"]),
    ]
    expected = find_by_distinct_values(rows, rules)
    assert all(expected)
    monkeypatch.setattr(value_frames, "VALUES_PER_FRAME", 3)
    assert find_by_distinct_values(rows, rules) == expected


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


TYPED = """select * from (values
    (1, 'a', date '2024-03-08', timestamp '2024-03-08 10:00', time '08:00', 1.50::decimal(9,2), 7),
    (2, 'b', date '2024-03-10', timestamp '2024-03-10 14:00:00.000001', time '18:30', -1.50, null),
    (3, 'b', null, null, null, null, 12),
    (4, null, date '9999-12-31', timestamp '2024-03-10 14:00', time '23:59:59', -2.25, 7)
) t(id, kind, day, called_at, opens, amount, code)"""


def failing_ids(*rules: Rule) -> list[list[int]]:
    """Return the ids of the failing rows of the table TYPED, by rule."""
    with duckdb.connect() as db:
        db.execute(f"create temp table rows as select id as _id, * from ({TYPED})")
        record_failing_rows(db, "test", "rows", rules)
        failures = db.execute("select rule, id from failures order by all").fetchall()
    return [[i for r, i in failures if r == number] for number in range(len(rules))]


@pytest.mark.parametrize(
    ("arguments", "failing"),
    [
        ({"row_condition": 'kind == "b"', "condition_parser": "pandas"}, [2]),
        ({"row_condition": "kind != 'b' and code == 7"}, [4]),
        ({"row_condition": 'col("kind") == "b"', "condition_parser": "great_expectations"}, [2]),
        ({"row_condition": 'col("kind").notNull()', "condition_parser": "great_expectations"}, [2]),
        ({"row_condition": {"type": "nullity", "column": {"name": "kind"}, "is_null": True}}, [4]),
        ({"row_condition": "day > '2024-03-09'"}, [2, 4]),
        ({"row_condition": "opens < '20:00:00'"}, [2]),
        ({"row_condition": "amount < -2"}, [4]),
        ({"row_condition": 'kind == "none"'}, []),
    ],
)
def test_a_condition_limits_a_rule_to_the_rows_that_fulfil_it(arguments, failing):
    between = rule("column_values_to_be_between", column="amount", min_value=0, **arguments)
    assert failing_ids(between, rule("column_values_to_not_be_null", column="id")) == [failing, []]


@pytest.mark.parametrize(
    ("limited_rule", "failing"),
    [
        (rule("column_values_to_be_unique", column="code"), [1, 4]),
        (rule("column_values_to_be_unique", column="code", row_condition="kind.isnull()"), []),
        (rule("column_values_to_match_regex", column="code", regex="^.$", row_condition="code > 7"), [3]),
        (
            rule("column_pair_values_to_be_equal", column_A="id", column_B="code", row_condition="kind == 'a'"),
            [1],
        ),
        (rule("compound_columns_to_be_unique", column_list=["kind", "code"], row_condition="id > 1"), []),
    ],
)
def test_every_kind_of_rule_may_have_a_condition(limited_rule, failing):
    assert failing_ids(limited_rule) == [failing]


@pytest.mark.parametrize(
    ("timed_rule", "failing"),
    [
        (rule("column_values_to_be_between", column="day", max_value="2024-03-10"), [4]),
        (rule("column_values_to_be_between", column="day", min_value=date(2024, 3, 9), max_value="9999-12-30"), [1, 4]),
        (rule("column_values_to_be_between", column="called_at", max_value=datetime(2024, 3, 10, 14)), [2]),
        (rule("column_values_to_be_between", column="called_at", max_value="2024-03-10T15:00+01:00"), [2]),
        (rule("column_values_to_be_between", column="opens", min_value="08:00", max_value="18:30"), [4]),
        (rule("column_values_to_be_in_set", column="day", value_set=["2024-03-08", date(9999, 12, 31)]), [2]),
        (rule("column_values_to_not_be_in_set", column="opens", value_set=["23:59:59"]), [4]),
        (
            rule("column_pair_values_a_to_be_greater_than_b", column_A="called_at", column_B="day", or_equal=True),
            [4],
        ),
        (rule("column_values_to_match_strftime_format", column="day", strftime_format="%Y-%m-%d"), []),
        (rule("column_value_lengths_to_equal", column="opens", value=8), []),
    ],
)
def test_rules_may_be_about_dates_and_times(timed_rule, failing):
    assert failing_ids(timed_rule) == [failing]


TWO_DAYS = """select * from (values
    (0, 'd1', 1, 'a'), (1, 'd1', 3, 'a'), (2, 'd1', 3, 'b'), (3, 'd2', 1, 'a'), (4, 'd2', 2, 'a'), (5, 'd2', 2, null),
    (6, 'd2', null, null)) t(_id, _partition, n, kind)"""


@pytest.mark.parametrize(
    ("checked_rule", "failing"),
    [
        (rule("column_values_to_be_unique", column="n"), [1, 2, 4, 5]),
        (rule("column_values_to_be_unique", column="n", row_condition="kind == 'a'"), []),
        (rule("compound_columns_to_be_unique", column_list=["n", "kind"]), []),
        (rule("column_values_to_be_increasing", column="n"), []),
        (rule("column_values_to_be_increasing", column="n", strictly=True), [2, 5]),
    ],
)
def test_a_rule_compares_the_rows_of_one_partition(checked_rule, failing):
    with duckdb.connect() as db:
        db.execute(f"create temp table rows as {TWO_DAYS}")
        record_failing_rows(db, "test", "rows", [checked_rule])
        assert db.execute("select rule, id from failures order by all").fetchall() == [(0, i) for i in failing]


SHARED = """select row_number() over (order by _partition, m) - 1 as _id, * from (
    select 'd1' as _partition, case when n = 0 then -1 else n end as n, null as kind, n as m from range(10) r(n)
    union all select 'd2', case when n < 2 then -1 else n end, case when n < 5 then 'a' end, n + 1 from range(10) r(n)
    union all select 'd3', case when n = 1 then null when n < 3 then -1 else n end, 'a', n from range(6) r(n))"""


@pytest.mark.parametrize("rows_per_frame", [1 << 17, 2])
@pytest.mark.parametrize(
    ("tolerant_rule", "failing"),
    [
        (rule("column_values_to_be_between", column="n", min_value=0, mostly=0.9), [10, 11, 20, 22]),
        (rule("column_values_to_be_between", column="n", min_value=0, mostly=0.8), [20, 22]),
        (rule("column_values_to_be_between", column="n", min_value=0, mostly=0.61), [20, 22]),
        (rule("column_values_to_be_between", column="n", min_value=0, mostly=0.6), []),
        (rule("column_values_to_not_be_null", column="n", mostly=0.8), []),
        (rule("column_values_to_not_be_null", column="kind", mostly=0.5), list(range(10))),
        (rule("column_pair_values_to_be_equal", column_A="n", column_B="m", mostly=0.5), list(range(10, 20))),
        (
            rule("column_values_to_be_between", column="n", min_value=0, row_condition="kind == 'a'", mostly=0.6),
            [],
        ),
        (
            rule("column_values_to_be_between", column="n", min_value=0, row_condition="kind == 'a'", mostly=0.61),
            [10, 11, 20, 22],
        ),
    ],
)
def test_mostly_is_the_share_of_a_partitions_judged_rows(monkeypatch, rows_per_frame, tolerant_rule, failing):
    monkeypatch.setattr(value_frames, "VALUES_PER_FRAME", rows_per_frame)
    with duckdb.connect() as db:
        db.execute(f"create temp table rows as {SHARED}")
        record_failing_rows(db, "test", "rows", [tolerant_rule, rule("column_values_to_not_be_null", column="m")])
        assert db.execute("select rule, id from failures order by all").fetchall() == [(0, i) for i in failing]


def test_a_rule_about_text_judges_the_text_of_a_number():
    """Pandas would turn 7 into 7.0, because the column has a null."""
    assert failing_ids(rule("column_values_to_match_regex", column="code", regex="^[0-9]$")) == [[3]]


def test_a_uuid_is_compared_with_declared_texts() -> None:
    first, second = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"
    rules = [
        rule("column_values_to_be_in_set", column="u", value_set=[first]),
        rule("column_values_to_not_be_in_set", column="u", value_set=[first]),
        rule("column_values_to_be_in_set", column="u", value_set=[first], row_condition="n == 1"),
        rule("column_values_to_be_in_set", column="n", value_set=[7], row_condition=f'u == "{second}"'),
        rule("column_pair_values_to_be_in_set", column_A="u", column_B="n", value_pairs_set=[[first, 0]]),
        rule("column_values_to_be_unique", column="u"),
    ]
    with duckdb.connect() as db:
        db.execute(
            "create temp table rows as select i as _id, i as n, u::uuid as u"
            f" from (values (0, '{first.upper()}'), (1, '{second}'), (2, null)) t(i, u)"
        )
        record_failing_rows(db, "test", "rows", rules)
        failures = db.execute("select rule, id from failures order by all").fetchall()
    assert failures == [(0, 1), (1, 0), (2, 1), (3, 1), (4, 1), (4, 2)]


@pytest.mark.parametrize("names", [("rule", "id", "number"), ("v", "r", "f"), ("judged", "failures", "listed_numbers")])
def test_columns_may_have_the_names_that_the_evaluation_uses(names: tuple[str, str, str]) -> None:
    rows = pd.DataFrame({"a": [7, 8, 8, None], "b": [7, 7, 9, 1], "c": ["x", "y", "y", "z"]})
    kinds = [
        ("column_values_to_be_in_set", {"column": "a", "value_set": [7]}),
        ("column_values_to_be_unique", {"column": "a"}),
        ("compound_columns_to_be_unique", {"column_list": ["a", "c"]}),
        ("column_pair_values_to_be_equal", {"column_A": "a", "column_B": "b"}),
        ("column_values_to_match_regex", {"column": "c", "regex": "x"}),
    ]
    renamed = dict(zip("abc", names, strict=True))

    def rename(argument: Any) -> Any:
        return [renamed[c] for c in argument] if argument == ["a", "c"] else renamed.get(str(argument), argument)

    plain = [rule(kind, **arguments) for kind, arguments in kinds]
    awkward = [rule(kind, **{key: rename(argument) for key, argument in kw.items()}) for kind, kw in kinds]
    expected = find_by_distinct_values(rows, plain)
    assert expected == [[1, 2], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3]]
    assert find_by_distinct_values(rows.rename(columns=renamed), awkward) == expected
