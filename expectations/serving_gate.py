"""The serving gate: mark feature rows that would mislead the model, so that the current process decides these units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.gx_runner import find_failing_rows
from expectations.row_rules import record_failing_rows
from expectations.rule_decimals import read_frame
from expectations.rule_results import SAMPLE_ROWS, RowFailures, partition_rule_results, row_rule_results
from expectations.rules import Suite
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import identifier
from sixtyforty.storage.verdicts import Verdict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FEATURES = "features"  # name of the suite of the features, and of the source in verdicts on features


@dataclass(frozen=True)
class _Evaluation:
    """Which feature rows of several partitions fail the rules of a suite, and the metrics of these partitions.

    failing_rows: the positions (NumPy array) of the rows that fail a rule, by the number of the rule.
    metrics: one row per partition, with the suite's metrics.
    failing_metrics: for each rule about partitions, the positions of the rows of `metrics` that fail the rule.
    """

    failing_rows: dict[int, Any]
    metrics: pd.DataFrame
    failing_metrics: list[list[int]]


def check_features(
    use_case: DecisionChain, suite: Suite, tables: Mapping[str, pa.Table]
) -> dict[str, tuple[pa.Table, Verdict]]:
    """Check the features of partitions. Return each partition's features with a new column `suspect`, and its verdict.

    tables: the feature tables by partition. The column `suspect` holds the reason why the model must not score a
    row, or null. A verdict counts suspect rows as quarantined. Suspect rows stay in the table, and the current process
    decides their units.
    """
    if not tables:
        return {}
    evaluation = _evaluate(use_case, suite, tables)
    reasons = _suspect_reasons(suite, evaluation, sum(table.num_rows for table in tables.values()))
    personal = {column for source in use_case.sources.values() for column in source.personal}
    checked, start = {}, 0
    for partition, table in tables.items():
        end = start + table.num_rows
        checked[partition] = _check_partition(suite, partition, table, start, reasons[start:end], evaluation, personal)
        start = end
    return checked


def _evaluate(use_case: DecisionChain, suite: Suite, tables: Mapping[str, pa.Table]) -> _Evaluation:
    import pyarrow as pa

    rows = pa.concat_tables(
        [table.append_column("_partition", [[partition] * table.num_rows]) for partition, table in tables.items()]
    )
    rows = rows.append_column("_id", pa.array(range(rows.num_rows), pa.int64()))
    with connect(use_case.timezone) as db:
        db.register("feature_rows", rows)
        record_failing_rows(db, FEATURES, "feature_rows", suite.rows)
        failures = db.execute("select rule, id from failures order by rule, id").fetchnumpy()
        aggregates = "".join(f", {sql} as {identifier(name)}" for name, sql in suite.partition.metrics.items())
        metrics = read_frame(db, f"select _partition{aggregates} from feature_rows group by 1 order by 1")
    failing_rows = {number: failures["id"][failures["rule"] == number] for number in range(len(suite.rows))}
    failing_metrics = find_failing_rows(f"{FEATURES}_partitions", metrics, suite.partition.rules)
    return _Evaluation(failing_rows, metrics, failing_metrics)


def _suspect_reasons(suite: Suite, evaluation: _Evaluation, row_count: int) -> list[str | None]:
    """Return, for each feature row, the reasons of the critical rules that the row fails; None if it fails none."""
    reasons: list[str | None] = [None] * row_count
    for number, rule in enumerate(suite.rows):
        if rule.severity == "critical":
            for position in map(int, evaluation.failing_rows[number]):
                earlier = reasons[position]
                reasons[position] = f"{earlier}; {rule.why}" if earlier else rule.why
    return reasons


def _check_partition(
    suite: Suite,
    partition: str,
    table: pa.Table,
    start: int,
    reasons: list[str | None],
    evaluation: _Evaluation,
    personal: set[str],
) -> tuple[pa.Table, Verdict]:
    """Return one partition's feature table with the column `suspect`, and the partition's verdict.

    start: position of the partition's first row among all rows. reasons: the values of the column `suspect`.
    """
    import pyarrow as pa

    end = start + table.num_rows
    failures = {}
    for number, rows in evaluation.failing_rows.items():
        positions = (rows[(rows >= start) & (rows < end)] - start).tolist()
        if positions:
            failures[number] = RowFailures(len(positions), positions[:SAMPLE_ROWS])
    results, rejections = partition_rule_results(
        suite, partition, evaluation.metrics, evaluation.failing_metrics, closed=True, personal=personal
    )
    suspects = sum(reason is not None for reason in reasons)
    verdict = Verdict(
        source=FEATURES,
        partition=partition,
        accepted=not rejections,
        landed=table.num_rows,
        accepted_rows=table.num_rows - suspects,
        quarantined=suspects,
        duplicates=0,
        superseded=0,
        reasons=rejections,
        rules=row_rule_results(suite, failures, table.num_rows, personal) + results,
    )
    return table.append_column("suspect", pa.array(reasons, pa.string())), verdict
