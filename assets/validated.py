"""validated/<source>: what governance let through. The gate is the data: a rejected partition isn't there."""

from __future__ import annotations

from functools import partial

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import table
from expectations.suites import load
from expectations.validation import validate
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.verdicts import Verdict

CONTRACT = CheckSpec("contract", "The suite's verdict on the partition, before anything is published.", each=True)
CONSERVATION = CheckSpec(
    "conservation", "Rows landed = rows accepted + quarantined + exact duplicates + superseded, on every partition."
)


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """One asset a source."""
    return [
        stage(
            use_case,
            f"validated/{name}",
            partial(_validated, name),
            description=f"{load(use_case.name, name).about}\n\nTyped and checked rows of {name}; bad ones are in"
            " quarantine with the reason.",
            phase="data_preparation",
            kinds={"greatexpectations", "parquet"},
            deps=[f"raw/{name}", *_references(use_case, name)],
            partitioned=source.partition is not None,
            checks=[CONTRACT, CONSERVATION],
            columns=source.columns,
        )
        for name, source in use_case.sources.items()
    ]


def _references(use_case: UseCase, source: str) -> list[str]:
    suite = load(use_case.name, source)
    sets = [r.kwargs.get("value_set") for r in [*suite.rows, *suite.partition.rules]]
    return sorted({f"validated/{s['source']}" for s in sets if isinstance(s, dict)})


def _validated(source: str, step: Step) -> Result:
    result, lost, suite = Result(), [], load(step.use_case.name, source)
    rejected = quarantined = 0
    for portion in step.chunks():
        verdicts = validate(step.use_case, source, suite, step.ws.lake, portion, step.clock.moment(), step.ws.code)
        entries = step.ws.lake.entries(f"validated/{source}", verdicts)
        for partition, verdict in verdicts.items():
            result.checks.append(_check(verdict, step))
            lost += [partition] if not verdict.conserved else []
            quarantined += verdict.quarantined
            if verdict.accepted:
                result.published[partition] = Published(entries[partition].version, counts(verdict))
            else:
                rejected += 1
                stale = " An earlier accepted version stays in force, now stale." if partition in entries else ""
                step.log.error(f"{source} {partition} rejected: {'; '.join(verdict.reasons)}.{stale}")
    said = f"{len(result.published)} partitions accepted, {rejected} rejected, {quarantined} rows in quarantine"
    result.checks.append(Check(CONSERVATION.name, not lost, {"partitions": ", ".join(lost)}, description=said))
    step.log.info(f"{source}: {said}")
    return result


def counts(verdict: Verdict) -> dict[str, object]:
    """A verdict's figures, as metadata that the UI plots by partition."""
    recorded = {r.column: r.observed for r in verdict.rules if r.severity == "info" and r.observed is not None}
    return {
        **recorded,
        "dagster/partition_row_count": verdict.accepted_rows,
        "landed": verdict.landed,
        "quarantined": verdict.quarantined,
        "duplicates dropped": verdict.duplicates,
        "superseded": verdict.superseded,
        "warnings": len(verdict.warnings),
        "verdict": verdict.id,
    }


def _check(verdict: Verdict, step: Step) -> Check:
    return verdict_check(
        CONTRACT.name,
        verdict,
        str(step.ws.reports / "data_docs" / "index.html"),
        not step.ws.use_case.sources[verdict.source].partition,
    )


def verdict_check(name: str, verdict: Verdict, docs: str, whole: bool = False) -> Check:
    """A verdict as an asset check: fails as an error when rejected, as a warning when something is amiss."""
    failed = [r for r in verdict.rules if not r.passed and r.severity != "info"]
    metadata: dict[str, object] = counts(verdict) | {"Data Docs": dg.MetadataValue.path(docs)}
    if failed:
        metadata["failed"] = table(
            [
                {
                    "rule": r.expected,
                    "column": r.column,
                    "severity": r.severity,
                    "failed": r.failed,
                    "of": r.of,
                    "observed": "" if r.observed is None else str(r.observed),
                    "lines": ", ".join(map(str, r.sample_rows)),
                }
                for r in failed
            ]
        )
    if verdict.reasons:
        metadata["reasons"] = "\n".join(verdict.reasons)
    amiss = [f"{len(failed)} rules broken"] if failed else []
    amiss += [f"{verdict.quarantined} rows set apart"] if verdict.quarantined else []
    said = "; ".join(verdict.reasons or amiss or ["all rules held"])
    passed, partition = verdict.accepted and not (amiss or verdict.reasons), None if whole else verdict.partition
    return Check(name, passed, metadata, partition, warn=verdict.accepted, description=said[:500])
