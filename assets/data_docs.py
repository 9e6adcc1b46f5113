"""data_docs: Great Expectations' pages, off the decisions' path."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from expectations.data_docs import build_docs
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The data_docs of a use case."""
    return [
        stage(
            use_case,
            "data_docs",
            _data_docs,
            phase="data_understanding",
            kinds={"greatexpectations"},
            deps=[f"validated/{s}" for s in use_case.inputs],
            partitioned=False,
            description="Great Expectations' pages on the newest partitions and every rejected one; off the"
            " decisions' path.",
        )
    ]


def _data_docs(step: Step) -> Result:
    path, shown = build_docs(step.use_case, step.ws.lake, step.ws.reports / "data_docs")
    return Result({SNAPSHOT: Published(digest(shown), {"Data Docs": dg.MetadataValue.path(str(path))})})
