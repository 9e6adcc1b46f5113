"""Do the work of the decision stages: decisions, review_queue and delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import dagster as dg

from assets.arrivals import check_snapshots
from assets.metadata import Metadata
from assets.stage import CheckResult, PublishedPartition, StageCheck, StageResult, StageRun, refusal_check
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_facts import UnscoredDecisions
from sixtyforty.decisions.decision_table import TakenDecisions, decisions_dataset
from sixtyforty.decisions.delivery import deliver_decisions
from sixtyforty.decisions.due_decisions import live_since, partitions_to_decide
from sixtyforty.decisions.ledger_check import LedgerCheck, check_deciding_ledgers
from sixtyforty.decisions.review_queue import QueueFigures, queue_reviews
from sixtyforty.decisions.unscored import current_outage
from sixtyforty.decisions.webhook import WebhookError, send_due
from sixtyforty.modeling.gate_evidence import describe_unfit_champion
from sixtyforty.modeling.lineage import find_outdated
from sixtyforty.spec.clock import now as current_time
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.ledger_anchors import CURE

CHAMPION_SCORES = StageCheck(
    "champion_scores", "The champion in force can score the units. Where it can't, the current process decides."
)
LEDGERS_SOUND = StageCheck(
    "ledgers_sound",
    "The ledgers that deciding reads match their hashes and anchors. While they don't, the current process decides.",
)
FEATURES_CURRENT = StageCheck(
    "features_current", "No decision uses features that are older than the validated data in force."
)
CHECKS = (CHAMPION_SCORES, FEATURES_CURRENT, LEDGERS_SOUND)


def decide_units(run: StageRun) -> StageResult:
    """Decide each unit once, after its decision time. A decision never changes, except when a replay is rebuilt."""
    result, totals, new_unscored = StageResult(), Counter[str](), dict[str, Sequence[UnscoredDecisions]]()
    ledgers = _check_ledgers(run)
    for group in run.partition_groups():
        partitions = partitions_to_decide(run.ws, run.track, group)
        taken_by_partition = take_decisions(
            run.ws, partitions, run.track, run.clock.time_limit(), anew=run.rebuilds_replay, ledgers=ledgers
        )
        for partition, taken in taken_by_partition.items():
            totals.update(new=taken.new, fallback=taken.fallback, held_back=taken.held_out)
            result.published[partition] = PublishedPartition(taken.entry.version, _decision_figures(run, taken))
            if taken.new:
                new_unscored[partition] = taken.new_unscored
            _log_fallback(run, partition, taken)
    result.checks += [_check_champion(run, new_unscored, ledgers), _check_features_are_current(run)]
    result.checks.append(refusal_check(LEDGERS_SOUND.name, list(ledgers.problems.values()), "no ledger differs"))
    result.checks += check_snapshots(run)
    if run.track == "live" and live_since(run.ws, "live") is None:
        run.log.warning(
            f"decisions: skipped ({run.use_case.name} is not live). To go live, run"
            f" `sixtyforty adopt {run.use_case.name}`."
        )
    held_back = f", {totals['held_back']:,} in the holdout or in shadow" if totals["held_back"] else ""
    run.log.info(
        f"decisions: taken ({format_plural(totals['new'], 'new decision')}; of all decisions of"
        f" {format_plural(len(result.published), 'partition')}, {totals['fallback']:,} by the current process"
        f"{held_back})"
    )
    return result


def _check_ledgers(run: StageRun) -> LedgerCheck:
    """Compare the ledgers with their anchors, and log what differs. A replay reads its ledgers when it decides."""
    if run.track == "replay":
        return LedgerCheck()
    check = check_deciding_ledgers(run.ws)
    for problem in check.problems.values():
        run.log.error(f"decisions: by the current process ({problem}). {CURE}")
    if check.unread:
        run.log.error(f"decisions: the ledgers were not compared with their anchors ({check.unread})")
    return check


def _log_fallback(run: StageRun, partition: str, taken: TakenDecisions) -> None:
    """Write one line for each hour and reason for which the current process took live decisions in this run."""
    for batch in taken.new_fallback:
        run.log.warning(f"fallback {run.use_case.name} {partition}: {batch.text} (run {run.run_id})")


def _decision_figures(run: StageRun, taken: TakenDecisions) -> Metadata:
    figures: Metadata = {
        "dagster/partition_row_count": taken.entry.rows,
        "new decisions": taken.new,
        "by the model": taken.by_model,
        "by the current process": taken.fallback,
        "track": run.track,
    }
    if taken.held_out:
        figures["in the holdout or in shadow"] = taken.held_out
    if taken.unscored:
        figures["why the champion can't score some units"] = "; ".join(part.reason for part in taken.unscored)
    return figures


def _check_champion(
    run: StageRun, new_unscored: Mapping[str, Sequence[UnscoredDecisions]], ledgers: LedgerCheck
) -> CheckResult:
    """Check that a champion could score every unit that this run decided.

    If the run decided no unit, check that the champion in force scored the newest decisions, or that it can score since
    its files were mended. While a ledger differs, no champion is in force.
    """
    reasons = []
    for partition, parts in new_unscored.items():
        for part in parts:
            reasons.append(f"the champion {part.champion} can't score {partition} ({part.reason})")
    now = run.clock.current_time()
    if not new_unscored and not ledgers.problems and (outage := current_outage(run.ws, run.track, now)):
        champion = run.ws.champion_ledger.champion_at(run.track, now)
        stores = (run.use_case, run.ws.lake, run.ws.models)
        if champion and describe_unfit_champion(*stores, "live", champion):
            reasons.append(outage.text.rstrip("."))
    if reasons and run.track == "replay":
        reasons.append(
            "to decide the replay's days again, run"
            f" `sixtyforty run {run.use_case.name} --from DATE --to DATE --rebuild-replay`"
        )
    return refusal_check(CHAMPION_SCORES.name, reasons, "the champion in force scores every unit")


def _check_features_are_current(run: StageRun) -> CheckResult:
    outdated = find_outdated(run.use_case, run.ws.lake, run.partitions)
    changes = [f"{partition}: {', '.join(changed[:3])}" for partition, changed in list(outdated.items())[:5]]
    return CheckResult(
        FEATURES_CURRENT.name,
        not outdated,
        {"partitions": ", ".join(outdated)},
        description="; ".join(changes) or "no decision uses outdated features",
    )


def queue_decisions(run: StageRun) -> StageResult:
    """Queue the decisions for which a review has the highest value, within the time that the reviewers have."""
    result, totals = StageResult(), Counter[str]()
    for group in run.partition_groups():
        for partition, entry in queue_reviews(run.ws, group, run.track, anew=run.rebuilds_replay).items():
            figures = QueueFigures.from_entry(entry)
            totals.update(queued=figures.queued, overflow=figures.overflow)
            metadata: Metadata = {
                "dagster/partition_row_count": entry.rows,
                "decisions that qualify for a review": figures.candidates,
                "decisions queued": figures.queued,
                "decisions left out, because the reviewers have no time": figures.overflow,
                "time of the queued reviews (minutes)": figures.minutes,
                f"value of information ({run.use_case.kpi.currency})": figures.value_of_information,
                "track": run.track,
            }
            result.published[partition] = PublishedPartition(entry.version, metadata)
    run.log.info(
        f"review_queue: filled ({format_plural(totals['queued'], 'decision')} queued,"
        f" {totals['overflow']:,} left out because the reviewers have no time)"
    )
    return result


def deliver(run: StageRun) -> StageResult:
    """Deliver each decision once: in a file per partition, and as a row of a SQL table."""
    result, new = StageResult(), 0
    for group in run.partition_groups():
        entries = run.ws.lake.entries(decisions_dataset(run.track), group)
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
    if run.track == "live":
        _send_to_webhook(run)
    return result


def _send_to_webhook(run: StageRun) -> None:
    """Send the new decisions to the webhook, if one is declared. A failure stops no run: the watch sends them again."""
    try:
        counts = send_due(run.ws, current_time())
    except WebhookError as error:
        run.log.error(f"webhook: {error}")
        return
    if counts.problem:
        run.log.warning(f"webhook: {counts.problem}; {counts.waiting + counts.failed:,} decisions wait")
