"""Run hours are added up once per run, and only those of finished runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sixtyforty.accounting.run_hours import FinishedRun, add_finished_runs, read_run_hours

RUNS = [FinishedRun("a", 0.0, 3600.0), FinishedRun("b", 1800.0, 3600.0), FinishedRun("a", 3600.0, 7200.0)]


def runs_between(after: float, until: float) -> Iterator[FinishedRun]:
    return (run for run in RUNS if after < run.end <= until)


def test_without_runs_there_are_no_hours(tmp_path: Path) -> None:
    assert read_run_hours(tmp_path) == {}


def test_each_run_is_added_once(tmp_path: Path) -> None:
    assert add_finished_runs(tmp_path, runs_between, 3700.0) == {"a": 1.0, "b": 0.5}
    assert add_finished_runs(tmp_path, runs_between, 3700.0) == {"a": 1.0, "b": 0.5}
    assert add_finished_runs(tmp_path, runs_between, 8000.0) == {"a": 2.0, "b": 0.5} == read_run_hours(tmp_path)
