"""Find the extracts of a local day in a landing folder, by their names."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bench.scripts.declaration import ZONE

HOUR = timedelta(hours=1)


def files_of_day(landing: Path, source: str, day: date) -> list[str]:
    """Return the paths of a source's extracts of a local day: one file for the day, or one file per UTC hour."""
    start, end = (datetime(d.year, d.month, d.day, tzinfo=ZONE).astimezone(UTC) for d in (day, day + timedelta(1)))
    hours = [start + number * HOUR for number in range((end - start) // HOUR)]
    names = [f"{day}", f"{day}_{day}", *(f"{hour:%Y-%m-%dT%H}Z" for hour in hours)]
    files = [landing / f"{source}_{name}.csv" for name in names]
    return [str(file) for file in files if file.exists()]
