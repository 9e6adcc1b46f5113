"""Add up the run time of each use case in a file, because Dagster's records of runs are deleted after a month.

`<home>/data/portfolio/run_time.json` contains the seconds and the number of runs by use case, and the time `until`
(seconds since 1970, UTC). The runs that ended by this time are counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.locks import exclusive_lock


@dataclass(frozen=True)
class FinishedRun:
    """A run of a use case that has ended. `start` and `end` are seconds since 1970 (UTC)."""

    use_case: str
    start: float
    end: float


@dataclass(frozen=True)
class RunTotals:
    """The total run time and the number of runs of each use case, over the runs that ended by `until`.

    `seconds` and `runs` are by use case. `until` is in seconds since 1970 (UTC).
    """

    until: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)


def read_run_hours(home: Path) -> dict[str, float]:
    """Return the total run time of each use case, in hours. home: the folder that holds `data/`."""
    return {name: seconds / 3600 for name, seconds in _read_totals(home).seconds.items()}


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
        seconds, runs = dict(totals.seconds), dict(totals.runs)
        for run in runs_between(totals.until, now):
            seconds[run.use_case] = seconds.get(run.use_case, 0) + (run.end - run.start)
            runs[run.use_case] = runs.get(run.use_case, 0) + 1
        write_atomic(path, canonical_json(asdict(RunTotals(now, seconds, runs))).encode())
    return read_run_hours(home)


def rename_run_hours(home: Path, old: str, new: str) -> None:
    """Record the run time of a renamed use case under its new name. A second call changes nothing."""
    path = _totals_path(home)
    with exclusive_lock(path.with_suffix(".lock"), "rename run hours"):
        totals = _read_totals(home)
        if old not in totals.seconds:
            return
        seconds, runs = dict(totals.seconds), dict(totals.runs)
        seconds[new] = seconds.pop(old) + seconds.get(new, 0.0)
        runs[new] = runs.pop(old, 0) + runs.get(new, 0)
        write_atomic(path, canonical_json(asdict(RunTotals(totals.until, seconds, runs))).encode())


def _totals_path(home: Path) -> Path:
    return home / "data" / "portfolio" / "run_time.json"


def _read_totals(home: Path) -> RunTotals:
    path = _totals_path(home)
    return RunTotals(**json.loads(path.read_bytes())) if path.exists() else RunTotals()
