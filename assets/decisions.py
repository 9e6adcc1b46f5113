"""decisions: each unit once, when its moment has come."""

from __future__ import annotations

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from sixtyforty.decisions.deciding import begins, decide
from sixtyforty.modeling.lineage import outdated
from sixtyforty.spec.use_case import UseCase

CURRENT = CheckSpec("features_current", "Nothing is decided on features older than the validated data in force.")


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The decisions of a use case."""
    return [
        stage(
            use_case,
            "decisions",
            _decisions,
            description=f"{use_case.people.process_step}\n\nWhat is decided for the {use_case.kpi.noun}, by the"
            " champion in force at each one's moment, else by the current process. Once taken, a decision stays.",
            phase="deployment",
            kinds={"scikitlearn", "parquet"},
            deps=["features", "champion"],
            checks=[CURRENT],
        )
    ]


def _decisions(step: Step) -> Result:
    result, new, fallback, kept = Result(), 0, 0, 0
    first = step.use_case.replay.first_day.isoformat()
    for portion in step.chunks():
        wanted = [p for p in portion if step.clock.track != "replay" or p >= first]
        for partition, taken in decide(step.ws, wanted, step.clock.track, step.clock.moment()).items():
            new, fallback, kept = new + taken.new, fallback + taken.fallback, kept + taken.kept
            shown = {
                "dagster/partition_row_count": taken.entry.rows,
                "new": taken.new,
                "by the model": taken.by_model,
                "by the current process": taken.fallback,
                "track": step.clock.track,
            }
            if taken.kept:
                shown["held back, or in shadow"] = taken.kept
            result.published[partition] = Published(taken.entry.version, shown)
    old = outdated(step.use_case, step.ws.lake, step.partitions)
    said = "; ".join(f"{p}: {', '.join(what[:3])}" for p, what in list(old.items())[:5])
    result.checks.append(Check(CURRENT.name, not old, {"partitions": ", ".join(old)}, description=said or "they are"))
    if step.clock.track == "live" and begins(step.ws, "live") is None:
        step.log.warning(f"not live yet: nothing is decided before `sixtyforty adopt {step.use_case.name}`")
    also = f", {kept:,} held back or in shadow" if kept else ""
    found = f"{new:,} new on {len(result.published)} partitions, {fallback:,} by the current process{also}"
    step.log.info(f"decisions: {found}")
    return result
