"""Measure the pages of the desk on the home of the year: the first request of each page, and later ones."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Settings, run_process
from bench.project_copy import worker_command
from bench.results import ItemReport, Row, format_seconds

MAX_SECONDS = 1.0  # longest time of a page that meets the aim, from the second request on


@dataclass(frozen=True)
class DeskFigures:
    """The number of decisions of the shown day, and the seconds of each request of a page, by its address."""

    decisions: int
    seconds: dict[str, list[float]]


def measure(settings: Settings) -> ItemReport:
    """Measure all pages of the desk. The item `year` must run before; without the year, its five months are used."""
    report = ItemReport("Pages of the desk, with a year of history")
    home = find_home(settings)
    command = worker_command("desk_worker", f"{1 if settings.small else settings.pairs}")
    printed = run_process(command, settings.work / "desk", {"SIXTYFORTY_HOME": str(home)}).printed
    figures = DeskFigures(**printed)
    report.figures["desk"] = figures
    report.rows = [page_row(address, seconds) for address, seconds in figures.seconds.items()]
    report.remarks += [
        f"The pages show the busiest day, which has {figures.decisions:,} decisions. `chain` is the median of the later"
        " requests, `other` the first request after a start.",
    ]
    return report


def find_home(settings: Settings) -> Path:
    """Return the home of the chain in the newest round of the year, or that of the five months."""
    rounds = sorted((settings.work / "year").glob("*/chain"))
    return rounds[-1] if rounds else settings.short_homes / "chain"


def page_row(address: str, seconds: Sequence[float]) -> Row:
    """Return the report row of a page. seconds: of its requests, the first request first."""
    later = statistics.median(seconds[1:])
    return Row(
        address,
        format_seconds(later),
        format_seconds(seconds[0]),
        aim=f"< {MAX_SECONDS:.0f} s",
        is_met=later < MAX_SECONDS,
        runs=len(seconds) - 1,
    )
