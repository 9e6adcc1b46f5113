"""raw/<source>: what landed, as it landed, by partition."""

from __future__ import annotations

from functools import partial
from typing import Any

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import table
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Entry

READABLE = CheckSpec("extracts_readable", "Every landed extract could be read against its data contract.")


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """One asset a source."""
    return [
        stage(
            use_case,
            f"raw/{name}",
            partial(_raw, name),
            description=f"{source.description}\n\nIts {source.origin}, as they landed, every line as text, with its"
            " file and line.",
            phase="data_understanding",
            kinds={source.format, "parquet"},
            deps=["delivery"] if name not in use_case.inputs else [],
            partitioned=source.partition is not None,
            checks=[READABLE],
            columns={**dict.fromkeys(source.columns, "text as landed"), "_extract": "file", "_row": "line"},
        )
        for name, source in use_case.sources.items()
    ]


def _raw(source: str, step: Step) -> Result:
    result = Result()
    for portion in step.chunks():
        found = ingest(step.use_case, source, step.ws.lake, step.ws.landing, portion, step.ws.code)
        result.published |= {p: Published(e.version, _shown(e)) for p, e in found.items()}
    refused = [e for e in step.ws.landing.known(source) if e.problem]
    unread = step.ws.landing.unread.get(source, {})
    rows = [{"file": e.name, "lines": e.rows, "why": e.problem or ""} for e in refused]
    rows += [{"file": name, "lines": 0, "why": why} for name, why in unread.items()]
    said = f"{len(refused)} of {len(step.ws.landing.known(source))} extracts refused"
    said += f", {len(unread)} can't be read just now" if unread else ""
    result.checks.append(Check(READABLE.name, not rows, {"refused": _table(rows)}, warn=True, description=said))
    step.log.info(f"{source}: {len(result.published)} partitions, {said}")
    return result


def _table(rows: list[dict[str, Any]]) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.json(rows) if not rows else table(rows)


def _shown(entry: Entry) -> dict[str, object]:
    extracts = entry.facts["extracts"]
    return {
        "dagster/partition_row_count": entry.rows,
        "extracts": len(extracts),
        "files": ", ".join(e["name"] for e in extracts[:30]),
    }
