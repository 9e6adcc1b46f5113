"""Start each run in a warm process, forked from a server that has already imported what runs need.

Great Expectations and scikit-learn take seconds to import, longer than most runs take. The server imports these
libraries and the project's code. A run whose source files have changed imports the project's code again, so an edit
needs no restart. The server ends with the process that launches runs (the daemon). Runs that the server has forked
continue without the server.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from dagster_shared.serdes import serialize_value

from pipelines.runtime.dagster_internals import (
    MODULES_OF_A_RUN,
    CheckRunHealthResult,
    ConfigurableClass,
    ConfigurableClassData,
    ExecuteRunArgs,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
    execute_run,
    instance_of,
)
from pipelines.runtime.stored_errors import PROCESS_ENDED
from pipelines.runtime.warm_code import warm_code
from pipelines.settings import load_settings

PRELOADED_MODULES = (
    *MODULES_OF_A_RUN,
    "dagster.components",
    "dagster_postgres",
    "great_expectations",
    "sklearn.ensemble",
    "skops.io",
    "scipy.stats",
    "joblib",
    "duckdb",
    "filelock",
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
    "upath.implementations.local",
    "pydantic.dataclasses",
)


LONGEST_RUN_SECONDS = 21_600.0  # A run whose process is older is ended.
NAME_FILE = Path("/proc/self/comm")
NAME_LENGTH = 15  # characters that Linux keeps of a process's name


def name_process(run_id: str) -> None:
    """Name this process after the run that it executes, so that it is recognised whatever the clock says.

    Only Linux has such names.
    """
    with suppress(OSError):
        NAME_FILE.write_text(run_id[:NAME_LENGTH])


@dataclass(frozen=True)
class RunProcess:
    """The process id (`pid`) that a run's log names, and the time of the log entry (`seen`, seconds since 1970).

    run_id: the run, after which its process is named (see `name_process`).
    """

    pid: int
    seen: float
    run_id: str = field(default="", kw_only=True)

    def find(self) -> psutil.Process | None:
        """Return the run's process, or None if it has ended. A newer process with the same id is not returned.

        The start time of a process moves with the clock, so after a step forward only the name shows the run's process.
        """
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            is_named = bool(self.run_id) and process.name() == self.run_id[:NAME_LENGTH]
            return process if is_named or process.create_time() <= self.seen + 1 else None
        except psutil.NoSuchProcess:
            return None


class WarmLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Launch runs as processes of this machine, and report to Dagster's run monitoring which processes are alive."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Create the launcher without starting the fork server, which starts with the first run."""
        self._inst_data = inst_data
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The entry of dagster.yaml that names this class. Dagster sets it."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return an empty schema: the launcher has no options in dagster.yaml."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> RunLauncher[dg.DagsterInstance]:
        """Return a launcher for the profile: in a cluster one that uses Celery workers. Dagster calls this method."""
        if load_settings().profile == "cluster":
            from pipelines.runtime.cluster import ClusterLauncher

            return ClusterLauncher(inst_data=inst_data)
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Fork a process that executes the run. Raises OSError if the machine can't start a process."""
        run = context.dagster_run
        if run.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(
                f"run {run.run_id}: the run's record doesn't say where its code is. Start the job again as a new run."
            )
        arguments = ExecuteRunArgs(run.job_code_origin, run.run_id, instance_of(self).get_ref())
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([*PRELOADED_MODULES, "pipelines.runtime.warm_up"])
        process = processes.Process(
            target=_execute, args=(run.run_id, serialize_value(arguments), dict(os.environ)), name=run.run_id
        )
        process.start()
        threading.Thread(target=self._report_end, args=(process, run.run_id), daemon=True).start()

    def _report_end(self, process: BaseProcess, run_id: str) -> None:
        """Wait for a run's process to end, and mark the run as failed or canceled if it has not finished.

        For runs that an earlier daemon started, run monitoring does this.
        """
        process.join()
        instance = instance_of(self)
        run = instance.get_run_by_id(run_id)
        if run and run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run)
        elif run and not run.is_finished:
            instance.report_run_failed(run, f"{PROCESS_ENDED} {run_id} ended before the run had finished.")

    def terminate(self, run_id: str) -> bool:
        """Send SIGTERM to a run's process. Return whether the process was running."""
        instance = instance_of(self)
        run = instance.get_run_by_id(run_id)
        last_seen = find_run_process(instance, run_id)
        process = last_seen.find() if last_seen else None
        if run is None or run.is_finished or process is None:
            return False
        instance.report_run_canceling(run)
        process.send_signal(signal.SIGTERM)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: Dagster's run monitoring asks this launcher, and marks runs as failed if their process has ended."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return NOT_FOUND if the run's process has ended, otherwise RUNNING.

        A run that takes longer than LONGEST_RUN_SECONDS is killed. Dagster's own limit compares only the clock with the
        start of the run, so it would end a live run when the clock is set forward.
        """
        last_seen = find_run_process(instance_of(self), run.run_id)
        process = last_seen.find() if last_seen else None
        if last_seen and not process:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"the process of run {run.run_id} has ended")
        if process and self._takes_too_long(run.run_id, process):
            process.kill()
            text = f"the process of run {run.run_id} was killed after {LONGEST_RUN_SECONDS:.0f} s"
            return CheckRunHealthResult(WorkerStatus.FAILED, text)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _takes_too_long(self, run_id: str, process: psutil.Process) -> bool:
        record = instance_of(self).get_run_record_by_id(run_id)
        started = record.start_time if record else None
        # The start time of a process moves with the clock, so its age doesn't.
        return time.time() - max(started or time.time(), process.create_time()) > LONGEST_RUN_SECONDS


def find_run_process(instance: dg.DagsterInstance, run_id: str) -> RunProcess | None:
    """Return the newest process that a run's log names, or None if the run has not started."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            return RunProcess(int(str(pid.value)), entry.timestamp, run_id=run_id)
    return None


def _execute(run_id: str, serialized_arguments: str, environment: Mapping[str, str]) -> None:
    """Execute a run in its forked process, with the environment of the process that launched the run."""
    name_process(run_id)
    os.environ.clear()  # a forked process inherits the environment that the server started with
    os.environ.update(environment)
    warm_code.refresh()
    execute_run(serialized_arguments)
