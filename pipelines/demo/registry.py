"""The demo data: one module for each use case of this repository."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Protocol

from pipelines.demo import flights, households
from pipelines.demo.landing import DemoDataError


class DemoData(Protocol):
    """A year of extracts, from FIRST_DAY to LAST_DAY, that land as the use case's systems would have sent them."""

    FIRST_DAY: date
    LAST_DAY: date

    def land(
        self, landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False
    ) -> list[Path]:
        """Land the extracts of the local days start to end; return them in order of landing. Raises DemoDataError."""


DEMOS: dict[str, DemoData] = {module.USE_CASE: module for module in (flights, households)}
EXAMPLE_USE_CASE = flights.USE_CASE


def demo_data_of(use_case: str) -> DemoData:
    """Return the demo data of a use case. Raises DemoDataError if it has none."""
    if use_case not in DEMOS:
        raise DemoDataError(f"There is no demo data for '{use_case}'. Choose one of: {', '.join(DEMOS)}.")
    return DEMOS[use_case]
