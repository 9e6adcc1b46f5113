"""Extracts of calls that land in the landing folder or elsewhere, for tests of the landing zone."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, calls_on, csv_text, make_workspace

DAY, NEXT = date(2013, 3, 10), date(2013, 3, 11)


def text(*days: date, count: int = 2) -> str:
    """Return an extract with calls of some days. count: the number of calls a day."""
    return csv_text(CALLS, [row for d in days for row in calls_on(d, count)])


def workspace_at(tmp_path: Path, location: str, **declared: Any) -> Workspace:
    """Return a workspace whose calls land elsewhere."""
    return make_workspace(tmp_path, sources={"calls": {"location": location, **declared}})


def names(landing: LandingZone) -> list[str]:
    """Return the names of the calls' extracts that a scan finds."""
    return [e.name for e in landing.scan("calls")]
