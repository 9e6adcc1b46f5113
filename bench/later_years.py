"""Copy extracts of the demo to later years: the same rows with later dates."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bench.use_case import SOURCES

YEAR = timedelta(days=364)  # 52 weeks: the copies start on the same weekday
TIME_COLUMNS = ("time_hour", "event_hour")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def add_later_years(landing: Path, years: int) -> None:
    """Copy the partitioned extracts of a landing folder to the following years, so that it holds `years` years."""
    for file in list(landing.iterdir()):
        source, _, label = file.name.partition("_")
        if source not in SOURCES:
            continue
        for number in range(1, years):
            copy = file.with_name(f"{source}_later{number}_{label.replace('-', '')}")
            copy.write_text(shift_dates(file, number * YEAR))


def shift_dates(file: Path, distance: timedelta) -> str:
    """Return an extract as CSV text, with the timedelta `distance` added to all dates."""
    import pandas as pd

    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    days = pd.to_datetime(rows[["year", "month", "day"]].astype(int)) + distance
    rows["year"], rows["month"], rows["day"] = days.dt.year, days.dt.month, days.dt.day
    for column in (column for column in TIME_COLUMNS if column in rows):
        times = pd.to_datetime(rows[column], format=TIME_FORMAT) + distance
        rows[column] = times.dt.strftime(TIME_FORMAT)
    return rows.to_csv(index=False)
