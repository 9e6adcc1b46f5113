"""Do the work of the decision stages: decisions, review_queue and delivery."""

from __future__ import annotations

from collections import Counter

import dagster as dg

from assets.arrivals import check_snapshots
from assets.metadata import Metadata
from assets.stage import CheckResult, PublishedPartition, StageCheck, StageResult, StageRun
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import TakenDecisions, decisions_dataset
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.due_decisions import live_since
from sixtyforty.decisions.review_queue import QueueFigures, queue_reviews
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.spec.wording import format_plural

FEATURES_CURRENT = StageCheck(
    "features_current", "No decision uses features that are older than the validated data in force."
)


def decide_units(run: StageRun) -> StageResult:
    """Decide each unit once, after its decision time. A decision never changes, except when a replay is rebuilt."""
    result, totals = StageResult(), Counter[str]()
    first = run.use_case.replay.first_day.isoformat()
    for portion in run.portions():
        partitions = [p for p in portion if run.track == "live" or p >= first]
        taken_by_partition = take_decisions(
            run.ws, partitions, run.track, run.clock.time_limit(), anew=run.rebuilds_replay
        )
        for partition, taken in taken_by_partition.items():
            totals.update(new=taken.new, fallback=taken.fallback, held_back=taken.held_out)
            result.published[partition] = PublishedPartition(taken.entry.version, _decision_figures(run, taken))
    result.checks.append(_check_features_are_current(run))
    result.checks += check_snapshots(run)
    if run.track == "live" and live_since(run.ws, "live") is None:
        run.log.warning(
            f"decisions: skipped ({run.use_case.name} is not live). To go live, run"
            f" `sixtyforty adopt {run.use_case.name}`."
        )
    held_back = f", {totals['held_back']:,} in the holdout or in shadow" if totals["held_back"] else ""
    run.log.info(
        f"decisions: taken ({totals['new']:,} new, {format_plural(len(result.published), 'partition')},"
        f" {totals['fallback']:,} by the current process{held_back})"
    )
    return result


def _decision_figures(run: StageRun, taken: TakenDecisions) -> Metadata:
    figures: Metadata = {
        "dagster/partition_row_count": taken.entry.rows,
        "new decisions": taken.new,
        "by the model": taken.by_model,
        "by the current process": taken.fallback,
        "track": run.track,
    }
    return figures | ({"in the holdout or in shadow": taken.held_out} if taken.held_out else {})


def _check_features_are_current(run: StageRun) -> CheckResult:
    outdated = find_outdated(run.use_case, run.ws.lake, run.partitions)
    changes = [f"{partition}: {', '.join(changed[:3])}" for partition, changed in list(outdated.items())[:5]]
    return CheckResult(
        FEATURES_CURRENT.name,
        not outdated,
        {"partitions": ", ".join(outdated)},
        description="; ".join(changes) or "all features are current",
    )


def queue_decisions(run: StageRun) -> StageResult:
    """Queue the decisions for which a review has the highest value, within the time that the reviewers have."""
    result, totals = StageResult(), Counter[str]()
    for portion in run.portions():
        for partition, entry in queue_reviews(run.ws, portion, run.track, anew=run.rebuilds_replay).items():
            figures = QueueFigures.from_entry(entry)
            totals.update(queued=figures.queued, overflow=figures.overflow)
            metadata = {"dagster/partition_row_count": entry.rows, **vars(figures), "track": run.track}
            result.published[partition] = PublishedPartition(entry.version, metadata)
    run.log.info(
        f"review_queue: filled ({format_plural(totals['queued'], 'decision')} queued,"
        f" {totals['overflow']:,} beyond the reviewers' time)"
    )
    return result


def deliver(run: StageRun) -> StageResult:
    """Deliver each decision once: to a file for its partition, and to a SQL table by decision id."""
    result, new = StageResult(), 0
    for portion in run.portions():
        entries = run.ws.lake.entries(decisions_dataset(run.track), portion)
        for partition, delivered in deliver_decisions(run.ws, entries, run.track).items():
            new += delivered.new
            metadata: Metadata = {
                "dagster/partition_row_count": delivered.rows,
                "new decisions": delivered.new,
                "table": delivered.table,
                "file": dg.MetadataValue.path(str(run.ws.deliveries / delivered.files[0])),
            }
            result.published[partition] = PublishedPartition(entries[partition].version, metadata)
    run.log.info(f"delivery: delivered ({format_plural(new, 'new decision')})")
    return result
