"""Evaluate rules about rows on a DuckDB table, without passing every row to Great Expectations.

For a rule about one column, Great Expectations gets each distinct value once. For a rule about several columns, or with
a `row_condition`, it gets each distinct combination of the values that the rule reads. For a rule that values are
unique, it gets each value that occurs more than once in a partition, twice. So a million rows become a few thousand,
and the failing rows are the same. All other rules get every row, partition by partition.

In a large table, a rule about the range of a column first gets only the smallest and the largest value, and a null if
there is one. If it passes on them, it passes on all values between them. Otherwise, the values are numbered and joined
with the rows. The columns of a small table are read as a whole (see `small_tables`).

Values reach Great Expectations in DataFrames of bounded size (see `value_frames`). Rows with long texts are evaluated
portion by portion, because DuckDB works on 2048 rows at once. So any number of rows, of any width, takes bounded
memory. Only a rule that compares each row with the others of its partition, such as `increasing`, needs the column.

`mostly` is a share of the rows of a partition. So it is applied to the failing rows afterwards, in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.gx_runner import RuleError, find_failing_rows
from expectations.repeated_hashes import list_repeated_rows
from expectations.row_conditions import CONDITION, PARSER
from expectations.rule_catalog import BETWEEN, ROW_RULES, RULES, TEXT_RULES, UNIQUE_RULES, VALUE_RULES
from expectations.rule_decimals import read_frame
from expectations.rules import Rule
from expectations.small_tables import is_small, read_columns
from expectations.value_frames import (
    ValueTable,
    create_value_table,
    insert_numbers,
    is_text,
    reads_text,
    share_frame,
)
from sixtyforty.storage.sql import digest_sql, identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

LONG_TEXT = 64  # a longer text is compared with others by its digest
NULL_RULES = ("expect_column_values_to_be_null", "expect_column_values_to_not_be_null")
ORDERED_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "DOUBLE", "DATE", "TIMESTAMP")
PROBE = -1  # rule number of a rule that is evaluated only to find the rows that fulfil a `row_condition`


def record_failing_rows(
    db: duckdb.DuckDBPyConnection,
    name: str,
    table: str,
    rules: Sequence[Rule],
    unique: Sequence[str] = (),
    portions: Sequence[tuple[int, int]] = (),
) -> None:
    """Evaluate rules on a table, and create the table `failures` with one row for each failing row of each rule.

    The columns of `failures` are `rule` (the number of the rule in `rules`) and `id` (the `_id` of the failing row). A
    rule with `mostly` has no failing rows in a partition in which at least this share of the rows passes.

    - table: must have a column `_id`, and `_partition` if a rule has `mostly`.
    - name: the suite's name, for error messages.
    - unique: columns whose values together are known to occur in one row only.
    - portions: the first and the last `_id` of each portion of rows whose texts fit into memory together; without
      portions, all rows do.

    Raises RuleError if a rule can't be evaluated.
    """
    import duckdb

    db.execute("create or replace temp table failures (rule bigint, id bigint)")
    if unknown := [rule.type for rule in rules if rule.type not in RULES]:
        raise RuleError(f"suite {name}: there is no row-wise rule {', '.join(unknown)}. Correct their `type`.")
    rows = db.sql(f"select * from {table} limit 0")
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    evaluator = _RowEvaluator(db, name, table, types, portions)
    try:
        evaluator.evaluate_by_row({number: rule for number, rule in enumerate(rules) if rule.type in ROW_RULES})
        for number, rule in enumerate(rules):
            if rule.type not in ROW_RULES and not _is_obvious(rule, unique):
                evaluator.compare_rows(number, rule)
        for number, rule in enumerate(rules):
            if rule.mostly < 1:
                evaluator.drop_tolerated(number, rule)
    except duckdb.BinderException as error:
        raise RuleError(f"suite {name}: a rule names a column that doesn't exist. Correct the rule. {error}") from error


def _is_obvious(rule: Rule, unique: Sequence[str]) -> bool:
    """Return whether a rule needs no evaluation: it forbids repeated values in columns that are known to have none."""
    return rule.type in UNIQUE_RULES and bool(unique) and set(unique) <= set(rule.columns)


@dataclass(frozen=True)
class _RowEvaluator:
    """Evaluates rules on a table, and inserts failing rows into `failures`. See `record_failing_rows`.

    types: the DuckDB type of each column of the table.
    """

    db: duckdb.DuckDBPyConnection
    name: str
    table: str
    types: Mapping[str, str]
    portions: Sequence[tuple[int, int]]

    def evaluate_by_row(self, rules: Mapping[int, Rule]) -> None:
        """Evaluate rules that check each row by itself: those about long texts portion by portion. rules: by number."""
        is_wide = len(self.portions) > 1
        wide = {n: rule for n, rule in rules.items() if is_wide and reads_text(rule.read_columns, self.types)}
        self._evaluate_distinct(self.table, {n: rule for n, rule in rules.items() if n not in wide})
        columns = identifiers(sorted({"_id"}.union(*(rule.read_columns for rule in wide.values()))))
        for first, last in self.portions if wide else ():
            rows = f"select {columns} from {self.table} where _id between {first} and {last}"
            self.db.execute(f"create or replace temp table portion_rows as {rows}")
            self._evaluate_distinct("portion_rows", wide)

    def _evaluate_distinct(self, table: str, rules: Mapping[int, Rule]) -> None:
        """Evaluate rules on the distinct values, or combinations of values, that they read in a table."""
        value_rules = {n: r for n, r in rules.items() if r.type in VALUE_RULES and CONDITION not in r.kwargs}
        self._evaluate_values(table, value_rules)
        for number, rule in rules.items():
            if number not in value_rules:
                self._evaluate_combinations(table, number, rule)

    def _evaluate_values(self, table: str, rules: Mapping[int, Rule]) -> None:
        """Evaluate rules about single columns on the columns' distinct values."""
        in_frame = {number: self._as_text(rule) for number, rule in rules.items()}
        sql_by_column = {rule.kwargs["column"]: sql for rule, sql in in_frame.values()}
        by_number = {number: rule for number, (rule, _) in in_frame.items()}
        judge = self._judge_small if is_small(self.db, table) else self._judge_extremes
        remaining = judge(table, by_number, sql_by_column)
        values: dict[str, ValueTable] = {}
        shared: dict[str, pd.Series[Any]] = {}
        for column in sorted({rule.kwargs["column"] for rule in remaining.values()}):
            query = f"select distinct {sql_by_column[column]} as {identifier(column)} from {table}"
            values[column] = create_value_table(self.db, f"values_{len(values)}", query)
            if values[column].may_share:
                shared[column] = values[column].read()[column]
        failing = _find_failing_values(
            self.name, {n: rule for n, rule in remaining.items() if rule.kwargs["column"] in shared}, shared
        )
        for column, value_table in values.items():
            about_column = {n: rule for n, rule in remaining.items() if rule.kwargs["column"] == column}
            if column in shared:
                value_table.mark_failing({n: failing[n] for n in about_column if n in failing})
            else:
                self._judge_frames(value_table, about_column)
            same = f"r.{sql_by_column[column]} is not distinct from v.{identifier(column)}"
            value_table.insert_failing_rows(table, same)

    def _as_text(self, rule: Rule) -> tuple[Rule, str]:
        """Return a rule, and the SQL of the column that it checks. If the rule is about texts, the SQL casts to text.

        The text has a column of its own, since a condition may read the value.
        """
        column = rule.kwargs["column"]
        if rule.type not in TEXT_RULES or self.types.get(column) == "VARCHAR":
            return rule, identifier(column)
        with_text = rule.model_copy(update={"kwargs": rule.kwargs | {"column": f"{column} (text)"}})
        return with_text, f"{identifier(column)}::varchar"

    def _judge_small(self, table: str, rules: Mapping[int, Rule], sql_by_column: Mapping[str, str]) -> dict[int, Rule]:
        """Evaluate rules on the columns of a small table. Return the rules about the columns that were left out.

        sql_by_column: SQL of each column that the rules check.
        """
        columns = read_columns(self.db, table, sql_by_column, self.types)
        judged = {number: rule for number, rule in rules.items() if rule.kwargs["column"] in columns}
        values = {column: of_column.values for column, of_column in columns.items()}
        for number, positions in _find_failing_values(self.name, judged, values).items():
            failing_rows = columns[rules[number].kwargs["column"]].find_rows(positions)
            insert_numbers(self.db, "failures", number, failing_rows)
        return {number: rule for number, rule in rules.items() if number not in judged}

    def _judge_extremes(
        self, table: str, rules: Mapping[int, Rule], sql_by_column: Mapping[str, str]
    ) -> dict[int, Rule]:
        """Evaluate rules on the extremes of the columns. Return the rules that may fail. See `_judge_small`."""
        extremes = self._read_extremes(table, rules.values())
        judged = {number: rule for number, rule in rules.items() if rule.kwargs["column"] in extremes}
        passing = judged.keys() - _find_failing_values(self.name, judged, extremes).keys()
        return {number: rule for number, rule in rules.items() if number not in passing}

    def _read_extremes(self, table: str, rules: Iterable[Rule]) -> dict[str, pd.Series[Any]]:
        """Return, for some columns, the few values that decide whether the rules about them pass.

        They are the smallest and the largest value, and a null if there is one. If all rules about the column are about
        nulls, any value will do. Columns with other rules are left out.
        """
        rule_types: dict[str, set[str]] = {}
        for rule in rules:
            rule_types.setdefault(rule.kwargs["column"], set()).add(rule.type)
        kind = {column: self.types.get(column, "") for column in rule_types}
        extremes = [
            _extremes_sql(column, not types <= set(NULL_RULES), kind[column])
            for column, types in rule_types.items()
            if types <= {BETWEEN, *NULL_RULES} and (BETWEEN not in types or kind[column].startswith(ORDERED_TYPES))
        ]
        if not extremes:
            return {}
        frame = read_frame(self.db, f"select {', '.join(extremes)} from {table}")
        return {str(column): values for column, values in frame.items()}

    def _evaluate_combinations(self, table: str, number: int, rule: Rule) -> None:
        """Evaluate a rule on each distinct combination of the values that it reads."""
        text, in_frame = "", rule
        if rule.type in VALUE_RULES:
            in_frame, sql = self._as_text(rule)
            text = "" if in_frame is rule else f", {sql} as {identifier(in_frame.kwargs['column'])}"
        query = f"select *{text} from (select distinct {identifiers(rule.read_columns)} from {table})"
        combinations = create_value_table(self.db, "combinations", query)
        self._judge_frames(combinations, {number: in_frame})
        combinations.insert_failing_rows(table, _same_values(rule.read_columns))

    def _judge_frames(self, values: ValueTable, rules: Mapping[int, Rule]) -> None:
        for frame, numbers in values.read_frames():
            failing = zip(rules, find_failing_rows(self.name, frame, list(rules.values())), strict=True)
            values.mark_failing({n: [numbers[position] for position in positions] for n, positions in failing})

    def compare_rows(self, number: int, rule: Rule) -> None:
        """Evaluate a rule that compares rows of a partition. The condition of the rule says which rows are compared.

        Without the column `_partition`, all rows of the table are compared.
        """
        table = self.table
        if CONDITION in rule.kwargs:
            self._find_fulfilling(rule)
            table = f"(select * from {table} where _id in (select id from failures where rule = {PROBE}))"
            arguments = {name: argument for name, argument in rule.kwargs.items() if name not in (CONDITION, PARSER)}
            rule = rule.model_copy(update={"kwargs": arguments})
        compare = self._compare_alike if rule.type in UNIQUE_RULES else self._compare_all
        compare(number, rule, table)
        self.db.execute(f"delete from failures where rule = {PROBE}")

    def _compare_alike(self, number: int, rule: Rule, table: str) -> None:
        """Evaluate a rule that values are unique. Great Expectations gets each repeated value twice."""
        import pandas as pd

        columns = identifiers(rule.columns)
        digests = ", ".join(f"{self._digest(column)} as {identifier(column)}" for column in rule.columns)
        rows = f"(select _id, {self._partition} as _of, {digests} from {table})"
        list_repeated_rows(self.db, f"select _id, hash(_of, {columns}) as _hash from {rows}")
        rows = f"(select r.* from {rows} r semi join repeated_rows using (_id))"
        alike = f"select _of, {columns} from {rows} group by all having count(*) > 1"
        self.db.execute(f"create or replace temp table alike as {alike}")
        repeated = create_value_table(self.db, "repeated_values", f"select distinct {columns} from alike")
        for frame, numbers in repeated.read_frames():
            twice = pd.concat([frame, frame], ignore_index=True)
            (positions,) = find_failing_rows(self.name, twice, [rule])
            repeated.mark_failing({number: sorted({numbers[position % len(frame)] for position in positions})})
        same = _same_values(rule.columns)
        alike_rows = f"(select r.* from {rows} r semi join alike v on r._of = v._of and {same})"
        repeated.insert_failing_rows(alike_rows, same)

    def _digest(self, column: str) -> str:
        """Return SQL for a value that is equal for equal values of a column only, and that is never a long text."""
        name = identifier(column)
        if not is_text(self.types.get(column, "")):
            return name
        return digest_sql(f"{name}::varchar", LONG_TEXT)

    def _compare_all(self, number: int, rule: Rule, table: str) -> None:
        """Evaluate a rule on all rows of each partition, such as a rule that values increase."""
        rows = f"(select _id, {self._partition} as _of, {identifiers(rule.columns)} from {table})"
        for (partition,) in self.db.execute(f"select distinct _of from {rows} order by 1").fetchall():
            of_partition = f"select * exclude (_of) from {rows} where _of = {literal(partition)} order by _id"
            frame = read_frame(self.db, of_partition)
            (positions,) = find_failing_rows(self.name, frame.drop(columns="_id"), [rule])
            ids = frame["_id"].to_numpy()[positions]
            insert_numbers(self.db, "failures", number, ids)

    @property
    def _partition(self) -> str:
        return "_partition" if "_partition" in self.types else "''"

    def drop_tolerated(self, number: int, rule: Rule) -> None:
        """Delete a rule's failures in each partition in which enough judged rows pass: at least the share `mostly`.

        As in Great Expectations, a rule judges the rows that fulfil its condition, except those without a value.
        """
        judged = f"select _id, _partition from {self.table} where {_has_values(rule)}"
        if CONDITION in rule.kwargs:
            self._find_fulfilling(rule)
            judged += f" and _id in (select id from failures where rule = {PROBE})"
        self.db.execute(
            f"""delete from failures where rule = {number} and id in (
                with judged as ({judged}), tolerated as (
                    select _partition from judged left join failures f on f.rule = {number} and f.id = _id
                    group by 1 having (count(*) - count(f.id)) / count(*)::double >= {rule.mostly!r})
                select _id from judged where _partition in (from tolerated))"""
        )
        self.db.execute(f"delete from failures where rule = {PROBE}")

    def _find_fulfilling(self, rule: Rule) -> None:
        """Insert the rows that fulfil the condition of a rule into `failures`, with the rule number PROBE."""
        condition = {name: rule.kwargs[name] for name in (CONDITION, PARSER) if name in rule.kwargs}
        for null_rule in NULL_RULES:  # a row that fulfils the condition fails exactly one of the two
            arguments = {"column": rule.columns[0], **condition}
            self.evaluate_by_row({PROBE: rule.model_copy(update={"type": null_rule, "kwargs": arguments})})


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

    values: the values of each column; they share a DataFrame. rules: about these columns only.
    """
    if not rules:
        return {}
    failing_rows = find_failing_rows(name, share_frame(values), list(rules.values()))
    failing = {}
    for (number, rule), rows in zip(rules.items(), failing_rows, strict=True):
        # Failures of values that are repeated to fill the DataFrame don't count.
        positions = [row for row in rows if row < len(values[rule.kwargs["column"]])]
        if positions:
            failing[number] = positions
    return failing


def _has_values(rule: Rule) -> str:
    """Return a SQL condition that is false for the rows that a rule skips because values are missing."""
    if rule.type in NULL_RULES:
        return "true"
    ignored = rule.kwargs.get("ignore_row_if", "all_values_are_missing")
    if ignored in ("neither", "never"):
        return "true"
    operator = " and " if ignored in ("either_value_is_missing", "any_value_is_missing") else " or "
    return f"({operator.join(f'{identifier(column)} is not null' for column in rule.columns)})"


def _same_values(columns: Iterable[str]) -> str:
    """Return a SQL condition: the rows `r` and `v` have the same values in some columns."""
    return " and ".join(f"r.{name} is not distinct from v.{name}" for name in map(identifier, columns))
