"""Delete what a use case may no longer keep: landed extracts, deliveries, and who gave which response.

What hashes and accounts need stays: the rows and hashes of extracts in the lake, decisions, receipts of deliveries, and
each response without the person's name and reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.delivery_table import delete_delivered
from sixtyforty.decisions.responses import anonymize_responses
from sixtyforty.ingest.raw import pending
from sixtyforty.spec.track import Track
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    from sixtyforty.ingest.arrivals import Arrival

TRACKS: tuple[Track, ...] = ("live", "replay")


@dataclass(frozen=True)
class RemovedData:
    """What a retention run removed: landed files, delivered files, delivered rows, and names in responses."""

    landed_files: int = 0
    delivered_files: int = 0
    delivered_rows: int = 0
    responses: int = 0


def apply_retention(ws: Workspace, now: datetime) -> RemovedData:
    """Remove what is older than the declared limits. A limit that isn't declared removes nothing.

    now: the current time, UTC, naive.
    """
    declared = ws.use_case.retention
    landed = delivered_files = delivered_rows = responses = 0
    if declared.landing_days:
        landed = _delete_landed(ws, now - timedelta(days=declared.landing_days))
    for track in TRACKS if declared.deliveries_days else ():
        expired = [p for p in ws.lake.partitions(decisions_dataset(track)) if ws.use_case.is_delivery_expired(p, now)]
        delivered_files += _delete_delivered_files(ws, track, expired)
        delivered_rows += delete_delivered(ws, track, expired)
    if declared.responses_days:
        responses = anonymize_responses(ws, now - timedelta(days=declared.responses_days))
    return RemovedData(landed, delivered_files, delivered_rows, responses)


def _delete_landed(ws: Workspace, before: datetime) -> int:
    """Delete the landed files that were imported completely and changed last before a time (UTC, naive).

    Only files in the home's own landing zone are deleted. Locations that a declaration names belong to others.
    """
    limit_ns = before.replace(tzinfo=UTC).timestamp() * 1e9
    count = 0
    for source, contract in ws.use_case.sources.items():
        if contract.location is not None or contract.database is not None or contract.query is not None:
            continue
        old = [arrival for arrival in ws.landing.known(source) if arrival.mtime_ns < limit_ns]
        for arrival in _imported(ws, source, old):
            path = ws.landing.folder / arrival.name
            if path.exists() and is_below(path, ws.landing.folder):
                path.unlink()
                count += 1
    return count


def is_below(path: StoragePath, folder: StoragePath) -> bool:
    """Return whether a file lies below a folder. A sender may have put a link to another folder in between."""
    if not isinstance(path, Path) or not isinstance(folder, Path):
        return True
    return path.parent.resolve().is_relative_to(folder.resolve())


def _imported(ws: Workspace, source: str, arrivals: list[Arrival]) -> Iterator[Arrival]:
    """Yield the arrivals whose rows are all in the lake."""
    partitions = {partition for arrival in arrivals for partition in arrival.partitions}
    outdated = pending(ws.landing, source, partitions).keys()
    yield from (arrival for arrival in arrivals if not outdated & arrival.partitions.keys())


def _delete_delivered_files(ws: Workspace, track: Track, partitions: list[str]) -> int:
    paths = [ws.deliveries / track / f"{partition}.{kind}" for partition in partitions for kind in ("csv", "parquet")]
    existing = [path for path in paths if path.exists()]
    for path in existing:
        path.unlink()
    return len(existing)
