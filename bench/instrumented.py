"""The chain, with a clock at what governance does: prints seconds of each part as JSON.

    python -m bench.instrumented --landing DIR --home DIR --last DATE

First the days up to `--last`, then the day after it (which has landed), as two runs in this process; imports are made
before either.
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

from bench.chain import CASE, home_with, stages
from bench.year import FIRST

# A function may be known by several names: it is timed under each. Those below "of it" are within the one before.
PARTS = {
    "validated: types, rules, quarantine, verdicts": ["assets.data.validate"],
    "of it, Great Expectations": ["expectations.row_rules.find_failing_rows", "expectations.validation.find_failing_rows"],
    "of it, counts of conservation": ["expectations.validation._count_rows"],
    "serving gate of the features": ["assets.data.check_features"],
    "no time travel": ["sixtyforty.modeling.features.FeatureWindow.find_leakage"],
    "versions: recorded by DVC": ["sixtyforty.storage.dvc_versions.DvcVersions.snapshot"],
    "versions: published": ["sixtyforty.storage.dvc_versions.DvcVersions.publish"],
    "money audited a second way": ["sixtyforty.accounting.kpi_audit.find_differences"],
}
WARM = ("great_expectations", "dvc.repo", "sklearn.ensemble", "skops.io", "scipy.stats", "matplotlib.figure")


def clocked(took: dict[str, float]) -> None:
    """Puts a clock at each part; one that isn't there any more is left out."""
    for part, names in PARTS.items():
        for name in names:
            where, _, last = name.rpartition(".")
            try:
                owner: Any = importlib.import_module(where)
            except ModuleNotFoundError:
                module, _, cls = where.rpartition(".")
                owner = getattr(importlib.import_module(module), cls)
            if hasattr(owner, last):
                setattr(owner, last, _timed(getattr(owner, last), took, part))


def _timed(work: Callable[..., Any], took: dict[str, float], part: str) -> Callable[..., Any]:
    @wraps(work)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            took[part] = took.get(part, 0.0) + time.perf_counter() - begun

    return timed


def main() -> None:
    """Entry point."""
    top = argparse.ArgumentParser(description=__doc__)
    top.add_argument("--landing", type=Path, required=True)
    top.add_argument("--home", type=Path, required=True)
    top.add_argument("--last", type=date.fromisoformat, required=True)
    given = top.parse_args()
    os.environ["SIXTYFORTY_HOME"] = str(home_with(given.home, given.landing))
    took: dict[str, float] = {}
    clocked(took)
    for module in WARM:
        importlib.import_module(module)
    from bench.day import DELIVERED
    from pipelines.operations.run import run_range

    found, after = {}, given.last + timedelta(days=1)
    spans = {"backfill": (FIRST, given.last, stages()), "day": (after, after, [*DELIVERED, "kpi_impact"])}
    for span, (first, last, select) in spans.items():
        took.clear()
        begun = time.perf_counter()
        run_range(CASE, first, last, select=select)
        found[span] = {"all": time.perf_counter() - begun, **took}
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
