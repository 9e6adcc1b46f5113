"""Describe the columns of each stage's rows for Dagster's pages: type, meaning, and the columns that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from assets.metadata import Metadata
from assets.stage import StageColumn, StageResult, StageRun, StageTarget, asset_key
from expectations.rules import Rule
from expectations.suites import load_suite
from sixtyforty.accounting import usage
from sixtyforty.modeling.column_lineage import trace_columns
from sixtyforty.value.daily_value import CANDIDATE_PREFIX, POLICIES

LANDED = "text, as it landed"
USAGE_MEANINGS = {
    "decisions": "decisions of the partition",
    "responses": "responses of people to the decisions of the partition",
    "simulated": "responses that were simulated for a demonstration",
    "seen": "decisions that somebody has seen",
    "accepted": "decisions that somebody accepted",
    "overridden": "decisions that somebody replaced by another action",
    "known": "overrides whose outcome is known",
    "right": "overrides that were better than the decision they replaced",
    "unmatched": "responses that belong to no decision",
}


def raw_columns(target: StageTarget) -> dict[str, StageColumn]:
    """Return the columns of a source's raw rows: each as text, with the file and line that it was read from."""
    source = target.source
    columns = {name: StageColumn("VARCHAR", _personal_note(target, name) or LANDED) for name in source.columns}
    return columns | {
        "_extract": StageColumn("VARCHAR", "file that the row was read from"),
        "_row": StageColumn("BIGINT", "line of the file"),
    }


def validated_columns(target: StageTarget) -> dict[str, StageColumn]:
    """Return the columns of a source's data contract. The meaning of each names what its rules expect, and why."""
    source = target.source_name
    columns, rules = {}, _describe_rules(load_suite(target.use_case.name, source).rows)
    for name, kind in target.source.columns.items():
        meaning = _personal_note(target, name) or rules.get(name, "")
        columns[name] = StageColumn(kind, meaning, [(f"raw/{source}", name)])
    return columns


def _personal_note(target: StageTarget, column: str) -> str:
    return "personal data: not shown" if column in target.source.personal else ""


def _describe_rules(rules: Sequence[Rule]) -> dict[str, str]:
    """Return, by column, what the rules expect of it, with the reason of each rule."""
    texts: dict[str, list[str]] = {}
    for rule in rules:
        text = f"{rule.expected}: {rule.why.strip().rstrip('.')}."
        for column in dict.fromkeys(rule.columns):
            texts.setdefault(column, []).append(text)
    return {column: " ".join(column_texts) for column, column_texts in texts.items()}


def calculated_columns(target: StageTarget, stage: str, types: Mapping[str, object]) -> dict[str, StageColumn]:
    """Return the columns of `features` or `outcomes`, each with the source columns that it is calculated from.

    types: the type of each column of the rows. To follow the SQL, DuckDB is needed, which takes long to import. So the
    stage that writes the rows calls this function, and Dagster's definitions don't.
    """
    declared = {name: list(source.columns) for name, source in target.use_case.sources.items()}
    traced = trace_columns((target.use_case.folder / f"{stage}.sql").read_text(), declared)
    columns = {}
    rules_by_column = _describe_rules(load_suite(target.use_case.name, stage).rows) if stage == "features" else {}
    for name, kind in types.items():
        origins = traced.get(name.lower(), [])
        rules = rules_by_column.get(name, "")
        is_key = name in target.use_case.decision.key
        meaning = "identifies the unit" if is_key else _describe_origins(origins)
        text = f"{meaning}. {rules}" if meaning and rules else meaning or rules
        columns[name] = StageColumn(str(kind), text, [(f"validated/{source}", column) for source, column in origins])
    return columns


def describe_newest(run: StageRun, built: StageResult, stage: str) -> None:
    """Describe the columns of the newest published partition, which people open first. stage: features or outcomes."""
    entry = run.ws.lake.entry(stage, max(built.published)) if built.published else None
    if entry is not None:
        columns = calculated_columns(StageTarget(run.use_case), stage, run.ws.lake.columns(entry))
        built.newest_metadata.update(describe_columns(run.use_case.name, columns))


def _describe_origins(origins: list[tuple[str, str]]) -> str:
    return f"calculated from {', '.join(f'{source}.{column}' for source, column in origins)}" if origins else ""


def describe_columns(use_case: str, columns: Mapping[str, StageColumn]) -> Metadata:
    """Return columns as metadata for Dagster's pages: the schema, and the lineage of the columns that have origins."""
    metadata: Metadata = {}
    if columns:
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(
            dg.TableSchema([dg.TableColumn(name, c.type, c.meaning or None) for name, c in columns.items()])
        )
    lineage = {
        name: [dg.TableColumnDep(asset_key(use_case, stage), origin) for stage, origin in column.origins]
        for name, column in columns.items()
        if column.origins
    }
    if lineage:
        metadata["dagster/column_lineage"] = dg.MetadataValue.column_lineage(dg.TableColumnLineage(lineage))
    return metadata


def review_columns(target: StageTarget) -> dict[str, StageColumn]:
    """Return the columns of the review queue."""
    currency = target.use_case.kpi.currency
    return {
        "decision_id": StageColumn("VARCHAR", "id of the decision"),
        "decided_at": StageColumn("TIMESTAMP", "decision time, UTC"),
        "rank": StageColumn("BIGINT", "place in the review queue: the decision of rank 1 is reviewed first"),
        "value_of_information": StageColumn("DOUBLE", f"{currency}, expected benefit of knowing the outcome"),
        "reviewer": StageColumn("VARCHAR", "role of the people who review the decision"),
        "why": StageColumn("VARCHAR", "why the decision qualifies for a review"),
        "action": StageColumn("VARCHAR", "the action that was decided"),
        "alternative": StageColumn("VARCHAR", "the other action that the reviewer considers"),
        "minutes": StageColumn("DOUBLE", "time that the review of the decision takes, in minutes"),
    }


def value_columns(target: StageTarget) -> dict[str, StageColumn]:
    """Return the columns of the accounts: the value of a partition's decisions under each way of deciding."""
    kpi = target.use_case.kpi
    candidates = [CANDIDATE_PREFIX + name for name in kpi.candidates]
    money: Mapping[str, StageColumn] = {
        name: StageColumn("DOUBLE", f"{kpi.currency}, value if decided by: {name.replace('_', ' ')}")
        for name in [*POLICIES, *candidates]
    }
    counted = {
        "partition": StageColumn("VARCHAR", "the partition whose decisions are valued"),
        "decisions": StageColumn("BIGINT", "number of decisions with a known outcome"),
    }
    return counted | dict(money)


def usage_columns(target: StageTarget) -> dict[str, StageColumn]:
    """Return the columns of the accounts of what people did with a partition's decisions."""
    counts = {name: StageColumn("BIGINT", USAGE_MEANINGS[name]) for name in usage.COUNTS}
    return counts | {"gain": StageColumn("DOUBLE", f"{target.use_case.kpi.currency}, gain of the overrides")}
