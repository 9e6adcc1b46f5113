"""The use cases there is demo data for, and what lands it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Protocol

from pipelines.demo import flights, households


class Demo(Protocol):
    """A year of data, from FIRST_DAY to LAST_DAY, that lands as the use case's systems would have delivered it."""

    FIRST_DAY: date
    LAST_DAY: date

    def land(
        self, landing: Path, start: date | None = None, end: date | None = None, hourly: bool = False
    ) -> list[Path]:
        """Lands the extracts of the local days start..end; returns them in order of landing. Raises ValueError."""


DEMOS: dict[str, Demo] = {module.USE_CASE: module for module in (flights, households)}
