"""Leave live units to the current process while features.sql can't run, so that no day is without decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from assets.stage import PublishedPartition, StageCheck, StageRun
from assets.verdict_checks import verdict_figures
from expectations.serving_gate import FEATURES
from sixtyforty.decisions.champion_scores import unscored_reason
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.due_decisions import first_due_partition, live_since
from sixtyforty.modeling import built_by, taint
from sixtyforty.modeling.feature_sql import FeatureError
from sixtyforty.modeling.features import FeatureWindow
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.modeling.sql_guard import ForbiddenSqlError
from sixtyforty.modeling.sql_problem import problem_of_error
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.stored_tables import Rows, with_column
from sixtyforty.storage.verdicts import Verdict, verdict_facts

FEATURES_BUILT = StageCheck(
    "features_built", "features.sql can run. While it can't, the current process takes the live decisions."
)


def sql_faults() -> tuple[type[Exception], ...]:
    """Return the types of error that mean a fault of the SQL itself.

    An error of any other type, such as a full disk, ends the run, which is then tried again.
    """
    import duckdb

    return FeatureError, ForbiddenSqlError, duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError


def leave_to_current_process(
    run: StageRun, window: FeatureWindow, published: dict[str, PublishedPartition], error: Exception
) -> str:
    """Write features with nulls for the due live decisions, which the current process then takes. Return the fault.

    Partitions that are decided, or whose features are current, keep their features. error: why features.sql can't run.
    published: receives the partitions that were written.
    Raises the error on the replay, which can be calculated again, and FeatureError if the current process's SQL can't
    run either. Live decisions then wait.
    """
    if run.track != "live":
        raise error
    fault = describe_fault(run, "features", error)
    try:
        built = window.build_without_features()
    except sql_faults() as second:
        place = describe_fault(run, "current_process", second)
        raise FeatureError(
            f"{place}. Correct this file. Live decisions wait until then, as the current process can't decide either."
        ) from second
    due = _select_undecided(run, built.tables)
    run.log.error(f"features: not built ({fault}; the current process decides {format_plural(len(due), 'partition')})")
    _write(run, published, due, built.inputs, unscored_reason(fault))
    return fault


def describe_fault(run: StageRun, stage: str, error: Exception) -> str:
    """Return the file, the line and the reason why a SQL file can't run, as a clause."""
    if isinstance(error, FeatureError | ForbiddenSqlError):
        return str(error).removeprefix(f"{run.use_case.name}: ").split(". ")[0]
    problem = problem_of_error(error, stage=stage, last_line=run.use_case.sql(stage).count("\n") + 1)
    return f"{stage}.sql, line {problem.line}: {problem.message}".split(". ")[0].rstrip(".")


def _select_undecided(run: StageRun, tables: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return the partitions that may have due units, and that have no features from their current inputs."""
    start = live_since(run.ws, "live")
    if start is None:
        return {}
    first, lake = first_due_partition(run.use_case, start), run.ws.lake
    taken, features = lake.entries(decisions_dataset("live"), tables), lake.entries("features", tables)
    outdated = find_outdated(run.use_case, lake, list(tables))
    return {
        partition: tables[partition]
        for partition in run.use_case.decision_partitions(tables)
        if partition >= first
        and (partition not in features or partition in outdated)
        and (partition not in taken or taken[partition].rows < tables[partition].num_rows)
    }


def _write(
    run: StageRun,
    published: dict[str, PublishedPartition],
    tables: Mapping[str, Rows],
    inputs: Mapping[str, Mapping[str, dict[str, str]]],
    reason: str,
) -> None:
    import pyarrow as pa

    declared = {**built_by.declared_parts(run.use_case, "features"), built_by.FEATURES_SQL: built_by.NOTHING}
    empty = Verdict(FEATURES, "", True, 0, 0, 0, 0, 0, reasons=[], rules=[])
    verdicts = {p: replace(empty, partition=p, landed=t.num_rows, quarantined=t.num_rows) for p, t in tables.items()}
    suspect = pa.scalar(reason, pa.string())
    marked = {
        p: with_column(rows, "suspect", pa.string(), lambda _, count: pa.repeat(suspect, count))
        for p, rows in tables.items()
    }
    facts = {p: verdict_facts(verdict) | {built_by.FACT: declared} for p, verdict in verdicts.items()}
    entries = run.ws.lake.write_all("features", marked, inputs=inputs, code=run.ws.code_version, facts=facts)
    taint.settle(run.ws.lake, entries)
    for partition, entry in entries.items():
        published[partition] = PublishedPartition(entry.version, verdict_figures(verdicts[partition]))
