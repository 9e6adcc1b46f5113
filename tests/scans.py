"""Scan a landing zone of calls again as another process, or with something that happens to a file before it is read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import pytest

from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.landing_zone import LandingZone
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.ingest.locations import Folder
from tests.helpers import CALLS, calls_on, csv_text


def reopen(landing: LandingZone) -> LandingZone:
    """Return the same landing zone as another process opens it, which remembers nothing."""
    return LandingZone(landing.folder, landing.lake, landing.use_case)


def day(of: date, count: int = 4) -> str:
    """Return an extract with the calls of one day. count: the number of calls."""
    return csv_text(CALLS, calls_on(of, count))


def run_before_reading(monkeypatch: pytest.MonkeyPatch, before: Callable[[ListedFile], object]) -> None:
    """Call a function with each file after the file is listed and before it is read."""
    real = Folder.open_file

    def open_file(self: Folder, file: ListedFile, scratch: Path) -> AbstractContextManager[Path]:
        before(file)
        return real(self, file, scratch)

    monkeypatch.setattr(Folder, "open_file", open_file)


def names(arrivals: list[Arrival]) -> list[str]:
    """Return the names of some arrivals."""
    return [e.name for e in arrivals]
