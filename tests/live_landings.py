"""Extracts that land day by day, at recorded times: a business clock that tests set, and days that land late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from sixtyforty.ingest.arrival_times import record_arrival_times
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, VISITS, accept_partitions, calls_on, csv_text, land_extract, visits_on

NOON = time(12)


class Clock:
    """The business clock of a test (UTC, naive)."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._file = folder / "clock.txt"
        patch.setenv(CLOCK_FILE_VARIABLE, str(self._file))
        self.set(datetime(2013, 1, 1))

    def set(self, time: datetime) -> None:
        """Set the current business time."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(time.isoformat())


def land_day(ws: Workspace, clock: Clock, day: date, calls_at: datetime, visits_at: datetime) -> None:
    """Land a day's calls and visits, and scan each at its time (UTC)."""
    for source, contract, rows, seen_at in (
        ("calls", CALLS, calls_on(day), calls_at),
        ("visits", VISITS, visits_on(day), visits_at),
    ):
        clock.set(seen_at)
        land_extract(ws.landing, f"{source}_{day}.csv", csv_text(contract, rows))
        ws.landing.scan(source)


def land_late_days(ws: Workspace, clock: Clock, days: Sequence[date], delay: timedelta) -> list[str]:
    """Land each day at recorded times: calls before they are due, visits `delay` after the last `known_at`.

    The visits of a day are known at 14:00, 15:00, 16:00 and 17:00 UTC. Return the partitions.
    """
    for day in days:
        land_day(ws, clock, day, datetime.combine(day, time(9, 30)), datetime.combine(day, time(17)) + delay)
    return [day.isoformat() for day in days]


def record_times(ws: Workspace, partitions: Sequence[str]) -> None:
    """Accept partitions without rules, and record when their rows were first seen."""
    accept_partitions(ws, partitions)
    for source in ws.use_case.partitioned:
        record_arrival_times(ws.use_case, source, ws.lake, ws.landing.known(source), partitions)
