"""Row rules on a table in DuckDB: Great Expectations judges what differs, once, however many rows hold it.

A rule about one column's values needs each value once, one about a pair each pair, a rule that rows be unlike only
those that are alike: a year's million rows become a few thousand, and the verdict is the same. Others get every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from expectations.gx_runner import RuleError, expectation_suite, failing
from expectations.suites import Rule

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# Each value is judged by itself.
BY_VALUE = {
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
BY_PAIR = {
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_in_set",
}
# A row whose values no other has can't break it.
UNLIKE = {"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"}
SOME_ROWS = {"row_condition", "condition_parser"}  # arguments that look at other columns too


def breaking(db: duckdb.DuckDBPyConnection, name: str, rows: str, rules: Sequence[Rule]) -> None:
    """Makes the table `hits` (`rule`: its number, `id`): the rows of table `rows`, which have an `_id`, that break one.

    Raises RuleError for a rule that can't be evaluated on them.
    """
    import duckdb

    db.execute("create or replace temp table hits (rule bigint, id bigint)")
    expectation_suite(name, rules)
    of_values = {n: r for n, r in enumerate(rules) if r.type in BY_VALUE and not SOME_ROWS & r.kwargs.keys()}
    try:
        _by_value(db, name, rows, of_values)
        for number, rule in enumerate(rules):
            if number not in of_values:
                _by_row(db, name, rows, number, rule)
    except duckdb.BinderException as error:
        raise RuleError(f"suite {name}: a rule is about a column that isn't there: {error}") from error


def _by_value(db: duckdb.DuckDBPyConnection, name: str, rows: str, rules: dict[int, Rule]) -> None:
    import numpy as np
    import pandas as pd

    columns = sorted({r.kwargs["column"] for r in rules.values()})
    every = {c: f'select distinct "{c}" as value from {rows}' for c in columns}
    values: dict[str, pd.Series[Any]] = {
        c: db.execute(f"{sql} order by value").df()["value"] for c, sql in every.items()
    }
    longest = max(map(len, values.values()), default=0)
    if not longest:
        return
    # one frame for all: a shorter column begins anew, and what is found there was found above
    frame = pd.DataFrame({c: v.take(np.arange(longest) % len(v)).array for c, v in values.items()})
    for number, found in zip(rules, failing(name, frame, list(rules.values())), strict=True):
        column = rules[number].kwargs["column"]
        bad = [i for i in found if i < len(values[column])]
        if bad:
            numbered = f"select value, row_number() over (order by value) - 1 as n from ({every[column]})"
            db.execute(
                f"""insert into hits select {number}, r._id from {rows} r join ({numbered}) v
                on r."{column}" is not distinct from v.value where v.n in ({", ".join(map(str, bad))})"""
            )


def _by_row(db: duckdb.DuckDBPyConnection, name: str, rows: str, number: int, rule: Rule) -> None:
    import pandas as pd

    columns, every = ", ".join(f'"{c}"' for c in rule.columns) or "*", not SOME_ROWS & rule.kwargs.keys()
    same = " and ".join(f'r."{c}" is not distinct from a."{c}"' for c in rule.columns)
    if rule.type in BY_PAIR and every:
        db.execute(
            f"create or replace temp table pairs as select *, row_number() over () - 1 as _n"
            f" from (select distinct {columns} from {rows})"
        )
        (bad,) = failing(name, db.execute("select * exclude _n from pairs order by _n").df(), [rule])
        if bad:
            db.execute(
                f"insert into hits select {number}, r._id from {rows} r join pairs a on {same}"
                f" where a._n in ({', '.join(map(str, bad))})"
            )
        return
    alike = ""
    if rule.type in UNLIKE and every:
        alike = f"semi join (select {columns} from {rows} group by all having count(*) > 1) a on {same}"
    frame = db.execute(f"select _id, {columns} from {rows} r {alike} order by _id").df()
    ids = frame["_id"].to_numpy()
    (found,) = failing(name, frame.drop(columns="_id"), [rule])
    if found:
        broken = pd.DataFrame({"rule": number, "id": ids[found]})
        db.register("broken", broken)
        db.execute("insert into hits select rule, id from broken")
        db.unregister("broken")
