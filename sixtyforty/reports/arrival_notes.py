"""Sentences about arrival times: which sources arrive later than declared, and where arrival times are unknown."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.ingest.arrival_delays import IN_BULK, format_delay, read_delays
from sixtyforty.ingest.arrival_times import first_seen_dataset
from sixtyforty.modeling.snapshot_changes import find_late_snapshots
from sixtyforty.reports.alerts import Alert
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace

NEWEST_FEATURES = 30  # the alert about snapshots checks this many newest partitions
ASSUMPTION = "The replay assumes that each row was known at the declared time."


def list_late_arrivals(ws: Workspace) -> list[str]:
    """Return a text for each source (partitioned or snapshot) whose rows arrived later than declared."""
    late = [f"{delays}. {delays.advice}" for delays in read_delays(ws.use_case, ws.lake) if delays.is_late]
    return late + [f"{snapshot}." for snapshot in find_late_snapshots(ws.use_case, ws.lake)]


def summarize_arrivals(ws: Workspace) -> str:
    """Return one line: whether the rows of each partitioned source arrive as declared, if this is known."""
    delays = read_delays(ws.use_case, ws.lake)
    known = [str(source) for source in delays if source.delay_seconds is not None or source.is_outdated]
    if known and len(known) < len(delays):
        known.append(f"other sources: {IN_BULK}")
    return "; ".join(known) or IN_BULK


def describe_replayed_arrivals(ws: Workspace, partitions: Sequence[str]) -> list[str]:
    """Return sentences about replayed rows whose arrival time is unknown, or was later than the replay assumes.

    partitions: the replayed partitions. The arrival times of a partition are unknown if no source has recorded them.
    """
    sources = ws.use_case.partitioned
    recorded = {p for source in sources for p in ws.lake.partitions(first_seen_dataset(source))}
    in_bulk = sum(partition not in recorded for partition in partitions)
    sentences = []
    if in_bulk and in_bulk == len(partitions):
        sentences.append(f"Replay: {IN_BULK}. {ASSUMPTION}")
    elif in_bulk:
        every = ws.use_case.partitions.every
        sentences.append(
            f"Replay: the extracts of {in_bulk:,} of {format_plural(len(partitions), every)} landed in bulk, so"
            f" their arrival times cannot be known. {ASSUMPTION}"
        )
    return sentences + [
        f"Rows of {delays.source} arrive up to {format_delay(delays.delay_seconds or 0)} later than declared, so the"
        " replay knew them too early."
        for delays in read_delays(ws.use_case, ws.lake)
        if delays.is_late
    ]


def find_late_arrivals(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each source whose rows arrive later than declared. The argument `track` isn't used.

    A snapshot with rows that changed after the decision times of the newest partitions is an alert, too.
    """
    alerts = [
        Alert("late arrivals", delays.source, f"{delays}. {delays.advice} Then replay the past decisions again.")
        for delays in read_delays(ws.use_case, ws.lake)
        if delays.is_late
    ]
    if ws.use_case.snapshots:
        newest = ws.lake.partitions("features")[-NEWEST_FEATURES:]
        for snapshot in find_late_snapshots(ws.use_case, ws.lake, newest):
            rows = format_plural(snapshot.rows, "row")  # an alert must not show the keys of rows
            text = (
                f"{rows} of {snapshot.source} changed or appeared after the decision times of"
                f" {format_plural(len(snapshot.partitions), 'partition')}. Their features know these rows too early."
                " See the check snapshots_as_known."
            )
            alerts.append(Alert("late arrivals", snapshot.source, text))
    return alerts
