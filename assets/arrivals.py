"""Arrivals: whether rows arrive by their `known_at`, whether snapshots change after decisions, and empty feeds.

The two checks only warn. They block no run, because live decisions used only the rows that had arrived.
"""

from __future__ import annotations

from collections.abc import Sequence

from assets.metadata import Metadata
from assets.stage import CheckResult, StageCheck, StageRun, StageTarget
from sixtyforty.ingest.arrival_delays import read_source_delays
from sixtyforty.ingest.arrival_times import is_measured_by, newest_records, record_arrival_times
from sixtyforty.ingest.arrivals import Arrival, arrivals_for
from sixtyforty.modeling.snapshot_changes import find_late_snapshots, record_snapshot_changes
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.shown_url import hide_passwords

ARRIVES_AS_DECLARED = StageCheck(
    "arrives_as_declared",
    "At least 95% of the source's rows arrive by the time that the declaration gives as known_at. If extracts landed in"
    " bulk, arrival times cannot be known.",
)
SNAPSHOTS_AS_KNOWN = StageCheck(
    "snapshots_as_known",
    "No features were built from a row of a snapshot that changed or was added after the decision time.",
)


def arrival_checks(target: StageTarget) -> list[StageCheck]:
    """Return the check of arrival times for a partitioned source of a complete use case, otherwise an empty list."""
    use_case = target.use_case
    is_checked = not isinstance(use_case, Draft) and target.source_name in use_case.partitioned
    return [ARRIVES_AS_DECLARED] if is_checked else []


def snapshot_checks(target: StageTarget) -> list[StageCheck]:
    """Return the check for changed snapshots if the use case reads any snapshot, otherwise an empty list."""
    return [SNAPSHOTS_AS_KNOWN] if target.use_case.snapshots else []


def record_arrivals(run: StageRun, partitions: Sequence[str]) -> None:
    """Record when the rows of the run's source arrived (were first seen). Do nothing for a draft use case."""
    use_case = run.use_case
    if isinstance(use_case, Draft):
        return
    arrivals = run.ws.landing.known(run.source)
    if run.source in use_case.partitioned:
        record_arrival_times(use_case, run.source, run.ws.lake, arrivals, partitions)
    elif run.source in use_case.snapshots:
        record_snapshot_changes(use_case, run.source, run.ws.lake, arrivals)


def check_arrivals(run: StageRun) -> list[CheckResult]:
    """Compare the recorded arrival times of a source with the declared `known_at`, and warn if rows arrive later.

    If the declaration of `known_at` changed, measure the arrival times of the newest partitions again first.
    """
    if not arrival_checks(StageTarget(run.use_case, run.source)):
        return []
    records = newest_records(run.use_case, run.ws.lake, run.source)
    record_arrivals(
        run, [p for p, record in records.items() if not is_measured_by(record, run.use_case.sources[run.source])]
    )
    delays = read_source_delays(run.use_case, run.ws.lake, run.source)
    metadata: Metadata = {
        "rows with a compared arrival time": delays.rows,
        "rows that arrived later than declared": delays.late,
    }
    if delays.is_late:
        metadata["suggestion"] = delays.suggestion
        run.log.warning(f"validated {run.source}: late rows found. {delays}. {delays.advice}")
    return [CheckResult(ARRIVES_AS_DECLARED.name, not delays.is_late, metadata, warn=True, description=str(delays))]


def check_snapshots(run: StageRun) -> list[CheckResult]:
    """Warn if the run's features were built from snapshot rows that changed or were added after the decision time."""
    if not run.use_case.snapshots:
        return []
    late = find_late_snapshots(run.use_case, run.ws.lake, run.partitions)
    for snapshot in late:
        run.log.warning(f"decisions: features read snapshot rows from after the decision time ({snapshot})")
    metadata: Metadata = {"partitions": ", ".join(sorted({p for snapshot in late for p in snapshot.partitions}))}
    summary = "; ".join(map(str, late)) or "no snapshot is known to have changed after the decision times of the run"
    return [CheckResult(SNAPSHOTS_AS_KNOWN.name, not late, metadata, warn=True, description=summary)]


def refuse_feed(run: StageRun, extracts: Sequence[Arrival]) -> str:
    """Return why a source has nothing that a run can use; empty if it has. extracts: all extracts of the source.

    A query may return nothing, because a table can be empty. People needn't respond, so responses may be missing.
    """
    if not extracts:
        contract = run.use_case.sources[run.source]
        responses = None if isinstance(run.use_case, Draft) else run.use_case.people.responses
        if contract.query or run.source == responses:
            return ""
        location = hide_passwords(contract.location or "") or f"its landing folder, data/landing/{run.use_case.name}"
        return f"no extract has arrived. Land a file that matches '{contract.files}' in {location}."
    # A refused extract without a date in its name is listed in one partition, which the run may not include.
    requested = arrivals_for(extracts, run.partitions) or extracts
    if not all(extract.problem for extract in requested):
        return ""
    return f"no extract of the run's partitions can be used. {requested[0].name}: {requested[0].problem}"
