"""The command line of the plain scripts: `backfill` and `day`. The last line printed is JSON."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from bench.scripts.declaration import DECLARATION, PROOF_DAYS, SOURCES
from bench.scripts.step_times import MODEL_FILES, PROCESS_START, STEP_SECONDS

Backfill = Callable[[Path, Path, date, int], dict[str, Any]]
Day = Callable[[Path, Path, date, int, bool], dict[str, Any]]


def run_command(label: str, description: str | None, backfill: Backfill, day: Day) -> None:
    """Run the function of the command `backfill` or `day`, print its figures as JSON, and end the process.

    The JSON holds `label`, `wall_s`, `peak_rss_mb`, `not_counted_s`, `steps` (seconds by step), and the figures that
    the function returned, such as `decisions` and `per_1000`.
    """
    STEP_SECONDS["import"] = round(time.perf_counter() - PROCESS_START, 3)
    options = parse_arguments(description)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "backfill":
        figures = backfill(options.landing, options.out, options.first, options.proof_days)
    else:
        figures = day(options.landing, options.out, options.date, options.proof_days, options.retrain)
    measured = {
        "label": f"{label} {options.command}",
        "wall_s": round(time.perf_counter() - PROCESS_START, 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "not_counted_s": STEP_SECONDS.pop(MODEL_FILES),
    }
    print(json.dumps(measured | {"steps": STEP_SECONDS, **figures}))
    sys.stdout.flush()
    os._exit(0)  # like the chain's command, because Python needs time to shut down the interpreter


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Return the options of a plain script's command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    backfill, day = commands.add_parser("backfill"), commands.add_parser("day")
    for command in (backfill, day):
        command.add_argument("--landing", type=Path, required=True)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument(
            "--proof-days", type=int, default=PROOF_DAYS, help="days from the first fit to a model that decides"
        )
    backfill.add_argument("--first", type=date.fromisoformat, default=DECLARATION["replay"]["first_day"])
    day.add_argument("--date", type=date.fromisoformat, required=True)
    day.add_argument("--retrain", action="store_true")
    return parser.parse_args()


def delete_outputs(out: Path) -> None:
    """Delete the files that an earlier backfill wrote."""
    for kind in (*SOURCES, "features", "models", "decisions"):
        shutil.rmtree(out / kind, ignore_errors=True)
