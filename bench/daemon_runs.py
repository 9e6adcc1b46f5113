"""Launch runs as the daemon does, in processes forked from a warm server, and time them from the request to the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.chain import Run
from bench.measure import BenchError
from bench.use_case import USE_CASE

if TYPE_CHECKING:
    import dagster as dg

POLL_SECONDS = 0.05


class DaemonRuns:
    """Launch runs of the use case in one home. The first run also starts the fork server, which takes longer."""

    def __init__(self, home: Path) -> None:
        os.environ["SIXTYFORTY_HOME"] = str(home)
        from pipelines.settings import prepare_dagster_home

        prepare_dagster_home()
        self.home = home

    def run(self, first: date, last: date, stages: Sequence[str], as_of: str | None = None) -> Run:
        """Run stages on the local days `first` to `last`, on the track `replay`. Return the run's seconds.

        as_of: take the decisions that are due by this UTC time. None: now. Raises BenchError if the run fails.
        """
        import dagster as dg

        from pipelines.runtime.dagster_internals import LaunchRunContext

        with dg.DagsterInstance.get() as instance:
            run = _create_run(instance, first, last, stages, as_of)
            requested_at, started = time.time(), time.perf_counter()
            instance.run_launcher.launch_run(LaunchRunContext(run, None))
            status, cpu_seconds = _wait_for_end(instance, run.run_id)
            wall_seconds = time.perf_counter() - started
            if status != dg.DagsterRunStatus.SUCCESS:
                raise BenchError(f"run {run.run_id} failed. Read the run's log in {self.home}.")
            first_step_at = min(step.start_time or 0 for step in instance.get_run_step_stats(run.run_id))
        return Run(
            wall_s=round(wall_seconds, 3),
            cpu_s=round(cpu_seconds, 2),
            start_up_s=round(first_step_at - requested_at, 3),
            run_id=run.run_id,
        )


def _create_run(
    instance: dg.DagsterInstance, first: date, last: date, stages: Sequence[str], as_of: str | None
) -> dg.DagsterRun:
    import dagster as dg

    from pipelines.definitions import defs
    from pipelines.operations.run import asset_key, run_config
    from pipelines.runtime.dagster_internals import code_origin, partition_range_tags

    keys = {asset_key(USE_CASE, stage) for stage in stages}
    return instance.create_run_for_job(
        defs().resolve_job_def(USE_CASE).get_subset(asset_selection=keys),
        asset_selection=frozenset(keys),
        run_config=run_config("replay", as_of),
        tags={**partition_range_tags(f"{first}", f"{last}"), "sixtyforty/track": "replay"},
        status=dg.DagsterRunStatus.STARTING,
        job_code_origin=code_origin("pipelines.definitions", "defs", USE_CASE),
    )


def _wait_for_end(instance: dg.DagsterInstance, run_id: str) -> tuple[dg.DagsterRunStatus, float]:
    """Wait until a run has ended. Return the run's status and the CPU seconds of its process."""
    from pipelines.runtime.launcher import find_run_process

    process, cpu_seconds = None, 0.0
    while True:
        run = instance.get_run_by_id(run_id)
        if run is None:
            raise BenchError(f"run {run_id} was deleted before it had ended")
        if run.is_finished:
            return run.status, cpu_seconds
        process = process or find_run_process(instance, run_id)
        if process:
            cpu_seconds = _cpu_seconds(process.pid) or cpu_seconds
        time.sleep(POLL_SECONDS)


def _cpu_seconds(pid: int) -> float | None:
    """Return the CPU seconds of a process so far, or None if the process has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system
