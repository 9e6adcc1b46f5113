"""Add up the run time of each use case in a file, because Dagster's records of runs are deleted after a month.

`<home>/data/portfolio/run_time.json` contains the seconds and the number of runs by use case. The file counts the runs
that ended by its field `until` (seconds since 1970, UTC).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.locks import exclusive_lock


@dataclass(frozen=True)
class FinishedRun:
    """A run of a use case that has ended. `start` and `end` are seconds since 1970 (UTC)."""

    use_case: str
    start: float
    end: float


def read_run_hours(home: Path) -> dict[str, float]:
    """Return the total run time of each use case, in hours. home: the folder that holds `data/`."""
    return {name: seconds / 3600 for name, seconds in _read_totals(home)["seconds"].items()}


def add_finished_runs(
    home: Path, runs_between: Callable[[float, float], Iterable[FinishedRun]], now: float
) -> dict[str, float]:
    """Add the runs that ended between the previous call and `now`. Return the total hours of each use case.

    runs_between: function that returns the runs that ended after its first argument and by its second argument. now:
    seconds since 1970 (UTC). No run is added twice.
    """
    path = _totals_path(home)
    with exclusive_lock(path.with_suffix(".lock"), "add up run hours"):
        totals = _read_totals(home)
        for run in runs_between(totals["until"], now):
            for name, amount in (("seconds", run.end - run.start), ("runs", 1)):
                totals[name][run.use_case] = totals[name].get(run.use_case, 0) + amount
        write_atomic(path, canonical_json({**totals, "until": now}).encode())
    return read_run_hours(home)


def _totals_path(home: Path) -> Path:
    return home / "data" / "portfolio" / "run_time.json"


def _read_totals(home: Path) -> dict[str, Any]:
    path = _totals_path(home)
    if not path.exists():
        return {"until": 0.0, "seconds": {}, "runs": {}}
    totals: dict[str, Any] = json.loads(path.read_bytes())
    return totals
