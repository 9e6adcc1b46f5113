"""Measure how the cost grows: a new day after 1, 10 and 100 years of history, and a backfill of 1 and of more years.

The long histories are made from the home of `year.measure`, see `history_copies.py`. The backfill runs the stages whose
work grows with the data, raw to outcomes. Later years are copies of the year's extracts, each shifted by 364 days.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from bench.chain import chain_command
from bench.history_copies import create_long_history
from bench.later_years import YEAR, add_later_years
from bench.measure import ENVIRONMENT, BenchError, ProcessRun, Settings, run_in_turns, run_process
from bench.project_copy import copy_project, edit_declaration, environment_of, worker_command
from bench.results import ItemReport, Row, compare_memory, compare_seconds
from bench.use_case import FIRST_DAY, LAST_DAY, REFERENCE_STAGES, SHORT_LAST_DAY, SOURCE_STAGES, USE_CASE
from bench.workers.history_worker import DayOnHistory

HISTORY_YEARS = (1, 10, 100)
MAX_GROWTH = 1.3  # growth of the time of one more day on the longest history, compared with one year of history
MAX_SUPERLINEAR = 1.1  # growth of the backfill's time, compared with the growth of its rows
MAX_MEMORY_MB = 2000
ALL_YEARS = 10  # years of the longest backfill, which takes half an hour
BACKFILL_STAGES = [*REFERENCE_STAGES, *SOURCE_STAGES, "features", "outcomes"]
BACKFILL_LAST_DAY = FIRST_DAY + YEAR - timedelta(days=1)
FIGURES = {
    "delivered_s": "one day, landed to delivered, without start-up",
    "start_up_s": "start-up of the day's run",
    "money_s": "the day's accounts, and the sum over all days",
    "total_s": "one day with its accounts, without start-up",
    "look_s": "a sensor's search for stale and due partitions",
}
FIGURES_WITH_AIM = ("delivered_s", "total_s")

AskDay = Callable[[date], DayOnHistory]


@dataclass(frozen=True)
class Backfill:
    """The measured process of one backfill, and the number of feature rows that the process built."""

    process: ProcessRun
    rows: int


def measure(settings: Settings) -> ItemReport:
    """Measure a new day after long histories, then long backfills. The item `year` must run before."""
    report = ItemReport("Scaling: longer history, more data")
    days = measure_histories(settings)
    report.figures["history"] = days
    report.rows += history_rows(days)
    backfills = {years: run_backfill(settings, years) for years in (1, settings.years)}
    report.figures["backfill"] = backfills
    report.rows += backfill_rows(backfills)
    report.remarks.append("`other` is one year of history, or of data.")
    if settings.years < ALL_YEARS:
        report.remarks.append(
            f"The backfill covered {settings.years} years, because ten years take too long. `--years 10` runs them."
        )
    return report


def measure_histories(settings: Settings) -> dict[int, list[DayOnHistory]]:
    """Run a new day after each length of history, several times. Return the days' figures by years of history.

    The histories take turns, because the load of the machine may change.
    """
    days = 1 if settings.small else settings.pairs
    first_day = SHORT_LAST_DAY + timedelta(days=settings.pairs + 2)  # `day.measure` has added the days before
    lengths = HISTORY_YEARS[:2] if settings.small else HISTORY_YEARS
    home_before = settings.short_homes / "chain"
    homes = {years: create_long_history(home_before, settings.work / f"history-{years}", years) for years in lengths}
    with ExitStack() as workers:
        sides = {
            f"{years}": partial(_run_round, workers.enter_context(history_worker(home)), first_day)
            for years, home in homes.items()
        }
        rounds = run_in_turns(sides, days)
    return {years: [runs[f"{years}"] for runs in rounds] for years in lengths}


def _run_round(ask_day: AskDay, first_day: date, number: int) -> DayOnHistory:
    return ask_day(first_day + timedelta(days=number))


@contextmanager
def history_worker(home: Path) -> Iterator[AskDay]:
    """Start a worker process on a home. Yield a function that runs a new day in the worker and returns its seconds."""
    folder = home.parent
    errors = folder / "history_worker.err"
    with (
        errors.open("w") as error_output,
        subprocess.Popen(
            worker_command("history_worker"),
            env={**os.environ, **ENVIRONMENT, **environment_of(folder)},
            cwd=folder,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=error_output,
        ) as process,
    ):

        def ask_day(day: date) -> DayOnHistory:
            print(day, file=process.stdin, flush=True)
            for line in process.stdout or ():
                if line.startswith("{"):
                    return DayOnHistory(**json.loads(line))
            raise BenchError(f"the run of {day} on {folder.name} failed:\n{errors.read_text()[-3000:]}")

        yield ask_day


def history_rows(days: Mapping[int, Sequence[DayOnHistory]]) -> list[Row]:
    """Return a report row for each figure and length of history, compared with one year of history."""
    rows = []
    for figure, label in FIGURES.items():
        medians = {
            years: statistics.median(getattr(day, figure) for day in measured) for years, measured in days.items()
        }
        for years, duration in medians.items():
            has_aim = years == HISTORY_YEARS[-1] and figure in FIGURES_WITH_AIM
            limit = MAX_GROWTH if has_aim else None
            full_label = f"{label}: {years} years" if years > 1 else f"{label}: 1 year"
            rows.append(compare_seconds(full_label, duration, medians[1], len(days[years]), limit))
    return rows


def run_backfill(settings: Settings, years: int) -> Backfill:
    """Run the stages raw to outcomes over `years` years, in a separate process and a separate copy of the project."""
    from pipelines.demo import flights

    last = SHORT_LAST_DAY if settings.small else BACKFILL_LAST_DAY
    folder = settings.work / f"backfill-{years}"
    copy_project(folder)
    end = last + (years - 1) * YEAR
    edit_declaration(folder, USE_CASE, f"end: {LAST_DAY}", f"end: {max(end, LAST_DAY)}")
    landing = folder / "home" / "data" / "landing" / USE_CASE
    flights.land(landing, FIRST_DAY, last)
    add_later_years(landing, years)
    command = chain_command(FIRST_DAY, end, BACKFILL_STAGES)
    process = run_process(command, folder / "backfill", environment_of(folder), cwd=folder)
    features = folder / "home" / "data" / "lake" / USE_CASE / "features"
    return Backfill(process, sum(json.loads(manifest.read_text())["rows"] for manifest in features.glob("*.json")))


def backfill_rows(backfills: Mapping[int, Backfill]) -> list[Row]:
    """Return the report rows about the longer backfill: its time and peak memory, compared with one year."""
    base, rows = backfills[1], []
    for backfill in (backfill for years, backfill in backfills.items() if years > 1):
        growth = backfill.rows / base.rows
        label = f"raw to outcomes of {growth:.1f} times the departures ({backfill.rows:,})"
        limit = round(growth * MAX_SUPERLINEAR, 2)
        rows.append(compare_seconds(label, backfill.process.wall_s, base.process.wall_s, limit=limit))
        peak, base_peak = backfill.process.peak_rss_mb, base.process.peak_rss_mb
        rows.append(compare_memory("peak memory of that backfill", peak, base_peak, MAX_MEMORY_MB))
    return rows
