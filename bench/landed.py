"""Further days as they land, hour by hour: their files are made once, and put down as often as a side takes one on."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

from bench.plain import SOURCES, files_of
from bench.year import CUT

AHEAD = 40  # days, more than any item takes on


def land(work: Path, landing: Path, day: date) -> None:
    """Puts the day's files there; `work`: the benchmark's folder, which keeps those of all days."""
    from pipelines.demo import flights

    stock = work / "hourly"
    if not stock.exists():
        flights.land(stock, CUT + timedelta(days=1), CUT + timedelta(days=AHEAD), hourly=True)
    for source in SOURCES:
        for file in files_of(stock, source, day):
            shutil.copy2(file, landing)
