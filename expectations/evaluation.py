"""Evaluate a suite on the table `typed`, and quarantine the rows that fail a critical rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from expectations.gx_runner import find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.rule_decimals import read_frame
from expectations.rule_results import SAMPLE_ROWS, RowFailures
from expectations.rules import Rule, Suite
from sixtyforty.ingest.contract_rows import select_validated_rows
from sixtyforty.ingest.repeated_keys import row_portions, select_in_portions
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.sql import identifier, identifiers, literal

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

CONTRADICTION = -2  # in the table `failures`, the number in place of a rule for rows that contradict each other


@dataclass(frozen=True)
class RowCounts:
    """The numbers of rows of a raw partition. `landed` is the sum of the other four numbers."""

    landed: int = 0
    accepted_rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    superseded: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Row counts and metrics of several partitions of a source, and which rows and metrics fail the suite's rules.

    counts: numbers of rows by partition.
    distinct_quarantined: numbers of quarantined rows by partition. A row that several extracts repeat counts once.
    row_failures: failing rows by partition and number of the rule.
    metrics: the suite's metrics, one row per partition with accepted rows.
    failing_metrics: for each rule about partitions, the positions of the rows of `metrics` that fail the rule.
    """

    counts: Mapping[str, RowCounts]
    distinct_quarantined: Mapping[str, int]
    row_failures: Mapping[str, Mapping[int, RowFailures]]
    metrics: pd.DataFrame
    failing_metrics: Sequence[Sequence[int]]


@dataclass(frozen=True)
class SuiteEvaluator:
    """Evaluates a suite on the table `typed`, which the module `sixtyforty.ingest.casting` describes.

    - db: the session with the table.
    - lake, sources: the lake and the sources of the use case. A rule may take its allowed values from a snapshot.
    - source: the name of the source whose rows are in the table.
    - has_own_keys: whether each row of the table has a key of its own.
    """

    db: duckdb.DuckDBPyConnection
    lake: Lake
    sources: Mapping[str, Source]
    source: str
    suite: Suite
    has_own_keys: bool

    def quarantine_failing_rows(self, done: Collection[str] | None) -> None:
        """Evaluate the rules about rows, and mark the rows that fail a critical rule as quarantined.

        Contradictory rows (see `repeated_keys`) are quarantined like rows that fail a critical rule.

        The failing rows are in the table `failures` (see `row_rules`), by their rowid in `typed`.

        done: the partitions that are not evaluated again; None in the first call. The failures of their rows stay, and
        so do the failures of rows that are quarantined already.
        """
        is_due = f"_status = 'row' and _partition not in ({', '.join(map(literal, ['', *sorted(done or ())]))})"
        if done is not None:
            self.db.execute(
                f"""create or replace temp table earlier_failures as
                select f.* from failures f join typed on typed.rowid = f.id where not ({is_due})"""
            )
        rules = self._view_checked_rows(is_due)
        key = self.sources[self.source].key if self.has_own_keys else ()
        record_failing_rows(self.db, self.source, "checked_rows", rules, key, row_portions(self.db))
        self.db.execute(
            f"""insert into failures select {CONTRADICTION}, rowid from typed
            where {is_due} and rowid in (select id from contradictory)"""
        )
        if done is not None:
            self.db.execute("insert into failures from earlier_failures")
        _mark_quarantined(self.db, self.suite)

    def _view_checked_rows(self, is_due: str) -> list[Rule]:
        """Create the view `checked_rows` with the columns that the rules read. Return the rules to evaluate on it.

        is_due: SQL condition for the rows of `typed` that are evaluated. They may be too many for a copy in memory.
        """
        # A derived column is null in a row for which it can't be computed. One bad row must not stop the validation.
        derived = {name: f"try({sql})" for name, sql in self.sources[self.source].derived.items()}
        rules = []
        for number, rule in enumerate(self.suite.rows):
            if isinstance(rule.kwargs.get("value_set"), dict):
                name = f"_known_{number}"
                derived[name] = _is_known_sql(self.lake, self.sources, rule)
                rule = rule.model_copy(update={"kwargs": rule.kwargs | {"column": name, "value_set": [True]}})
            rules.append(rule)
        checked = identifiers(sorted({"_id", "_partition"}.union(*(rule.read_columns for rule in rules))))
        computed = "".join(f", {sql} as {identifier(name)}" for name, sql in derived.items())
        self.db.execute(
            f"""create or replace temp view checked_rows as select {checked}
            from (
                select _rowid as _id, * exclude (_rowid) replace (_partition::varchar as _partition){computed}
                from ({select_in_portions(self.db)}) where {is_due})"""
        )
        return rules

    def evaluate(self) -> Evaluation:
        """Return how the suite judges the partitions. Call `quarantine_failing_rows` first."""
        metrics = _read_metrics(self.db, self.suite)
        failing_metrics = find_failing_rows(f"{self.source}_partitions", metrics, self.suite.partition.rules)
        distinct = _count_distinct_quarantined(self.db, self.sources[self.source])
        return Evaluation(_count_rows(self.db), distinct, _read_row_failures(self.db), metrics, failing_metrics)


def _is_known_sql(lake: Lake, sources: Mapping[str, Source], rule: Rule) -> str:
    """Return a SQL condition for a rule whose `value_set` names a column: the value is null or in that column.

    The check runs in SQL because Great Expectations takes a second for a set of a few thousand values.
    """
    value_set, column = rule.kwargs["value_set"], identifier(rule.kwargs["column"])
    entry = lake.entry(f"validated/{value_set['source']}", SNAPSHOT)
    known = identifier(value_set["column"])
    values = "select null limit 0"
    if entry:
        rows = select_validated_rows(lake, sources[value_set["source"]], [entry])
        values = f"select {known} from {rows} where {known} is not null"
    return f"({column} is null or {column} in ({values}))"


def _mark_quarantined(db: duckdb.DuckDBPyConnection, suite: Suite) -> None:
    import pandas as pd

    reasons = [
        (number, f"{rule.column}: {rule.why}") for number, rule in enumerate(suite.rows) if rule.severity == "critical"
    ]
    frame = pd.DataFrame(reasons, columns=["rule", "reason"]).astype({"rule": "int64", "reason": "str"})
    db.register("critical_rules", frame)
    db.execute(
        """update typed set _status = 'quarantined', _reason = m.reason from (
            select id, string_agg(reason, '; ' order by reason) as reason
            from failures join critical_rules using (rule) group by id) m
        where typed.rowid = m.id"""
    )
    # The publication adds the reason, because millions of rows may contradict each other.
    db.execute(
        f"""update typed set _status = 'quarantined', _reason = coalesce(_reason, '')
        where rowid in (select id from failures where rule = {CONTRADICTION})"""
    )


def _read_metrics(db: duckdb.DuckDBPyConnection, suite: Suite) -> pd.DataFrame:
    """Return a suite's metrics: one row per partition with accepted rows, computed on these rows."""
    aggregates = "".join(f", {sql} as {identifier(name)}" for name, sql in suite.partition.metrics.items())
    return read_frame(
        db,
        f"""select _partition::varchar as _partition{aggregates} from (
            select * exclude (_rowid) from ({select_in_portions(db)})) where _status = 'row' group by 1 order by 1""",
    )


def _count_rows(db: duckdb.DuckDBPyConnection) -> dict[str, RowCounts]:
    """Return the numbers of landed, accepted, quarantined, duplicate and superseded rows by partition."""
    counts = db.execute(
        """select _partition, count(*), count(*) filter (_status = 'row'),
            count(*) filter (_status = 'quarantined'), count(*) filter (_status = 'duplicate'),
            count(*) filter (_status = 'superseded')
        from typed group by 1"""
    ).fetchall()
    return {partition: RowCounts(*numbers) for partition, *numbers in counts}


def _count_distinct_quarantined(db: duckdb.DuckDBPyConnection, source: Source) -> dict[str, int]:
    """Return the numbers of quarantined rows by partition. Rows that are equal in several extracts count once.

    A text that doesn't fit its type is part of the reason, unless the column is personal.
    """
    content = f"hash({identifiers(source.columns)}, _reason)"
    counts = db.execute(
        f"""with repeated as (
            select _partition, _seq, {content} as content, count(*) as rows from typed where _status = 'quarantined'
            group by all),
        distinct_rows as (select _partition, content, max(rows) as rows from repeated group by all)
        select _partition, sum(rows)::bigint from distinct_rows group by 1"""
    ).fetchall()
    return dict(counts)


def _read_row_failures(db: duckdb.DuckDBPyConnection) -> dict[str, dict[int, RowFailures]]:
    """Return, by partition and number of the rule, how many rows fail the rule, and the first of their row numbers.

    A row number is the number of the row in its extract.
    """
    failures: dict[str, dict[int, RowFailures]] = {}
    for partition, rule, count, rows in db.execute(
        f"""select typed._partition, failures.rule, count(*), min(_row, {SAMPLE_ROWS})
        from failures join typed on typed.rowid = failures.id group by all"""
    ).fetchall():
        failures.setdefault(partition, {})[rule] = RowFailures(count, rows)
    return failures
