"""Do the work of the report stages: current_state, impact_report and model_record."""

from __future__ import annotations

import dagster as dg

from assets.metadata import Metadata, MetadataItem, TableRow, table
from assets.page_links import report_link
from assets.stage import StageResult, StageRun
from sixtyforty.accounting import kpi_ledger, kpi_summary
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.reports import current_state, impact_report, model_record
from sixtyforty.spec.draft import Draft
from sixtyforty.storage.files import digest

POLICY_NAMES = {
    "current_process": "current process",
    "random_choice": "random choice",
    "perfect_foresight": "perfect foresight",
}


def describe_current_state(run: StageRun) -> StageResult:
    """Write the page on the state before any model: data, similar data of other use cases, current process."""
    now = run.clock.current_time()
    others = [run.project_home.workspace(c) for c in run.load_use_cases() if c.name != run.use_case.name]
    state = current_state.describe_current_state(run.ws, others, now)
    path = current_state.write_report(run.ws, state, now)
    metadata: Metadata = {
        "page": report_link(run.use_case.name, path.name),
        "sources": table([_source_row(source) for source in state.sources]),
        "value today, per 1,000 decisions": _value_today(state),
    }
    metadata |= {f"columns of {source.name}": table(_column_rows(source)) for source in state.sources if source.columns}
    if state.similar:
        metadata["similar sources in the project"] = table([_similar_source_row(similar) for similar in state.similar])
    if isinstance(run.use_case, Draft):
        metadata["fields still to fill in"] = table(
            [
                {"field": blank.path, "where": f"{blank.file.name}:{blank.line}", "purpose of the field": blank.purpose}
                for blank in run.use_case.blanks
            ]
        )
    run.log.info(f"current_state: page about the data and the current process written ({path})")
    return StageResult.snapshot(digest(repr(state)), metadata)


def _value_today(state: current_state.CurrentState) -> MetadataItem:
    if not state.today:
        return f"not known yet: {state.why}"
    today = state.today
    return table(
        [
            {"decided by": name, today.currency: today.per_1000[policy], "label": today.label}
            for policy, name in POLICY_NAMES.items()
        ]
    )


def _source_row(source: current_state.SourceProfile) -> TableRow:
    return {
        "source": source.name,
        "extracts": source.extracts,
        "rows landed": source.landed,
        "rows accepted": source.accepted,
        "rows quarantined": source.quarantined,
        "rows resubmitted": source.resubmitted,
        "partitions rejected": source.rejected,
        "first partition": source.first or "",
        "last partition": source.last or "",
        "partitions without rows": source.gaps,
        "days stale": "" if source.days_stale is None else str(source.days_stale),
    }


def _column_rows(source: current_state.SourceProfile) -> list[TableRow]:
    """Return a table row for each column of a source, without the range of values of text and personal columns."""

    def shown(bound: object, column: str) -> str:
        is_hidden = column in source.personal or bound is None or isinstance(bound, str)
        return "" if is_hidden else str(bound)

    return [
        {
            "column": column.name,
            "type": column.kind,
            "share missing": round(column.nulls / source.profiled, 4),
            "distinct values": column.distinct,
            "lowest": shown(column.low, column.name),
            "highest": shown(column.high, column.name),
        }
        for column in source.columns
    ]


def _similar_source_row(similar: current_state.SimilarSource) -> TableRow:
    return {
        "source": similar.source,
        "other use case": similar.use_case,
        "other source": similar.other_source,
        "why": similar.why,
        "common columns": ", ".join(similar.shared),
        "findings": "; ".join(similar.findings),
    }


def write_impact_report(run: StageRun) -> StageResult:
    """Write the impact report, the owner's page: what was decided, its value, and what to do next."""
    if not kpi_ledger.read_daily_values(run.ws, run.track):
        run.log.info("impact_report: skipped (no decision has a known outcome yet)")
        return StageResult()
    path = impact_report.write_report(run.ws, run.track)
    if refusal := describe_refusal(run.ws, run.track):
        run.log.error(f"impact_report: page written without figures, because they can't be trusted ({refusal})")
        refused: Metadata = {"page": report_link(run.use_case.name, path.name), "refused": refusal}
        return StageResult.snapshot(digest(path.read_bytes()), refused)
    summary = kpi_summary.summarize_kpi(run.ws, run.track)
    metadata: Metadata = {
        "page": report_link(run.use_case.name, path.name),
        f"gain over the current process, if every decision is followed ({summary.unit})": summary.gain,
        f"gain of what people did ({summary.unit})": summary.done.gain if summary.done else None,
        f"assumed cost of building and running ({summary.unit})": summary.build + summary.running,
        f"net benefit ({summary.unit})": summary.counted.net_impact,
        "what the net benefit counts": summary.counted.note,
        "label": summary.label,
    }
    run.log.info(f"impact_report: owner's page about the gain written ({path})")
    return StageResult.snapshot(digest(path.read_bytes()), metadata)


def write_model_record(run: StageRun) -> StageResult:
    """Write the model record: what was tried, found and decided, and on which data."""
    path = model_record.write_record(run.ws, run.track)
    versions = model_record.record_versions(run.ws, run.track)
    metadata: Metadata = {
        "page": report_link(run.use_case.name, path.name),
        "record": dg.MetadataValue.md(path.read_text()),
        "version": dg.MetadataValue.path(str(versions[-1])),
    }
    run.log.info(f"model_record: document about the models written ({path})")
    return StageResult.snapshot(digest(path.read_bytes()), metadata)
