"""Readership: the last local day on which anybody opened each output of a use case (such as a report) on the desk.

The days are stored in `<home>/data/reads/<use case>.json`. The file doesn't tell who opened a page. Opening a report as
a file, or reading rows in the database, isn't counted.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.review_queue import review_dataset
from sixtyforty.spec.track import Track
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.workspace import Workspace

UNREAD_DAYS = 30  # an output counts as unread if nobody opened it for this number of days
TRACKS: tuple[Track, ...] = ("live", "replay")


def last_read_days(ws: Workspace) -> dict[str, date]:
    """Return, by name of the output, the last local day on which anybody opened it on the desk."""
    path = ws.readership
    days = json.loads(path.read_bytes()) if path.exists() else {}
    return {output: date.fromisoformat(day) for output, day in days.items()}


def record_reading(ws: Workspace, output: str, now: datetime) -> None:
    """Record that a person opened an output on the desk, if nobody has opened it earlier on this local day.

    now: the current time (UTC, naive).
    """
    day, path = ws.use_case.local_day(now), ws.readership
    if last_read_days(ws).get(output) == day:
        return
    with exclusive_lock(path.with_suffix(".lock"), f"record in {path.name} that a page was read"):
        days = {**last_read_days(ws), output: day}
        write_atomic(path, canonical_json({k: str(v) for k, v in days.items()}).encode())


def readable_outputs(ws: Workspace) -> list[str]:
    """Return the names of the outputs of a use case that exist, such as `decisions` or `impact_report`."""
    exists = {
        "decisions": any(ws.lake.partitions(decisions_dataset(track)) for track in TRACKS),
        "review_queue": any(ws.lake.partitions(review_dataset(track)) for track in TRACKS),
        "impact_report": (ws.reports / "impact.html").exists(),
        "model_record": (ws.reports / "model_record.md").exists(),
    }
    return [output for output in exists if exists[output]]


def unread_outputs(ws: Workspace, now: datetime) -> list[str]:
    """Return the outputs of a use case that nobody opened in the UNREAD_DAYS days before `now` (UTC, naive).

    The list is empty if the gate judged the use case's first model less than UNREAD_DAYS days ago.
    """
    rows, since = ws.champion_ledger.rows(), now - timedelta(days=UNREAD_DAYS)
    if not rows or datetime.fromisoformat(rows[0].recorded_at).replace(tzinfo=None) > since:
        return []
    days, first_day = last_read_days(ws), ws.use_case.local_day(since)
    return [output for output in readable_outputs(ws) if days.get(output, date.min) < first_day]
