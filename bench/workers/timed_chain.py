"""Run the chain in this process and time the parts of its governance. Print the seconds of each part as JSON.

    python -m bench.workers.timed_chain --landing DIR --home DIR --last DATE

Two runs are timed: the days up to `--last`, then the day after `--last`, whose extracts have landed too. The imports
are done before, so they are not timed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from bench.chain import create_home, list_stages
from bench.use_case import DAY_STAGES, FIRST_DAY, USE_CASE

# The timed functions of each part. A function has several names if several modules import it.
PARTS = {
    "validation: types, rules, quarantine, verdicts": ["assets.data.validate"],
    "part of validation: Great Expectations": [
        "expectations.row_rules.find_failing_rows",
        "expectations.evaluation.find_failing_rows",
    ],
    "part of validation: row counts": ["expectations.evaluation._count_rows"],
    "serving gate of the features": ["assets.data.check_features"],
    "leakage check": ["sixtyforty.modeling.features.FeatureWindow.find_leakage"],
    "versions recorded by DVC": ["sixtyforty.storage.dvc_versions.DvcVersions.snapshot"],
    "versions published by DVC": ["sixtyforty.storage.dvc_versions.DvcVersions.publish"],
    "money recomputed by SQL": ["sixtyforty.accounting.kpi_audit.find_differences"],
}
IMPORTED_BEFORE = (
    "great_expectations",
    "dvc.repo",
    "sklearn.ensemble",
    "skops.io",
    "scipy.stats",
    "matplotlib.figure",
)


def main() -> None:
    """Print as JSON the seconds of the runs `backfill` and `day`: of the run (`all`) and of each governance part."""
    options = parse_arguments()
    os.environ["SIXTYFORTY_HOME"] = str(create_home(options.home, options.landing))
    seconds_by_part: dict[str, float] = {}
    for part, names in PARTS.items():
        for name in names:
            time_function(name, part, seconds_by_part)
    for module in IMPORTED_BEFORE:
        importlib.import_module(module)
    from pipelines.operations.run import run_range

    next_day = options.last + timedelta(days=1)
    runs = {"backfill": (FIRST_DAY, options.last, list_stages()), "day": (next_day, next_day, DAY_STAGES)}
    figures = {}
    for name, (first, last, stages) in runs.items():
        seconds_by_part.clear()
        started = time.perf_counter()
        run_range(USE_CASE, first, last, select=stages)
        figures[name] = {"all": time.perf_counter() - started, **seconds_by_part}
    print("\n" + json.dumps(figures))


def parse_arguments() -> argparse.Namespace:
    """Return the options of this worker's command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landing", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--last", type=date.fromisoformat, required=True)
    return parser.parse_args()


def time_function(name: str, part: str, seconds_by_part: dict[str, float]) -> None:
    """Replace a function with a wrapper that adds the seconds of each call to a part of governance."""
    owner, attribute = find_owner(name)
    setattr(owner, attribute, _timed(getattr(owner, attribute), part, seconds_by_part))


def find_owner(name: str) -> tuple[Any, str]:
    """Return the module or class that contains a function, and the function's name in this module or class.

    Raises AttributeError if there is no such function.
    """
    path, _, attribute = name.rpartition(".")
    try:
        owner: Any = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, class_name = path.rpartition(".")
        owner = getattr(importlib.import_module(module), class_name)
    getattr(owner, attribute)
    return owner, attribute


def _timed(function: Callable[..., Any], part: str, seconds_by_part: dict[str, float]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds_by_part[part] = seconds_by_part.get(part, 0.0) + time.perf_counter() - started

    return timed


if __name__ == "__main__":
    main()
