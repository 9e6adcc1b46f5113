"""Measure 1, 10 and 100 use cases: loading the definitions, a sensor's tick, and the asset graph on Dagster's pages.

The project is copied with 1, 10 or 100 copies of the use case and its suites, and loaded from the copy. The new-data
sensor of each use case ticks twice on a day of hourly extracts, and the second tick is timed. The asset graph is
queried from a running webserver.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.measure import Settings, run_process
from bench.project_copy import copy_with_use_cases, environment_of, worker_command
from bench.results import ItemReport, Row, compare_seconds, format_seconds
from bench.webserver import time_asset_graph

COUNTS = (1, 10, 100)
LANDED_DAY = date(2013, 5, 1)
SENSOR_TIMEOUT = 60  # seconds after which Dagster stops a sensor's tick
MAX_LOAD_SECONDS = 5  # highest time that meets the aim for loading the definitions of 100 use cases


@dataclass(frozen=True)
class CountFigures:
    """The number of assets and the measured seconds for one number of use cases.

    `load_s` and `graph_s` hold one figure per repetition, `tick_s` one figure per use case. `import_s` and
    `first_graph_s` are measured once.
    """

    assets: int
    import_s: float
    load_s: list[float]
    tick_s: list[float]
    first_graph_s: float
    graph_s: list[float]


def measure(settings: Settings) -> ItemReport:
    """Measure each number of use cases in a separate copy of the project."""
    from pipelines.demo import flights

    report = ItemReport("Number of use cases: definitions, a sensor's tick, the asset graph")
    landing = settings.work / "landing-day"
    flights.land(landing, LANDED_DAY, LANDED_DAY, hourly=True)
    counts = COUNTS[:2] if settings.small else COUNTS
    repetitions = 1 if settings.small else settings.pairs
    figures = {count: measure_count(settings.work, landing, count, repetitions) for count in counts}
    report.figures = {f"{count}": count_figures for count, count_figures in figures.items()}
    report.rows = [*load_rows(figures), *tick_rows(figures), *graph_rows(figures)]
    highest = figures[counts[-1]]
    report.remarks += [
        "`other` is 1 use case.",
        f"The imports of Dagster and the project come before loading: {highest.import_s:.1f} s for any number.",
        f"All {counts[-1]} sensors tick one after the other in {sum(highest.tick_s):.1f} s.",
        f"The first query of the asset graph of {counts[-1]} takes {format_seconds(highest.first_graph_s)}.",
    ]
    return report


def measure_count(work: Path, landing: Path, count: int, repetitions: int) -> CountFigures:
    """Return the figures of a copy of the project with `count` use cases."""
    folder = work / f"use-cases-{count}"
    copy_with_use_cases(folder, count, landing)
    command = worker_command("definitions_worker", f"{repetitions}")
    printed = run_process(command, folder / "definitions", environment_of(folder), cwd=folder).printed
    first_graph, *later_graphs = time_asset_graph(folder, repetitions + 1)
    return CountFigures(**printed, first_graph_s=first_graph, graph_s=later_graphs)


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
    return rows


def tick_rows(figures: Mapping[int, CountFigures]) -> list[Row]:
    """Return the report rows about a sensor's tick, one per number of use cases."""
    rows = []
    for count, count_figures in figures.items():
        tick, base = (statistics.median(f.tick_s) for f in (count_figures, figures[1]))
        rows.append(
            Row(
                f"a sensor's tick among {count}",
                format_seconds(tick),
                format_seconds(base),
                tick / base,
                aim=f"{tick / SENSOR_TIMEOUT:.1%} of {SENSOR_TIMEOUT} s",
                is_met=tick < SENSOR_TIMEOUT,
                runs=len(count_figures.tick_s),
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
