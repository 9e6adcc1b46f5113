"""delivery: decisions into the business process, each once."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty.decisions.deciding import dataset
from sixtyforty.decisions.delivery import deliver
from sixtyforty.spec.use_case import UseCase


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The delivery of a use case."""
    return [
        stage(
            use_case,
            "delivery",
            _delivery,
            description="Decisions as a dated CSV and Parquet, and in a SQL table by decision id; each once.",
            phase="deployment",
            kinds={"csv", "sql"},
            deps=["decisions"],
        )
    ]


def _delivery(step: Step) -> Result:
    result, new = Result(), 0
    for portion in step.chunks():
        entries = step.ws.lake.entries(dataset(step.clock.track), portion)
        for partition, got in deliver(step.ws, entries, step.clock.track).items():
            new += got.new
            result.published[partition] = Published(
                entries[partition].version,
                {
                    "dagster/partition_row_count": got.rows,
                    "new": got.new,
                    "table": got.table,
                    "file": dg.MetadataValue.path(str(step.ws.deliveries / got.files[0])),
                },
            )
    step.log.info(f"delivery: {new:,} new decisions delivered")
    return result
