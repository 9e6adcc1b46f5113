"""The daemon is killed, -9, between a tick and the launch it asked for: the next one asks for it, once."""

from __future__ import annotations

import logging
import os
import signal
from datetime import date
from pathlib import Path

import pytest

from pipelines.demo import flights
from pipelines.settings import ROOT
from tests.faults import worker

SENSOR = "flight_delays_new_data"
DAYS = date(2013, 1, 1), date(2013, 1, 2)


def tick(home: Path, dies: str = "") -> None:
    """One round of the daemon's sensors; to its death at one of the moments that Dagster has names for."""
    os.environ |= {"SIXTYFORTY_HOME": str(home), "SIXTYFORTY_CLOCK": str(home / "clock")}
    import dagster as dg
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget
    from dagster._daemon.sensor import execute_sensor_iteration

    from pipelines.settings import prepare

    prepare()
    target = ModuleTarget("pipelines.definitions", None, str(ROOT), "sixtyforty")
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as context:
        (location,) = context.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        if not instance.all_instigator_state():
            instance.start_sensor(next(s for s in repository.get_sensors() if s.name == SENSOR))
        flags = {SENSOR: {dies: signal.SIGKILL}} if dies else None
        logger = logging.getLogger("the daemon")
        list(execute_sensor_iteration(context, logger, None, None, debug_crash_flags=flags))


def runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Each run's status and key."""
    import dagster as dg

    monkeypatch.setenv("DAGSTER_HOME", str(home / "data" / "dagster"))
    monkeypatch.setenv("SIXTYFORTY_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        return [(r.status.value, r.tags["dagster/run_key"]) for r in instance.get_runs()]


@pytest.mark.e2e
def test_a_launch_that_a_tick_asked_for_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flights.land(tmp_path / "data" / "landing" / "flight_delays", *DAYS)
    (tmp_path / "clock").write_text("2013-01-03T12:00:00")
    assert worker.ended(worker.start(tick, tmp_path, "TICK_HELD")) == -9
    assert runs(tmp_path, monkeypatch) == []
    assert worker.ended(worker.start(tick, tmp_path, "RUN_IDS_RESERVED")) == -9
    assert runs(tmp_path, monkeypatch) == []  # wished for, and written down, and not there
    assert worker.ended(worker.start(tick, tmp_path, "RUN_CREATED")) == -9
    assert [status for status, _ in runs(tmp_path, monkeypatch)] == ["NOT_STARTED"]  # there, and in no queue
    for _ in range(2):
        assert worker.ended(worker.start(tick, tmp_path)) == 0
        found = runs(tmp_path, monkeypatch)
        assert [status for status, _ in found] == ["QUEUED"]
        assert found[0][1].endswith("-0")  # the first attempt at this piece of work
