"""Convert verdicts on the rows of partitions into what Dagster shows: check results, and rejected partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from assets.metadata import Metadata, table
from assets.stage import CheckResult, RejectedPartition, StageCheck
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.verdicts import Verdict, read_verdict

DESCRIPTION_LENGTH = 500  # maximum length of a check's description, which Dagster shows in one line
SHOWN_LINES = 5  # of the lines that failed a rule; the Data Docs and the quarantine have the others
REJECTED_NOW = StageCheck(
    "partitions_rejected_now",
    "Fails while a partition of the source is rejected, and names it until it is corrected.",
)


def verdict_figures(verdict: Verdict, resubmitted: int | None = None) -> Metadata:
    """Return the row counts of a verdict, and the values recorded by rules of severity `info`, for Dagster's plots.

    resubmitted: the number of rows that left the quarantine because people corrected them. None leaves it out.
    """
    recorded = {
        r.column.replace("_", " "): r.observed for r in verdict.rules if r.severity == "info" and r.observed is not None
    }
    return {
        **recorded,
        "dagster/partition_row_count": verdict.accepted_rows,
        "rows landed": verdict.landed,
        "rows quarantined": verdict.quarantined,
        **({} if resubmitted is None else {"rows resubmitted": resubmitted}),
        "duplicates dropped": verdict.duplicates,
        "rows superseded": verdict.superseded,
        "rules that failed as a warning": len(verdict.warnings),
        "id of the verdict": verdict.id,
    }


def summarize_verdicts(verdicts: Mapping[str, Verdict]) -> str:
    """Return how many partitions are accepted and rejected, and how many rows are in quarantine."""
    accepted = sum(verdict.accepted for verdict in verdicts.values())
    quarantined = sum(verdict.quarantined for verdict in verdicts.values())
    return (
        f"{format_plural(accepted, 'partition')} accepted, {len(verdicts) - accepted:,} rejected,"
        f" {format_plural(quarantined, 'row')} quarantined"
    )


def verdict_check(name: str, verdict: Verdict, data_docs: dg.UrlMetadataValue, partition: str | None) -> CheckResult:
    """Return the result of the asset check that shows the verdict on a partition's rows.

    The check fails as an error if the partition is rejected, and as a warning if a rule failed or a row is in
    quarantine. `data_docs` is the link to the Data Docs, which show the details.
    """
    failed = [rule for rule in verdict.rules if not rule.passed and rule.severity != "info"]
    problems = []
    if failed:
        problems.append(f"{format_plural(len(failed), 'rule')} failed")
    if verdict.quarantined:
        problems.append(f"{format_plural(verdict.quarantined, 'row')} quarantined")
    description = "; ".join(verdict.reasons or problems or ["all rules passed"])
    description = description if verdict.accepted else f"rejected: {_reason(verdict)}"
    return CheckResult(
        name,
        passed=verdict.accepted and not problems and not verdict.reasons,
        metadata=_check_metadata(verdict, data_docs),
        partition=partition,
        warn=verdict.accepted,
        description=description[:DESCRIPTION_LENGTH],
    )


def rejected_partition(verdict: Verdict, data_docs: dg.UrlMetadataValue, in_force: Entry | None) -> RejectedPartition:
    """Return a rejected partition for Dagster's pages: the reason, the failed rules, and what is in force instead.

    data_docs: the link to the Data Docs. in_force: the manifest of the earlier accepted version, if there is one.
    """
    first = {"rejected because": _reason(verdict), "in force instead": _describe_in_force(in_force)}
    metadata = first | _check_metadata(verdict, data_docs)
    return RejectedPartition(f"{_reason(verdict)}. {_describe_in_force(in_force)}", metadata)


def check_rejected_now(lake: Lake, source: str) -> CheckResult:
    """Check that no partition of a source is rejected at present, whichever partitions the run processed."""
    rejected = {p: read_verdict(entry) for p, entry in lake.entries(f"rejected/{source}").items()}
    in_force = lake.entries(f"validated/{source}", list(rejected))
    rows = [
        {"partition": _label(p), "reason": _reason(v), "in force instead": _describe_in_force(in_force.get(p))}
        for p, v in rejected.items()
    ]
    texts = [f"{row['partition']}: {row['reason']}" for row in rows]
    count = format_plural(len(rows), "partition")
    description = f"{count} rejected at present. {'; '.join(texts)}" if rows else "no partition is rejected at present"
    return CheckResult(
        REJECTED_NOW.name,
        passed=not rows,
        metadata={"rejected partitions": table(rows)} if rows else {},
        description=description[:DESCRIPTION_LENGTH],
    )


def _name_lines(rows: Sequence[int]) -> str:
    more = "…" if len(rows) > SHOWN_LINES else ""
    return ", ".join(map(str, rows[:SHOWN_LINES])) + more


def _label(partition: str) -> str:
    return "all rows" if partition == SNAPSHOT else partition


def _reason(verdict: Verdict) -> str:
    return "; ".join(verdict.reasons) or "no row is accepted"


def _describe_in_force(entry: Entry | None) -> str:
    if entry is None:
        return "No version of this partition was accepted, so the stages downstream have no data of it."
    return (
        f"The version that was accepted earlier stays in force ({format_plural(entry.rows, 'row')}). It is now stale."
    )


def _check_metadata(verdict: Verdict, data_docs: dg.UrlMetadataValue) -> Metadata:
    metadata = verdict_figures(verdict) | {"Data Docs": data_docs}
    rows = [
        {
            "column": rule.column,
            "expected": rule.expected,
            "rule": rule.rule,
            "severity": rule.severity,
            "rows failed": rule.failed,
            "rows checked": rule.of,
            "observed": "" if rule.observed is None else str(rule.observed),
            "lines": _name_lines(rule.sample_rows),
        }
        for rule in verdict.rules
        if not rule.passed and rule.severity != "info"
    ]
    if rows:
        metadata["failed rules"] = table(rows)
    if verdict.reasons:
        metadata["reasons"] = "\n".join(verdict.reasons)
    return metadata
