"""Run on several machines: each run is a task that a Celery worker takes from the broker and executes completely.

The machines share only PostgreSQL, the object store that holds the lake, and the broker. A worker holds a PostgreSQL
lock named after the run while it executes the run. When the worker dies, PostgreSQL frees the lock. Dagster then marks
the run as failed and starts it again. Written partitions stay valid, because a partition is written completely or not
at all.

Start a worker with `celery -A pipelines.runtime.celery_worker worker -Q dagster`. The worker has the same environment
variables as the other services.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import celery
import dagster as dg
import sqlalchemy as sa
from dagster_celery.launcher import CeleryRunLauncher
from dagster_shared.serdes import unpack_value

from pipelines.runtime.dagster_internals import (
    CheckRunHealthResult,
    ConfigurableClassData,
    ExecuteRunArgs,
    WorkerStatus,
    instance_of,
)
from pipelines.settings import load_settings
from sixtyforty.storage.databases import open_engine

QUEUE = "dagster"
# Dagster stores the status of a run, so Celery stores no results. A worker reserves no task while it executes another.
# A broker may hand out a long task twice; the second worker then finds the run locked or finished.
CELERY_SETTINGS = {
    "task_ignore_result": True,
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
}


class ClusterLauncher(CeleryRunLauncher):
    """Send runs to Celery workers, and report to Dagster's run monitoring whether a run's worker is alive."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Create the launcher without a connection to the broker."""
        super().__init__(QUEUE, load_settings().broker_url, config_source=CELERY_SETTINGS, inst_data=inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return an empty schema: the launcher has no options in dagster.yaml.

        Its only setting, the broker's address, comes from SIXTYFORTY_BROKER_URL.
        """
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Return a launcher. Dagster calls this method when it reads dagster.yaml."""
        return cls(inst_data)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return NOT_FOUND if the run has started but no worker holds its lock; UNKNOWN if it has not started."""
        if run.status != dg.DagsterRunStatus.STARTED:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN)
        with run_lock(run.run_id) as was_free:
            pass
        current = instance_of(self).get_run_by_id(run.run_id)
        if not was_free or current is None or current.is_finished:  # the run may have ended since Dagster asked
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"no worker executes run {run.run_id}")


class LockedRunTask(celery.Task):
    """Celery task that executes a run while it holds the run's lock.

    The task does nothing if the run has finished or another worker holds the lock.
    """

    def __call__(self, execute_job_args_packed: Any) -> Any:
        """Execute a run. The argument is Dagster's packed message, which names the run."""
        run_id = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id
        with run_lock(run_id) as is_held:
            with dg.DagsterInstance.get() as instance:
                run = instance.get_run_by_id(run_id)
            if is_held and run and not run.is_finished:
                return super().__call__(execute_job_args_packed)
        return None


@contextmanager
def run_lock(run_id: str) -> Iterator[bool]:
    """Try to acquire a run's PostgreSQL lock in a separate session. Yields False if another process holds the lock."""
    number = int.from_bytes(hashlib.sha256(f"run/{run_id}".encode()).digest()[:8], signed=True)
    engine = open_engine(load_settings().database_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar())
