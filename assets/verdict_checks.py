"""Convert the verdict on a partition's rows into the result of an asset check with metadata."""

from __future__ import annotations

import dagster as dg

from assets.metadata import Metadata, table
from assets.stage import CheckResult
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.verdicts import Verdict

DESCRIPTION_LENGTH = 500  # maximum length of a check's description, which Dagster shows in one line


def verdict_figures(verdict: Verdict) -> Metadata:
    """Return the row counts of a verdict, and the values recorded by rules of severity `info`, for Dagster's plots."""
    recorded = {r.column: r.observed for r in verdict.rules if r.severity == "info" and r.observed is not None}
    return {
        **recorded,
        "dagster/partition_row_count": verdict.accepted_rows,
        "rows landed": verdict.landed,
        "rows quarantined": verdict.quarantined,
        "duplicates dropped": verdict.duplicates,
        "rows superseded": verdict.superseded,
        "warnings": len(verdict.warnings),
        "verdict": verdict.id,
    }


def verdict_check(name: str, verdict: Verdict, data_docs: str, partition: str | None) -> CheckResult:
    """Return the result of the asset check that shows the verdict on a partition's rows.

    The check fails as an error if the partition is rejected, and as a warning if a rule failed or a row is in
    quarantine. `data_docs` is the path of the Data Docs, which show the details.
    """
    failed = [rule for rule in verdict.rules if not rule.passed and rule.severity != "info"]
    problems = []
    if failed:
        problems.append(f"{format_plural(len(failed), 'rule')} failed")
    if verdict.quarantined:
        problems.append(f"{format_plural(verdict.quarantined, 'row')} quarantined")
    description = "; ".join(verdict.reasons or problems or ["all rules passed"])
    return CheckResult(
        name,
        passed=verdict.accepted and not problems and not verdict.reasons,
        metadata=_check_metadata(verdict, data_docs),
        partition=partition,
        warn=verdict.accepted,
        description=description[:DESCRIPTION_LENGTH],
    )


def _check_metadata(verdict: Verdict, data_docs: str) -> Metadata:
    metadata = verdict_figures(verdict) | {"Data Docs": dg.MetadataValue.path(data_docs)}
    rows = [
        {
            "column": rule.column,
            "expected": rule.expected,
            "rule": rule.rule,
            "severity": rule.severity,
            "rows failed": rule.failed,
            "rows checked": rule.of,
            "observed": "" if rule.observed is None else str(rule.observed),
            "lines": ", ".join(map(str, rule.sample_rows)),
        }
        for rule in verdict.rules
        if not rule.passed and rule.severity != "info"
    ]
    if rows:
        metadata["failed rules"] = table(rows)
    if verdict.reasons:
        metadata["reasons"] = "\n".join(verdict.reasons)
    return metadata
