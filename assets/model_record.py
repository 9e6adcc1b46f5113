"""model_record: what was tried, found and decided, for whoever comes next."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty.reports import model_record
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest


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
    path = model_record.write(step.ws, step.clock.track)
    kept = model_record.versions(step.ws, step.clock.track)
    shown = {
        "page": dg.MetadataValue.path(str(path)),
        "record": dg.MetadataValue.md(path.read_text()),
        "version": dg.MetadataValue.path(str(kept[-1])),
    }
    return Result({SNAPSHOT: Published(digest(path.read_bytes()), shown)})
