"""Measure 1, 100 and 300 use cases: loading the definitions, sensors' ticks, the asset graph and the desk's portfolio.

The project is copied with 1, 100 or 300 copies of the use case and its suites, and loaded from the copy. The new-data
sensor of each use case ticks twice on a day of hourly extracts, and the second tick is timed. The asset graph is
queried from a running webserver. For the portfolio, each copy gets the newest days of the five months' home.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.many_accounts import add_accounts
from bench.measure import Settings, run_process
from bench.project_copy import copy_with_use_cases, environment_of, worker_command
from bench.results import ItemReport, Row, compare_seconds, format_seconds
from bench.webserver import time_asset_graph

COUNTS = (1, 100, 300)
SMALL_COUNTS = (1, 10)
LOADS_OF_MANY = 3  # repetitions for more than one use case, because loading many takes long
STARTS = 3  # of the desk
LANDED_DAY = date(2013, 5, 1)
SENSOR_TIMEOUT = 60  # seconds after which Dagster stops a sensor's tick
# Aims for the highest number of use cases.
MAX_LOAD_SECONDS = 10
MAX_MEMORY_MB = 1000
MAX_TICK_SECONDS = 0.05
MAX_PORTFOLIO_SECONDS = 1


@dataclass(frozen=True)
class CountFigures:
    """The number of assets and the measured seconds for one number of use cases.

    `load_s` and `graph_s` hold one figure per repetition, `tick_s` one figure per use case. `import_s` and
    `first_graph_s` are measured once. `peak_mb` is the memory of the process after loading. `portfolio_s` has, for each
    start of the desk, the seconds of the first and of the second answer.
    """

    assets: int
    import_s: float
    peak_mb: int
    load_s: list[float]
    tick_s: list[float]
    first_graph_s: float
    graph_s: list[float]
    portfolio_s: list[list[float]]


def measure(settings: Settings) -> ItemReport:
    """Measure each number of use cases in a separate copy of the project."""
    from pipelines.demo import flights

    report = ItemReport("Number of use cases: definitions, a sensor's tick, the asset graph")
    landing = settings.work / "landing-day"
    flights.land(landing, LANDED_DAY, LANDED_DAY, hourly=True)
    counts = SMALL_COUNTS if settings.small else COUNTS
    repetitions = 1 if settings.small else settings.pairs
    figures = {count: measure_count(settings, landing, count, repetitions) for count in counts}
    report.figures = {f"{count}": count_figures for count, count_figures in figures.items()}
    report.rows = [*load_rows(figures), *tick_rows(figures), *graph_rows(figures), *portfolio_rows(figures)]
    highest = figures[counts[-1]]
    report.remarks += [
        "`other` is 1 use case.",
        f"The imports of Dagster and the project come before loading: {highest.import_s:.1f} s for any number.",
        "A tick is measured without the daemon, which adds a call of the code server.",
        f"The first query of the asset graph of {counts[-1]} takes {format_seconds(highest.first_graph_s)}.",
    ]
    return report


def measure_count(settings: Settings, landing: Path, count: int, repetitions: int) -> CountFigures:
    """Return the figures of a copy of the project with `count` use cases."""
    folder = settings.work / f"use-cases-{count}"
    copy_with_use_cases(folder, count, landing)
    repetitions = repetitions if count == 1 else min(repetitions, LOADS_OF_MANY)
    command = worker_command("definitions_worker", f"{repetitions}")
    printed = run_process(command, folder / "definitions", environment_of(folder), cwd=folder).printed
    first_graph, *later_graphs = time_asset_graph(folder, repetitions + 1)
    return CountFigures(
        **printed, first_graph_s=first_graph, graph_s=later_graphs, portfolio_s=time_portfolio(settings, folder)
    )


def time_portfolio(settings: Settings, folder: Path) -> list[list[float]]:
    """Return, for each start of the desk, the seconds of the first and of the second answer with the portfolio."""
    add_accounts(settings.short_homes / "chain", folder)
    command = worker_command("portfolio_worker", f"{STARTS}")
    printed = run_process(command, folder / "portfolio", environment_of(folder), cwd=folder).printed
    return [list(seconds) for seconds in printed["starts"]]


def load_rows(figures: Mapping[int, CountFigures]) -> list[Row]:
    """Return the report rows about loading the definitions, one per number of use cases."""
    rows = []
    for count, count_figures in figures.items():
        label = f"loading the definitions of {count} ({count_figures.assets} assets)"
        load = statistics.median(count_figures.load_s)
        base = statistics.median(figures[1].load_s)
        is_highest = count == COUNTS[-1]
        rows.append(
            Row(
                label,
                format_seconds(load),
                format_seconds(base),
                load / base,
                aim=f"< {MAX_LOAD_SECONDS} s" if is_highest else "",
                is_met=load < MAX_LOAD_SECONDS if is_highest else None,
                runs=len(count_figures.load_s),
            )
        )
    highest, base_figures = figures[max(figures)], figures[1]
    rows.append(
        Row(
            f"peak memory with the definitions of {max(figures)}",
            f"{highest.peak_mb:,} MB",
            f"{base_figures.peak_mb:,} MB",
            highest.peak_mb / base_figures.peak_mb,
            aim=f"< {MAX_MEMORY_MB:,} MB",
            is_met=highest.peak_mb < MAX_MEMORY_MB,
        )
    )
    return rows


def tick_rows(figures: Mapping[int, CountFigures]) -> list[Row]:
    """Return the report rows about a sensor's tick, one per number of use cases."""
    rows = []
    for count, count_figures in figures.items():
        tick, base = (statistics.median(f.tick_s) for f in (count_figures, figures[1]))
        rows.append(
            Row(
                f"a sensor's tick with a day of landed extracts, among {count}",
                format_seconds(tick),
                format_seconds(base),
                tick / base,
                aim=f"< {MAX_TICK_SECONDS * 1000:.0f} ms",
                is_met=tick < MAX_TICK_SECONDS,
                runs=len(count_figures.tick_s),
            )
        )
    everything = sum(figures[max(figures)].tick_s)
    rows.append(
        Row(
            f"the ticks of all {max(figures)} sensors, one after the other",
            format_seconds(everything),
            aim=f"< {SENSOR_TIMEOUT} s",
            is_met=everything < SENSOR_TIMEOUT,
        )
    )
    return rows


def graph_rows(figures: Mapping[int, CountFigures]) -> list[Row]:
    """Return the report rows about the asset graph, without the first query of each webserver."""
    base = statistics.median(figures[1].graph_s)
    return [
        compare_seconds(f"asset graph of {count} in the UI", statistics.median(f.graph_s), base, len(f.graph_s))
        for count, f in figures.items()
    ]


def portfolio_rows(figures: Mapping[int, CountFigures]) -> list[Row]:
    """Return the report rows about the desk's portfolio: the first answer, and those after a start."""
    rows = []
    for count, count_figures in figures.items():
        (calculated, _), *later = count_figures.portfolio_s
        first, second = (statistics.median(seconds) for seconds in zip(*later, strict=True))
        label = f"portfolio of {count} on the desk"
        rows.append(Row(f"{label}: every line calculated", format_seconds(calculated)))
        for answer, seconds in (("first answer of a start", first), ("later answers", second)):
            is_met = seconds < MAX_PORTFOLIO_SECONDS
            aim = f"< {MAX_PORTFOLIO_SECONDS} s"
            rows.append(Row(f"{label}: {answer}", format_seconds(seconds), aim=aim, is_met=is_met, runs=len(later)))
    return rows
