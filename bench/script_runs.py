"""Run a plain script in a process, and read its seconds and the value of its decisions."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bench.chain import Money, Run
from bench.measure import ROOT, run_process

ENGINES = {"duckdb": "DuckDB", "pandas": "pandas"}  # name for people, by side of the comparison


def run_backfill(engine: str, landing: Path, out: Path, log: Path) -> Run:
    """Run a plain script's backfill over all extracts of a landing folder. Raises BenchError if the script fails."""
    return _run_script(engine, ["backfill", "--landing", str(landing), "--out", str(out)], log)


def run_day(engine: str, landing: Path, out: Path, day: date, log: Path, retrain: bool = False) -> Run:
    """Run a plain script on a new day. `retrain` also fits a model for the next day.

    Raises BenchError if the script fails.
    """
    arguments = ["day", "--landing", str(landing), "--out", str(out), "--date", f"{day}"]
    return _run_script(engine, [*arguments, *(["--retrain"] if retrain else [])], log)


def money_of(printed: Mapping[str, Any]) -> Money:
    """Return the number and value of the decisions, from the JSON that a plain script or another tool printed."""
    return Money(printed["decisions"], printed["per_1000"])


def _run_script(engine: str, arguments: Sequence[str], log: Path) -> Run:
    """Run a plain script. Its seconds exclude reading and writing model files, see `scripts/step_times.py`."""
    file = ROOT / "bench" / "scripts" / f"plain_{engine}.py"
    process = run_process([sys.executable, str(file), *arguments], log)
    not_counted = process.printed["not_counted_s"]
    return Run(
        wall_s=round(process.wall_s - not_counted, 3),
        cpu_s=round(process.cpu_s - not_counted, 3),
        peak_rss_mb=process.peak_rss_mb,
        steps=process.printed["steps"],
        money=money_of(process.printed),
    )
