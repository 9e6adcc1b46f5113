"""decisions: each unit once, when its moment has come."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty.decisions import decide
from sixtyforty.use_case import UseCase


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The decisions of a use case."""
    return [
        stage(
            use_case,
            "decisions",
            _decisions,
            description=f"{use_case.people.process_step}\n\nWhat is decided for the {use_case.kpi.noun}, by the"
            " champion in force at each one's moment, else by the present process. Once taken, a decision stays.",
            phase="deployment",
            kinds={"scikitlearn", "parquet"},
            deps=["features", "champion"],
        )
    ]


def _decisions(step: Step) -> Result:
    result, new, fallback = Result(), 0, 0
    first = step.use_case.replay.first.isoformat()
    for portion in step.chunks():
        wanted = [p for p in portion if step.clock.track != "replay" or p >= first]
        for partition, taken in decide(step.ws, wanted, step.clock.track, step.clock.moment()).items():
            new, fallback = new + taken.new, fallback + taken.fallback
            result.published[partition] = Published(
                taken.entry.version,
                {"dagster/partition_row_count": taken.entry.rows, "new": taken.new, "by the model": taken.by_model,
                 "by the present process": taken.fallback, "track": step.clock.track},
            )  # fmt: skip
    step.log.info(f"decisions: {new:,} new on {len(result.published)} partitions, {fallback:,} by the present process")
    return result
