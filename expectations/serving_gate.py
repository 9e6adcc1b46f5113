"""The serving gate: mark feature rows that would mislead the model, so that the current process decides these units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from expectations.gx_runner import find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.rule_decimals import read_frame
from expectations.rule_results import SAMPLE_ROWS, RowFailures, partition_rule_results, row_rule_results
from expectations.rules import Suite
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifier
from sixtyforty.storage.stored_tables import PORTION_ROWS, Rows, pool, with_column
from sixtyforty.storage.verdicts import Verdict

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

FEATURES = "features"  # name of the suite of the features, and of the source in verdicts on features


@dataclass(frozen=True)
class _Evaluation:
    """Which feature rows of several partitions fail the rules of a suite, and the metrics of these partitions.

    Rows are numbered from 0 across all partitions.

    failures: the rows that fail a rule, by partition and the number of the rule.
    suspects: the rows that fail a critical rule.
    metrics: one row per partition, with the suite's metrics.
    failing_metrics: for each rule about partitions, the positions of the rows of `metrics` that fail the rule.
    """

    failures: dict[str, dict[int, RowFailures]]
    suspects: _SuspectRows
    metrics: pd.DataFrame
    failing_metrics: list[list[int]]


@dataclass(frozen=True)
class _SuspectRows:
    """The numbers of the suspect rows, sorted, and the reasons why they are suspect, as an Arrow dictionary array."""

    numbers: NDArray[np.int64]
    reasons: pa.DictionaryArray

    def count(self, start: int, rows: int) -> int:
        """Return how many of `rows` consecutive rows are suspect. start: the number of the first of these rows."""
        first, end = self._range(start, rows)
        return end - first

    def column(self, start: int, rows: int) -> pa.Array:
        """Return, for `rows` consecutive rows, why each row is suspect, or null. start: the number of the first one."""
        import numpy as np
        import pyarrow as pa

        first, end = self._range(start, rows)
        if first == end:
            return pa.nulls(rows, pa.string())
        codes = np.full(rows, -1)
        codes[self.numbers[first:end] - start] = self.reasons.indices[first:end].to_numpy()
        coded = pa.array(codes, pa.int32(), mask=codes < 0)
        return pa.DictionaryArray.from_arrays(coded, self.reasons.dictionary).cast(pa.string())

    def _range(self, start: int, rows: int) -> tuple[int, int]:
        import numpy as np

        first, end = np.searchsorted(self.numbers, [start, start + rows]).tolist()
        return first, end


def check_features(
    use_case: DecisionChain, suite: Suite, tables: Mapping[str, Rows], db: duckdb.DuckDBPyConnection | None = None
) -> dict[str, tuple[Rows, Verdict]]:
    """Check several partitions' features. Return each feature table with the new column `suspect`, and its verdict.

    The column `suspect` holds the reason why the model must not score a row, or null. A verdict counts suspect rows
    as quarantined. Suspect rows stay in the table, and the current process decides their units.

    tables: the feature tables by partition. db: a session with the use case's time zone, which is closed afterwards.
    None opens a new one.
    """
    if not tables:
        return {}
    with db or connect(use_case.timezone) as session:
        evaluation = _evaluate(session, suite, tables)
    personal = {column for source in use_case.sources.values() for column in source.personal}
    checked: dict[str, tuple[Rows, Verdict]] = {}
    start = 0
    for partition, table in tables.items():
        checked[partition] = _check_partition(suite, partition, table, start, evaluation, personal)
        start += table.num_rows
    return checked


def _evaluate(db: duckdb.DuckDBPyConnection, suite: Suite, tables: Mapping[str, Rows]) -> _Evaluation:
    _create_feature_rows(db, tables)
    record_failing_rows(db, FEATURES, "feature_rows", suite.rows)
    aggregates = "".join(f", {sql} as {identifier(name)}" for name, sql in suite.partition.metrics.items())
    metrics = read_frame(db, f"select _partition{aggregates} from feature_rows group by 1 order by 1")
    failures, suspects = _count_failures(db, tables), _find_suspects(db, suite)
    failing_metrics = find_failing_rows(f"{FEATURES}_partitions", metrics, suite.partition.rules)
    return _Evaluation(failures, suspects, metrics, failing_metrics)


def _create_feature_rows(db: duckdb.DuckDBPyConnection, tables: Mapping[str, Rows]) -> None:
    """Create the table `feature_rows` with the rows of all partitions, and the columns `_partition` and `_id`."""
    import pyarrow as pa

    start = 0
    for position, portion in enumerate(pool(tables)):
        numbers = pa.array(range(start, start + portion.num_rows), pa.int64())
        db.register("portion", portion.append_column("_id", numbers))
        command = "insert into feature_rows" if position else "create temp table feature_rows as"
        db.execute(f"{command} from portion")
        db.unregister("portion")
        start += portion.num_rows


def _count_failures(db: duckdb.DuckDBPyConnection, tables: Mapping[str, Rows]) -> dict[str, dict[int, RowFailures]]:
    """Count the failing rows of each partition and rule. Rows are numbered within their partition."""
    counted = db.execute(
        f"""select r._partition, f.rule, count(*), min(f.id, {SAMPLE_ROWS})
        from failures f join feature_rows r on f.id = r._id group by all order by all"""
    ).fetchall()
    starts = dict(zip(tables, accumulate((table.num_rows for table in tables.values()), initial=0), strict=False))
    failures: dict[str, dict[int, RowFailures]] = {partition: {} for partition in tables}
    for partition, rule, count, numbers in counted:
        failures[partition][rule] = RowFailures(count, [number - starts[partition] for number in numbers])
    return failures


def _find_suspects(db: duckdb.DuckDBPyConnection, suite: Suite) -> _SuspectRows:
    """Return the rows that fail a critical rule, with the reasons of all such rules."""
    import pyarrow as pa

    critical = [(number, rule.why) for number, rule in enumerate(suite.rows) if rule.severity == "critical"]
    db.execute("create temp table reasons (rule bigint, reason varchar)")
    if critical:
        db.executemany("insert into reasons values (?, ?)", critical)
    reader = db.sql(
        "select id, string_agg(reason, '; ' order by rule) as reason from failures join reasons using (rule)"
        " group by id order by id"
    ).to_arrow_reader(PORTION_ROWS)
    batches = [(batch.column("id"), batch.column("reason").dictionary_encode()) for batch in reader]
    numbers = pa.chunked_array([number for number, _ in batches], pa.int64())
    reasons = pa.chunked_array([coded for _, coded in batches], pa.dictionary(pa.int32(), pa.string()))
    return _SuspectRows(numbers.to_numpy(), reasons.unify_dictionaries().combine_chunks())


def _check_partition(
    suite: Suite, partition: str, table: Rows, start: int, evaluation: _Evaluation, personal: set[str]
) -> tuple[Rows, Verdict]:
    """Return one partition's feature table with the column `suspect`, and the partition's verdict.

    start: the number of the partition's first row among all rows.
    """
    import pyarrow as pa

    results, rejections = partition_rule_results(
        suite, partition, evaluation.metrics, evaluation.failing_metrics, closed=True, personal=personal
    )
    row_count, suspects = table.num_rows, evaluation.suspects
    quarantined = suspects.count(start, row_count)
    verdict = Verdict(
        source=FEATURES,
        partition=partition,
        accepted=not rejections,
        landed=row_count,
        accepted_rows=row_count - quarantined,
        quarantined=quarantined,
        duplicates=0,
        superseded=0,
        reasons=rejections,
        rules=row_rule_results(suite, evaluation.failures[partition], row_count, personal) + results,
    )
    checked = with_column(table, "suspect", pa.string(), lambda first, rows: suspects.column(start + first, rows))
    return checked, verdict
