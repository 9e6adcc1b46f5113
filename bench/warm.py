"""Runs as the daemon starts them: in a process forked from a warm server, timed from the wish to the end."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from bench.measure import ROOT, BenchError


class Warm:
    """A launcher with its server, for one home."""

    def __init__(self, home: Path, use_case: str, module: str = "pipelines.definitions") -> None:
        """Nothing runs yet: the first run starts the server, and waits for it."""
        os.environ["SIXTYFORTY_HOME"] = str(home)
        from dagster._core.definitions.reconstruct import ReconstructableRepository

        from pipelines.settings import prepare

        prepare()
        repository = ReconstructableRepository.for_module(module, "defs", working_directory=str(ROOT))
        self.use_case, self.job = use_case, repository.get_reconstructable_job(use_case)

    def run(self, first: date, last: date, select: list[str], as_of: str | None = None) -> dict[str, Any]:
        """Seconds from the wish to the end of a run, of it until its first step; and CPU seconds.

        Raises BenchError when the run fails.
        """
        import dagster as dg
        from dagster._core.launcher.base import LaunchRunContext
        from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

        from pipelines.runtime.launcher import last_seen

        wanted = frozenset(dg.AssetKey([self.use_case, *s.split("/")]) for s in select)
        tags = {ASSET_PARTITION_RANGE_START_TAG: f"{first}", ASSET_PARTITION_RANGE_END_TAG: f"{last}"}
        clock = {"track": "replay"} | ({"as_of": as_of} if as_of else {})
        with dg.DagsterInstance.get() as instance:
            run = instance.create_run_for_job(
                self.job.get_definition().get_subset(asset_selection=set(wanted)),
                asset_selection=wanted,
                run_config={"resources": {"clock": {"config": clock}}, "loggers": {"console": {}}},
                tags=tags | {"sixtyforty/track": "replay"},
                status=dg.DagsterRunStatus.STARTING,
                job_code_origin=self.job.get_python_origin(),
            )
            began, begun = time.time(), time.perf_counter()
            instance.run_launcher.launch_run(LaunchRunContext(run, None))
            worker, cpu = None, 0.0
            while not (record := instance.get_run_record_by_id(run.run_id)).dagster_run.is_finished:  # type: ignore[union-attr]
                worker = worker or last_seen(instance, run.run_id)
                if worker:
                    cpu = _cpu(worker[0]) or cpu
                time.sleep(0.05)
            wall = time.perf_counter() - begun
            if record.dagster_run.status != dg.DagsterRunStatus.SUCCESS:  # type: ignore[union-attr]
                raise BenchError(f"run {run.run_id} failed; its log is in {os.environ['SIXTYFORTY_HOME']}")
            begins = min(s.start_time or 0 for s in instance.get_run_step_stats(run.run_id))
        return {
            "run_id": run.run_id,
            "wall_s": round(wall, 3),
            "cpu_s": round(cpu, 2),
            "start_up_s": round(begins - began, 3),
        }


def _cpu(pid: int) -> float | None:
    """CPU seconds of the process so far; None when it is gone."""
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return used.user + used.system
