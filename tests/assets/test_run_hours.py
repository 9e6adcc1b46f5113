"""The run hours of each use case, from Dagster's own records."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg

from assets.resources import ProjectHome
from assets.run_hours import record_run_hours


@dg.op
def nothing() -> None: ...


@dg.job(name="calls_in_time")
def chain() -> None:
    nothing()


@dg.job(name="housekeeping")
def other() -> None:
    nothing()


def test_finished_runs_of_use_cases_are_added_once(tmp_path: Path) -> None:
    home = ProjectHome(tmp_path, "sqlite://", str(tmp_path / "remote"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for job in (chain, chain, other):
            assert job.execute_in_process(instance=instance).success
        for _ in range(2):
            record_run_hours(instance, home, ["calls_in_time"])
    recorded = json.loads((tmp_path / "data" / "portfolio" / "run_time.json").read_text())
    assert recorded["runs"] == {"calls_in_time": 2}
    assert recorded["seconds"]["calls_in_time"] > 0
