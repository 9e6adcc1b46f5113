"""List the demo data: one module for each use case of this repository."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Protocol

from pipelines.demo import flights, households
from pipelines.demo.landing import DemoDataError


class DemoData(Protocol):
    """A use case's year of demo extracts, from FIRST_DAY to LAST_DAY, with realistic landing times."""

    FIRST_DAY: date
    LAST_DAY: date

    def land(
        self, landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False
    ) -> list[Path]:
        """Land the extracts of the local days `start` to `end`. Return their paths in order of landing.

        Raises DemoDataError if there is no data for these days.
        """


DEMOS: dict[str, DemoData] = {module.USE_CASE: module for module in (flights, households)}
EXAMPLE_USE_CASE = flights.USE_CASE


def demo_data_of(use_case: str) -> DemoData:
    """Return the demo data of a use case. Raises DemoDataError if the use case has no demo data."""
    if use_case not in DEMOS:
        raise DemoDataError(f"There is no demo data for '{use_case}'. Choose one of: {', '.join(DEMOS)}.")
    return DEMOS[use_case]
