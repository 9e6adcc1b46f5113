"""Runs in warm processes: each is forked from a server that has imported what is heavy, and so starts in a moment.

Great Expectations and scikit-learn cost seconds to import, more than most runs cost to do. The server holds libraries
only, none of this project's code: a run reads that as it is on disk, and an edit needs no restart. It lives and dies
with the process that launches (the daemon); runs that it has forked go on without it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from typing import Any

import dagster as dg
import psutil
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData, serialize_value

from pipelines.settings import profile

HEAVY = (
    "dagster._cli.api",
    "dagster.components",
    "dagster._core.storage.event_log",
    "dagster._core.storage.runs",
    "dagster._core.storage.schedules",
    "dagster_postgres",
    "great_expectations",
    "sklearn.ensemble",
    "skops.io",
    "scipy.stats",
    "joblib",
    "duckdb",
    "pandas",
    "pyarrow.parquet",
    "pyarrow.csv",
    "sqlalchemy.dialects.sqlite",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "dvc.repo",
    "fsspec.implementations.local",
    "jinja2",
    "pyarrow.dataset",
    "upath",
    "PIL.JpegImagePlugin",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.workspace.autodiscovery",
    "dagster._core.storage.root",
    "upath.implementations.local",
    "pydantic.dataclasses",
)


class WarmLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Launches runs as processes of this machine, and knows whether they live."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Starts nothing: the server comes with the first run."""
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """How dagster.yaml names it."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is to be set."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> RunLauncher[dg.DagsterInstance]:
        """As dagster.yaml makes it; in a cluster, that which leaves runs to its workers."""
        if profile().name == "cluster":
            from pipelines.runtime.cluster import ClusterLauncher

            return ClusterLauncher(inst_data=inst_data)
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Forks a process that executes the run. Raises OSError where none can be made."""
        run = context.dagster_run
        if run.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(f"run {run.run_id} doesn't say which code it is of")
        given = ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref())
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([*HEAVY])
        process = processes.Process(target=_execute, args=(serialize_value(given), dict(os.environ)), name=run.run_id)
        process.start()
        threading.Thread(target=self._follow, args=(process, run.run_id), daemon=True).start()

    def _follow(self, process: BaseProcess, run_id: str) -> None:
        """Says at once of a run whose process died that it failed; monitoring does of those of a daemon before."""
        process.join()
        run = self._instance.get_run_by_id(run_id)
        if run and run.status == dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run)
        elif run and not run.is_finished:
            self._instance.report_run_failed(run, "The process of this run died.")

    def terminate(self, run_id: str) -> bool:
        """Asks the run's process to end; whether there was one."""
        run = self._instance.get_run_by_id(run_id)
        seen = last_seen(self._instance, run_id)
        worker = alive(*seen) if seen else None
        if run is None or run.is_finished or worker is None:
            return False
        self._instance.report_run_canceling(run)
        worker.send_signal(signal.SIGTERM)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks, and fails the runs whose process is gone."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND once the run's process is gone."""
        seen = last_seen(self._instance, run.run_id)
        if seen and not alive(*seen):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _execute(serialized: str, environment: Mapping[str, str]) -> None:
    """What a run's process does: the command that every launcher of Dagster runs."""
    os.environ.clear()  # the server's is that of its start
    os.environ.update(environment)
    from dagster._cli.api import execute_run_command

    execute_run_command.main([serialized], standalone_mode=False)


def last_seen(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The process a run was last seen in and when (seconds since 1970), as its log says; None before it has begun."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        found = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if found is not None:
            return int(str(found.value)), entry.timestamp
    return None


def alive(pid: int, seen: float) -> psutil.Process | None:
    """The process, unless it is dead or a later one of the same number; seen: seconds since 1970."""
    try:
        process = psutil.Process(pid)
        return process if process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= seen + 1 else None
    except psutil.NoSuchProcess:
        return None
