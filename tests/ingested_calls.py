"""Ingest extracts of calls, and show what `raw` holds, for tests of the first stage."""

from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage.manifests import Entry
from sixtyforty.workspace import Workspace
from tests.landed_calls import DAY, NEXT

LATER = date(2013, 3, 12)
DAYS = [str(d) for d in (DAY, NEXT, LATER)]


def ingest_calls(ws: Workspace, *partitions: str, source: str = "calls") -> dict[str, Entry]:
    """Ingest partitions (by default DAYS) as a new process does, which remembers no earlier scan."""
    fresh = LandingZone(ws.landing.folder, ws.lake, ws.use_case)
    return ingest(ws.use_case, source, ws.lake, fresh, list(partitions or DAYS), "code")


def rows(ws: Workspace, partition: str = DAYS[0], source: str = "calls") -> list[tuple[str, int, int]]:
    """Return (first column, line, order of arrival) of each row of a raw partition."""
    entry = ws.lake.entry(f"raw/{source}", partition)
    assert entry is not None
    table = pq.read_table(ws.lake.local_file(entry))
    return list(zip(*(table[c].to_pylist() for c in (table.column_names[0], "_row", "_seq")), strict=True))


def ids(ws: Workspace, partition: str = DAYS[0]) -> list[str]:
    """Return the first column of each row of a raw partition."""
    return [r[0] for r in rows(ws, partition)]
