"""Runs on several machines: each is a task that a Celery worker takes from the broker and executes whole.

The machines share PostgreSQL, the object store that holds the lake, and the broker; nothing else. While a worker is at
a run it holds a lock of PostgreSQL in the run's name: once the session is gone, so is the worker, however it died, and
the run has failed. Dagster tries it again; what was written stays, and a partition is there whole or not at all.

A worker is `celery -A pipelines.runtime.celery_worker worker -Q dagster`, with the settings of `pipelines.settings`
in the environment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import celery
import dagster as dg
import sqlalchemy as sa
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, unpack_value
from dagster_celery.launcher import CeleryRunLauncher

from pipelines.settings import profile

QUEUE = "dagster"
# The run's state is Dagster's to keep. A worker takes no task beside the one it is at; what a broker gives out twice,
# as some do of long ones, finds the run held or ended.
SETTINGS = {
    "task_ignore_result": True,
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
}


class ClusterLauncher(CeleryRunLauncher):
    """Leaves runs to Celery workers, and knows whether the one at a run lives."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Connects to nothing yet."""
        super().__init__(QUEUE, profile().broker_url, config_source=SETTINGS, inst_data=inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is to be set: the profile says it."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """As an instance is made anew."""
        return cls(inst_data)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND once the run has begun and nobody holds its lock."""
        if run.status != dg.DagsterRunStatus.STARTED:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN)
        with held(run.run_id) as free:
            pass
        now = self._instance.get_run_by_id(run.run_id)
        if not free or now is None or now.is_finished:  # since it was asked about
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its worker is gone")


class Held(celery.Task):
    """A task that executes a run under the run's lock; one that has ended meanwhile, or is at it, is let be."""

    def __call__(self, execute_job_args_packed: Any) -> Any:
        """Executes the run."""
        run_id = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id
        with held(run_id) as mine:
            with dg.DagsterInstance.get() as instance:
                run = instance.get_run_by_id(run_id)
            if mine and run and not run.is_finished:
                return super().__call__(execute_job_args_packed)
        return None


@contextmanager
def held(run_id: str) -> Iterator[bool]:
    """Holds a run's lock, in a session of its own; False where somebody else does."""
    number = int.from_bytes(hashlib.sha256(f"run/{run_id}".encode()).digest()[:8], signed=True)
    engine = sa.create_engine(profile().database_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar())
