"""Evaluate rules about rows on a DuckDB table, without passing every row to Great Expectations.

For a rule about one column, Great Expectations gets each distinct value once. For a rule about several columns, or with
a `row_condition`, it gets each distinct combination of the values that the rule reads. For a rule that values are
unique, it gets only the rows whose values occur more than once in a partition. So a million rows become a few thousand,
and the failing rows are the same. All other rules get every row, partition by partition.

In a large table, a rule about the range of a column first gets only the smallest and the largest value, and a null if
there is one. If it passes on them, it passes on all values between them.

`mostly` is a share of the rows of a partition. So it is applied to the failing rows afterwards, in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from expectations.gx_runner import RuleError, find_failing_rows
from expectations.row_conditions import CONDITION, PARSER
from expectations.rule_catalog import BETWEEN, ROW_RULES, RULES, TEXT_RULES, UNIQUE_RULES, VALUE_RULES
from expectations.rule_decimals import read_frame
from expectations.rules import Rule
from sixtyforty.storage.sql import identifier, identifiers

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

VALUES_PER_FRAME = 1 << 17
SMALL_TABLE_ROWS = 1 << 15
NULL_RULES = ("expect_column_values_to_be_null", "expect_column_values_to_not_be_null")
ORDERED_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "DOUBLE", "DATE", "TIMESTAMP")
PROBE = -1  # rule number of a rule that is evaluated only to find the rows that fulfil a `row_condition`


def record_failing_rows(
    db: duckdb.DuckDBPyConnection, name: str, table: str, rules: Sequence[Rule], unique: Sequence[str] = ()
) -> None:
    """Evaluate rules on a table, and create the table `failures` with one row for each failing row of each rule.

    The columns of `failures` are `rule` (the number of the rule in `rules`) and `id` (the `_id` of the failing row). A
    rule with `mostly` has no failing rows in a partition in which at least this share of the rows passes.

    - table: must have a column `_id`, and `_partition` if a rule has `mostly`.
    - name: the suite's name, for error messages.
    - unique: columns whose values together are known to occur in one row only.

    Raises RuleError if a rule can't be evaluated.
    """
    import duckdb

    db.execute("create or replace temp table failures (rule bigint, id bigint)")
    if unknown := [rule.type for rule in rules if rule.type not in RULES]:
        raise RuleError(f"suite {name}: there is no row-wise rule {', '.join(unknown)}. Correct their `type`.")
    rows = db.sql(f"select * from {table} limit 0")
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    value_rules = {
        number: rule for number, rule in enumerate(rules) if rule.type in VALUE_RULES and CONDITION not in rule.kwargs
    }
    try:
        _evaluate_values(db, name, table, value_rules, types)
        for number, rule in enumerate(rules):
            if number not in value_rules and not _is_obvious(rule, unique):
                _evaluate_rows(db, name, table, number, rule, types)
        for number, rule in enumerate(rules):
            if rule.mostly < 1:
                _drop_tolerated(db, name, table, number, rule, types)
    except duckdb.BinderException as error:
        raise RuleError(f"suite {name}: a rule names a column that doesn't exist. Correct the rule. {error}") from error


def _as_text(rule: Rule, types: Mapping[str, str]) -> tuple[Rule, str]:
    """Return a rule, and the SQL of the column that it checks. If the rule is about texts, the SQL casts to text.

    types: the DuckDB type of each column. The text has a column of its own, since a condition may read the value.
    """
    column = rule.kwargs["column"]
    if rule.type not in TEXT_RULES or types.get(column) == "VARCHAR":
        return rule, identifier(column)
    with_text = rule.model_copy(update={"kwargs": rule.kwargs | {"column": f"{column} (text)"}})
    return with_text, f"{identifier(column)}::varchar"


def _is_obvious(rule: Rule, unique: Sequence[str]) -> bool:
    """Return whether a rule needs no evaluation: it forbids repeated values in columns that are known to have none."""
    return rule.type in UNIQUE_RULES and bool(unique) and set(unique) <= set(rule.columns)


def _evaluate_values(
    db: duckdb.DuckDBPyConnection, name: str, table: str, rules: dict[int, Rule], types: Mapping[str, str]
) -> None:
    """Evaluate rules about single columns on the columns' distinct values. Insert failing rows into `failures`."""
    in_frame = {number: _as_text(rule, types) for number, rule in rules.items()}
    frame_rules = {number: rule for number, (rule, _) in in_frame.items()}
    sql_by_column = {rule.kwargs["column"]: sql for rule, sql in in_frame.values()}
    distinct_sql = {column: f"select distinct {sql} as value from {table}" for column, sql in sql_by_column.items()}
    extremes = _read_extremes(db, table, frame_rules.values(), types)

    def read_values(columns: Iterable[str]) -> dict[str, pd.Series[Any]]:
        return {column: read_frame(db, f"{distinct_sql[column]} order by value")["value"] for column in sorted(columns)}

    failing_values = _find_failing_values(name, frame_rules, extremes | read_values(distinct_sql.keys() - extremes))
    doubtful = {n: rule for n, rule in frame_rules.items() if n in failing_values and rule.kwargs["column"] in extremes}
    if doubtful:
        all_values = read_values({rule.kwargs["column"] for rule in doubtful.values()})
        certain = {n: positions for n, positions in failing_values.items() if n not in doubtful}
        failing_values = certain | _find_failing_values(name, doubtful, all_values)
    failing_rows = []
    for number, positions in failing_values.items():
        rule, sql = in_frame[number]
        numbered = (
            f"select value, row_number() over (order by value) - 1 as n from ({distinct_sql[rule.kwargs['column']]})"
        )
        failing_rows.append(
            f"select {number}, r._id from {table} r join ({numbered}) v on r.{sql} is not distinct from v.value"
            f" where v.n in ({_number_list(positions)})"
        )
    if failing_rows:
        db.execute(f"insert into failures {' union all '.join(failing_rows)}")


def _read_extremes(
    db: duckdb.DuckDBPyConnection, table: str, rules: Iterable[Rule], types: Mapping[str, str]
) -> dict[str, pd.Series[Any]]:
    """Return, for some columns of a large table, the few values that decide whether the rules about the column pass.

    They are the smallest and the largest value, and a null if there is one. If all rules about the column are about
    nulls, any value will do. Columns with other rules are left out. So are all columns of a small table, because their
    distinct values are read as fast.
    """
    rule_types: dict[str, set[str]] = {}
    for rule in rules:
        rule_types.setdefault(rule.kwargs["column"], set()).add(rule.type)
    extremes = {
        column: _extremes_sql(column, not kinds <= set(NULL_RULES), types.get(column, ""))
        for column, kinds in rule_types.items()
        if kinds <= {BETWEEN, *NULL_RULES} and (BETWEEN not in kinds or _is_ordered(types.get(column, "")))
    }
    if not extremes or db.sql(f"select count(*) > {SMALL_TABLE_ROWS} from {table}").fetchall() != [(True,)]:
        return {}
    frame = read_frame(db, f"select {', '.join(extremes.values())} from {table}")
    return {str(column): values for column, values in frame.items()}


def _is_ordered(kind: str) -> bool:
    """Return whether DuckDB and a rule about a range put the values of a type into the same order.

    kind: the DuckDB type.
    """
    return kind.startswith(ORDERED_TYPES)


def _extremes_sql(column: str, has_range: bool, kind: str) -> str:
    """Return SQL for three rows: the smallest and the largest value of a column, then a null if the column has one."""
    name = identifier(column)
    # Great Expectations takes a floating-point number that is "not a number" for a null.
    known = f"case when not isnan({name}) then {name} end" if kind == "DOUBLE" else name
    low, high = (f"min({known})", f"max({known})") if has_range else (f"any_value({known})",) * 2
    return f"unnest([{low}, {high}, case when count({known}) = count(*) then {low} end]) as {name}"


def _find_failing_values(
    name: str, rules: Mapping[int, Rule], values: Mapping[str, pd.Series[Any]]
) -> dict[int, list[int]]:
    """Return the positions of the values that fail each rule, by the rule's number. Rules that pass are left out.

    The values of all columns share DataFrames of at most VALUES_PER_FRAME rows, because Great Expectations copies them.
    """
    import numpy as np
    import pandas as pd

    failing: dict[int, list[int]] = {}
    for start in range(0, max(map(len, values.values()), default=0), VALUES_PER_FRAME):
        parts = {column: series.iloc[start : start + VALUES_PER_FRAME] for column, series in values.items()}
        parts = {column: part for column, part in parts.items() if len(part)}
        positions = np.arange(max(map(len, parts.values())))
        # A column with fewer values repeats them to fill the DataFrame. Failures of repeated values are dropped.
        frame = pd.DataFrame({c: part.take(positions % len(part)).array for c, part in parts.items()})
        in_frame = {number: rule for number, rule in rules.items() if rule.kwargs["column"] in parts}
        for number, rows in zip(in_frame, find_failing_rows(name, frame, list(in_frame.values())), strict=True):
            count = len(parts[in_frame[number].kwargs["column"]])
            if any(row < count for row in rows):
                failing.setdefault(number, []).extend(start + row for row in rows if row < count)
    return failing


def _evaluate_rows(
    db: duckdb.DuckDBPyConnection, name: str, table: str, number: int, rule: Rule, types: Mapping[str, str]
) -> None:
    """Evaluate one rule on as few rows as its type allows: distinct values, rows with repeated values, or all rows.

    If the table has the column `_partition`, a rule that compares rows compares only rows of the same partition.
    """
    if rule.type in ROW_RULES:
        _evaluate_distinct(db, name, table, number, rule, types)
        return
    columns = identifiers(rule.read_columns)
    partition = "_partition" if "_partition" in types else "''"
    rows = f"(select _id, {partition} as _of, {columns} from {table})"
    only_alike = ""
    if rule.type in UNIQUE_RULES and CONDITION not in rule.kwargs:
        alike = f"select _of, {columns} from {rows} group by all having count(*) > 1"
        only_alike = f"semi join ({alike}) a on r._of = a._of and {_same_values(rule)}"
    frame = read_frame(db, f"select * from {rows} r {only_alike} order by _id")
    parts = [frame] if only_alike else [part for _, part in frame.groupby("_of", sort=False)]
    for part in parts:  # a rule compares only rows of one partition, whichever partitions are evaluated together
        (positions,) = find_failing_rows(name, part.drop(columns=["_id", "_of"]).reset_index(drop=True), [rule])
        if positions:
            _insert_failures(db, number, part["_id"].to_numpy()[positions])


def _evaluate_distinct(
    db: duckdb.DuckDBPyConnection, name: str, table: str, number: int, rule: Rule, types: Mapping[str, str]
) -> None:
    """Evaluate a rule on each distinct combination of the values that it reads."""
    db.execute(
        f"create or replace temp table combinations as select *, row_number() over () - 1 as _n"
        f" from (select distinct {identifiers(rule.read_columns)} from {table})"
    )
    text, in_frame = "", rule
    if rule.type in VALUE_RULES:
        in_frame, sql = _as_text(rule, types)
        text = "" if in_frame is rule else f", {sql} as {identifier(in_frame.kwargs['column'])}"
    frame = read_frame(db, f"select * exclude _n{text} from combinations order by _n")
    (positions,) = find_failing_rows(name, frame, [in_frame])
    if positions:
        db.execute(
            f"insert into failures select {number}, r._id from {table} r join combinations a on {_same_values(rule)}"
            f" where a._n in ({_number_list(positions)})"
        )


def _drop_tolerated(
    db: duckdb.DuckDBPyConnection, name: str, table: str, number: int, rule: Rule, types: Mapping[str, str]
) -> None:
    """Delete a rule's failures in each partition in which enough judged rows pass: at least the share `mostly`.

    As in Great Expectations, a rule judges the rows that fulfil its condition, except those without a value.
    """
    judged = f"select _id, _partition from {table} where {_has_values(rule)}"
    if CONDITION in rule.kwargs:
        for null_rule in NULL_RULES:  # a row that fulfils the condition fails exactly one of the two
            condition = {k: rule.kwargs[k] for k in (CONDITION, PARSER) if k in rule.kwargs}
            arguments = {"column": rule.columns[0], **condition}
            probe = rule.model_copy(update={"type": null_rule, "kwargs": arguments})
            _evaluate_rows(db, name, table, PROBE, probe, types)
        judged += f" and _id in (select id from failures where rule = {PROBE})"
    db.execute(
        f"""delete from failures where rule = {number} and id in (
            select unnest(list(j._id)) from ({judged}) j left join failures f on f.rule = {number} and f.id = j._id
            group by j._partition having (count(*) - count(f.id)) / count(*)::double >= {rule.mostly!r})"""
    )
    db.execute(f"delete from failures where rule = {PROBE}")


def _has_values(rule: Rule) -> str:
    """Return a SQL condition that is false for the rows that a rule skips because values are missing."""
    if rule.type in NULL_RULES:
        return "true"
    ignored = rule.kwargs.get("ignore_row_if", "all_values_are_missing")
    if ignored in ("neither", "never"):
        return "true"
    operator = " and " if ignored in ("either_value_is_missing", "any_value_is_missing") else " or "
    return f"({operator.join(f'{identifier(column)} is not null' for column in rule.columns)})"


def _same_values(rule: Rule) -> str:
    columns = map(identifier, rule.read_columns)
    return " and ".join(f"r.{column} is not distinct from a.{column}" for column in columns)


def _number_list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _insert_failures(db: duckdb.DuckDBPyConnection, number: int, ids: Any) -> None:
    import pandas as pd

    db.register("failing_rows", pd.DataFrame({"rule": number, "id": ids}))
    db.execute("insert into failures select rule, id from failing_rows")
    db.unregister("failing_rows")
