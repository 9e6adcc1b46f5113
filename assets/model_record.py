"""model_record: what was tried, found and decided, for whoever comes next."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty import record
from sixtyforty.lake import digest
from sixtyforty.partitions import SNAPSHOT
from sixtyforty.use_case import UseCase


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The model_record of a use case."""
    return [
        stage(
            use_case,
            "model_record",
            _model_record,
            phase="evaluation",
            kinds={"markdown"},
            deps=["champion", "kpi_impact", "degradation", "break_even", *(["stage_gate"] if use_case.stages else [])],
            partitioned=False,
            description="What was tried, found and decided, and on which data: for whoever comes next.",
        )
    ]


def _model_record(step: Step) -> Result:
    path = record.write(step.ws, step.clock.track)
    kept = record.versions(step.ws, step.clock.track)
    shown = {
        "page": dg.MetadataValue.path(str(path)),
        "record": dg.MetadataValue.md(path.read_text()),
        "version": dg.MetadataValue.path(str(kept[-1])),
    }
    return Result({SNAPSHOT: Published(digest(path.read_bytes()), shown)})
