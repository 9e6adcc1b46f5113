"""Land further days as hourly extracts. The extracts are made once, and copied to each landing folder."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

from bench.scripts.landed_files import files_of_day
from bench.use_case import SHORT_LAST_DAY, SOURCES

DAYS_IN_STOCK = 40  # number of days whose extracts are prepared, enough for every item of the benchmark


def land_day(work: Path, landing: Path, day: date) -> None:
    """Copy the hourly extracts of a local day to a landing folder. The first call prepares all days in `work`."""
    from pipelines.demo import flights

    stock = work / "hourly-extracts"
    if not stock.exists():
        first = SHORT_LAST_DAY + timedelta(days=1)
        flights.land(stock, first, SHORT_LAST_DAY + timedelta(days=DAYS_IN_STOCK), hourly=True)
    for source in SOURCES:
        for file in files_of_day(stock, source, day):
            shutil.copy2(file, landing)
