"""Simulate all scenarios, and write the figures and the page.

    python -m bench.coverage.run [--runs N] [--processes N]

The page says how many runs it rests on.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from bench.coverage.figures import Figure, ForecastBias, Results
from bench.coverage.page import write_page
from bench.coverage.scenarios import SCENARIOS, SEED, run_scenario
from bench.measure import ROOT
from pipelines.cli.progress_display import show_work
from sixtyforty.progress import begin_work

FIGURES = Path(__file__).with_name("figures.json")
PAGE = ROOT / "docs" / "concepts" / "interval-coverage.md"
RUNS = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulation with the options of the command line. Return the exit code 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of each world (default {RUNS:,})")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="file of the figures")
    parser.add_argument("--page", type=Path, default=PAGE, help="file of the page")
    options = parser.parse_args(arguments)
    started = time.time()
    with show_work(is_silent=False):
        results = simulate(options.runs, options.processes)
    results.write(options.figures)
    options.page.write_text(write_page(results))
    print(f"The simulation took {(time.time() - started) / 60:.1f} minutes. Page: {options.page}")
    return 0


def simulate(runs: int, processes: int, names: Sequence[str] = tuple(SCENARIOS)) -> Results:
    """Run scenarios in some processes. Return their figures in the order of `names`."""
    parts: list[Sequence[Figure | ForecastBias]] = []
    with ProcessPoolExecutor(processes) as pool, begin_work("simulate", "world", len(names)) as work:
        for figures in pool.map(partial(run_scenario, runs=runs), names):
            parts.append(figures)
            work.advance()
    return Results.combine(runs, SEED, parts)


if __name__ == "__main__":
    raise SystemExit(main())
