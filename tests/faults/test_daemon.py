"""The daemon is killed between a tick and the launch that it requested: the next tick launches the run once."""

from __future__ import annotations

import logging
import os
import signal
from datetime import date
from pathlib import Path

import pytest

from pipelines.demo import flights
from pipelines.settings import ROOT
from tests.faults.worker import KILLED, start_process, wait_for_exit

SENSOR = "flight_delays_new_data"
DAYS = date(2013, 1, 1), date(2013, 1, 2)


def run_tick(home: Path, killed_at: str = "") -> None:
    """Run one iteration of the daemon's sensors. killed_at: Dagster's name of the point at which this process dies."""
    os.environ |= {"SIXTYFORTY_HOME": str(home), "SIXTYFORTY_CLOCK": str(home / "clock")}
    import dagster as dg
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget
    from dagster._daemon.sensor import execute_sensor_iteration

    from pipelines.settings import prepare_dagster_home

    prepare_dagster_home()
    target = ModuleTarget("pipelines.definitions", None, str(ROOT), "sixtyforty")
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        (location,) = context.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        if not instance.all_instigator_state():
            instance.start_sensor(next(sensor for sensor in repository.get_sensors() if sensor.name == SENSOR))
        crash_flags = {SENSOR: {killed_at: signal.SIGKILL}} if killed_at else None
        logger = logging.getLogger("daemon")
        list(execute_sensor_iteration(context, logger, None, None, debug_crash_flags=crash_flags))


def list_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the status and the run key of each run."""
    import dagster as dg

    monkeypatch.setenv("DAGSTER_HOME", str(home / "data" / "dagster"))
    monkeypatch.setenv("SIXTYFORTY_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        return [(run.status.value, run.tags["dagster/run_key"]) for run in instance.get_runs()]


@pytest.mark.e2e
def test_a_launch_that_a_killed_tick_requested_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flights.land(tmp_path / "data" / "landing" / "flight_delays", *DAYS)
    (tmp_path / "clock").write_text("2013-01-03T12:00:00")
    # The third tick dies after it created the run, and before it put the run in the queue.
    for killed_at, statuses in (("TICK_HELD", []), ("RUN_IDS_RESERVED", []), ("RUN_CREATED", ["NOT_STARTED"])):
        assert wait_for_exit(start_process(run_tick, tmp_path, killed_at)) == KILLED
        assert [status for status, _ in list_runs(tmp_path, monkeypatch)] == statuses
    for _ in range(2):
        assert wait_for_exit(start_process(run_tick, tmp_path)) == 0
        runs = list_runs(tmp_path, monkeypatch)
        assert [status for status, _ in runs] == ["QUEUED"]
        assert runs[0][1].endswith("-0"), "the run is the first attempt"
