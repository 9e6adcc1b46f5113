"""An instance of Dagster for tests, and runs for tests of what happens when a run's process is gone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.runtime.storage import BatchingEventLog

LONGEST_WAIT = 400  # Seconds. A busy machine starts five Python processes slowly.


@contextmanager
def open_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """Open an instance of Dagster that stores events in batches, as in production.

    Dagster's own ephemeral instance stores each event alone. That takes longer than the stages of a small use case.
    folder: the folder of the event log.
    """
    from dagster._core.instance.types import InstanceType
    from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
    from dagster._core.run_coordinator import DefaultRunCoordinator
    from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
    from dagster._core.storage.root import LocalArtifactStorage
    from dagster._core.storage.runs import InMemoryRunStorage

    with dg.DagsterInstance(
        InstanceType.EPHEMERAL,
        LocalArtifactStorage(str(folder)),
        InMemoryRunStorage(),
        BatchingEventLog(str(folder / "events")),
        DefaultRunCoordinator(),
        NoOpComputeLogManager(),
        SyncInMemoryRunLauncher(),
    ) as instance:
        yield instance


def wait_for(condition: Callable[[], Any], seconds: float = LONGEST_WAIT, pause: float = 0.3) -> Any:
    """Wait until a condition is true, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < deadline, f"not true within {seconds} s"
        time.sleep(pause)
    return outcome


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def idle_job() -> None:
    """Do nothing: a job for runs that are created, but never executed."""
    nothing()


def create_dead_run(instance: dg.DagsterInstance) -> str:
    """Create a run that has started in a process that is gone; return its id."""
    from dagster._core.events import EngineEventData

    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTING)
    instance.report_engine_event("started", run, EngineEventData.in_process(process.pid))
    instance.handle_new_event(start_event(run))
    return run.run_id


def start_event(run: dg.DagsterRun) -> dg.EventLogEntry:
    """Return the event by which Dagster marks a run as started."""
    return dg.EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        job_name=run.job_name,
        dagster_event=dg.DagsterEvent(dg.DagsterEventType.PIPELINE_START.value, run.job_name),
    )
