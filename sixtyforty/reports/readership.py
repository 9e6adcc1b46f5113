"""What of the outputs is read: the last local day on which somebody opened each on the desk. Who it was isn't kept.

`<home>/data/reads/<use case>.json`. A file opened from the disk, or a row read in the database, isn't seen.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

from sixtyforty.decisions import review_queue
from sixtyforty.decisions.deciding import dataset
from sixtyforty.storage.lake import alone, canonical, write_atomic
from sixtyforty.workspace import Workspace

UNREAD = 30  # days


def _path(ws: Workspace) -> Path:
    return ws.home / "data" / "reads" / f"{ws.use_case.name}.json"


def read(ws: Workspace) -> dict[str, date]:
    """The last local day on which each output was read."""
    path = _path(ws)
    found = json.loads(path.read_bytes()) if path.exists() else {}
    return {output: date.fromisoformat(day) for output, day in found.items()}


def note(ws: Workspace, output: str, moment: datetime) -> None:
    """Keeps that an output was read at a UTC moment; once a day is enough."""
    day, path = ws.use_case.local_day(moment), _path(ws)
    if read(ws).get(output) == day:
        return
    with alone(path.with_suffix(".lock")):
        days = {**read(ws), output: day}
        write_atomic(path, canonical({k: str(v) for k, v in days.items()}).encode())


def outputs(ws: Workspace) -> list[str]:
    """What there is to read: pages and lists for people."""
    there = {
        "decisions": any(ws.lake.partitions(dataset(t)) for t in ("live", "replay")),
        "review_queue": any(ws.lake.partitions(review_queue.dataset(t)) for t in ("live", "replay")),
        "impact_report": (ws.reports / "impact.html").exists(),
        "model_record": (ws.reports / "model_record.md").exists(),
    }
    return [output for output, is_there in there.items() if is_there]


def unread(ws: Workspace, moment: datetime) -> list[str]:
    """The outputs that nobody has read for UNREAD days up to a UTC moment, or ever; none while it is younger."""
    rows, since = ws.ledger.rows(), moment - timedelta(days=UNREAD)
    if not rows or datetime.fromisoformat(rows[0].recorded_at).replace(tzinfo=None) > since:
        return []
    days = read(ws)
    return [o for o in outputs(ws) if days.get(o, date.min) < ws.use_case.local_day(since)]
