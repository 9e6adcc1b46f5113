"""Hold every private name of Dagster that this project uses. No other product module imports or calls one.

Dagster may rename or remove a private name in any release, so `pyproject.toml` pins the tested minor version.
Before an upgrade, run `tests/pipelines/runtime/test_dagster_internals.py`, which exercises each entry below.
Each entry states its purpose, and what to do without it if the name disappears.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, DagsterEventBatchMetadata, generate_event_batch_id
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.scheduler.instigation import InstigatorState
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    WILL_RETRY_TAG,
)
from dagster._core.utils import make_new_run_id
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from sqlalchemy import Connection, Engine

# Names that other modules import from here as they are, grouped by purpose.
__all__ = [  # noqa: RUF022
    # Purpose: tell stored events of assets and checks from others. Without it: compare `dg.DagsterEventType` values.
    "ASSET_CHECK_EVENTS",
    "ASSET_EVENTS",
    # Purpose: columns of the event log and of the check results. Without it: reflect the two tables with SQLAlchemy.
    "AssetCheckExecutionsTable",
    "SqlEventLogStorageTable",
    # Purpose: status column of a check's result. Without it: the texts PLANNED, SUCCEEDED and FAILED.
    "AssetCheckExecutionRecordStatus",
    # Purpose: a launcher's answer to run monitoring. Without it: remove the answer; monitoring then uses its timeouts.
    "CheckRunHealthResult",
    "WorkerStatus",
    # Purpose: base classes of a run launcher and of a storage named in dagster.yaml. Without it: Dagster's own
    # launcher and
    # storage, which start runs more slowly but need no code.
    "ConfigurableClass",
    "ConfigurableClassData",
    "LaunchRunContext",
    "RunLauncher",
    # Purpose: arguments of `dagster api execute_run`, the command that every launcher runs. Without it: Dagster's
    # own launcher.
    "ExecuteRunArgs",
    # Purpose: type of a sensor's or schedule's stored state. Without it: `Any`.
    "InstigatorState",
    # Purpose: seconds that SQLite waits for a lock. Without it: the number 30.
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    # Purpose: tag of a failed run that Dagster starts again. Without it: the text "dagster/will_retry".
    "WILL_RETRY_TAG",
]

# Purpose: modules that a run's process imports; the fork server imports them once. Without it: remove the name that
# is gone,
# which makes each run start more slowly.
MODULES_OF_A_RUN = (
    "dagster._cli.api",
    "dagster._core.storage.event_log",
    "dagster._core.storage.runs",
    "dagster._core.storage.schedules",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.executor.in_process",
    "dagster._core.instance.factory",
    "dagster._core.workspace.autodiscovery",
    "dagster._core.storage.root",
)


class EventRecorder:
    """Record a stage's materializations and check results itself, one for each partition that it published.

    Purpose: a run works on a whole range in one step. Dagster would mark every partition of the range as materialized.
    Without it: yield one `dg.MaterializeResult` or `dg.AssetCheckResult` a partition, once Dagster accepts a subset.
    Uses `DagsterEvent.asset_materialization`, `DagsterEvent.from_step` and their batch metadata.
    """

    def record_materializations(
        self, context: dg.AssetExecutionContext, materializations: Sequence[dg.AssetMaterialization]
    ) -> None:
        """Store the materializations in one batch."""
        step = context.get_step_execution_context()
        for event, batch in _batched(materializations, generate_event_batch_id()):
            dg.DagsterEvent.asset_materialization(step, event, batch)

    def record_evaluations(
        self, context: dg.AssetExecutionContext, evaluations: Sequence[dg.AssetCheckEvaluation]
    ) -> None:
        """Store the check results: in one batch where the event log supports it, else one at a time."""
        step = context.get_step_execution_context()
        supports_batches = getattr(context.instance.event_log_storage, "batches_checks", False)
        for event, batch in _batched(evaluations, generate_event_batch_id()):
            dg.DagsterEvent.from_step(
                dg.DagsterEventType.ASSET_CHECK_EVALUATION,
                step,
                event,
                _message_of(event),
                batch if supports_batches else None,
            )

    def output_without_event(self) -> dg.Output[None]:
        """Return the step's output; Dagster records no materialization for it and runs the next stage."""
        return dg.Output(None, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})


def _batched(events: Sequence[Any], batch_id: str) -> Iterator[tuple[Any, DagsterEventBatchMetadata]]:
    """Yield each event with its batch; the last one closes the batch."""
    for number, event in enumerate(events, 1):
        yield event, DagsterEventBatchMetadata(batch_id, number == len(events))


def _message_of(evaluation: dg.AssetCheckEvaluation) -> str:
    outcome = "passed" if evaluation.passed else "failed"
    message = f"Asset check '{evaluation.check_name}' of '{evaluation.asset_key.to_user_string()}' {outcome}."
    return f"{message} {evaluation.description}" if evaluation.description else message


def partition_range_tags(first: str, last: str) -> dict[str, str]:
    """Return the tags that make a run work on the partitions first to last.

    Purpose: one run a range. Without it: the texts "dagster/asset_partition_range_start" and "…_end".
    """
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def partition_range(tags: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the first and last partition that a run's tags name, or None.

    Purpose: as `partition_range_tags`. Without it: as there.
    """
    if ASSET_PARTITION_RANGE_START_TAG not in tags or ASSET_PARTITION_RANGE_END_TAG not in tags:
        return None
    return tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG]


def new_run_id() -> str:
    """Return an id for a run that doesn't exist yet.

    Purpose: lock a run before it starts. Without it: `str(uuid.uuid4())`.
    """
    return make_new_run_id()


def code_origin(module: str, function: str, job_name: str) -> Any:
    """Return where a worker finds a job's code: a module, the function that returns its definitions, the job.

    Purpose: launch a run without a code server. Without it: submit the run through the GraphQL API of the webserver.
    """
    repository = ReconstructableRepository.for_module(module, function)
    return repository.get_reconstructable_job(job_name).get_python_origin()


def execute_run(serialized_arguments: str) -> None:
    """Execute a run in this process. `serialized_arguments`: `ExecuteRunArgs`, serialized.

    Purpose: the body of a launched process. Without it: start `dagster api execute_run` as a command.
    """
    from dagster._cli.api import execute_run_command  # only the launched process needs the command line

    execute_run_command.main([serialized_arguments], standalone_mode=False)


def instance_of(launcher: Any) -> dg.DagsterInstance:
    """Return the instance that a launcher belongs to.

    Purpose: `_instance` is the only way from a launcher to its instance. Without it: `dg.DagsterInstance.get()`.
    """
    instance: dg.DagsterInstance = launcher._instance
    return instance


def share_engine(storages: Iterable[Any], engine: Engine) -> None:
    """Make Dagster's PostgreSQL storages use one engine, whose connections stay open.

    Purpose: reuse connections through `_engine`. By default Dagster opens one for each operation, which takes fifteen
    times as long as reusing one.
    Without it: accept that cost.
    """
    for storage in storages:
        storage._engine = engine


def unhealthy_daemons(instance: dg.DagsterInstance, now: float) -> list[str]:
    """Return the required daemons without a current heartbeat, sorted. `now`: seconds since 1970, UTC.

    Purpose: alerts and `sixtyforty doctor`. Without it: query `instance.daemonHealth` through GraphQL.
    """
    from dagster._daemon.controller import get_daemon_statuses

    statuses = get_daemon_statuses(
        instance, instance.get_required_daemon_types(), curr_time_seconds=now, ignore_errors=True
    )
    return sorted(name.lower() for name, status in statuses.items() if status.required and not status.healthy)


def are_daemons_live(instance: dg.DagsterInstance) -> bool:
    """Return whether all required daemons have a current heartbeat and no error.

    Purpose: `sixtyforty doctor`. Without it: as `unhealthy_daemons`.
    """
    from dagster._daemon.controller import all_daemons_live

    return all_daemons_live(instance)


def cron_times(cron: str, start: float) -> Iterator[datetime]:
    """Yield the UTC times of a cron schedule after `start` (seconds since 1970), without end.

    Purpose: how long a schedule may be silent. Without it: the package croniter.
    """
    from dagster._utils.schedules import cron_string_iterator

    return cron_string_iterator(start, cron, "UTC")


class SqliteEventLog(SqliteEventLogStorage):
    """Offer the private steps of Dagster's SQLite event log under public names, to override and to call.

    Purpose: store a batch of events in one transaction (`pipelines.runtime.event_log`).
    Without it: Dagster's own `SqliteEventLogStorage`, which takes 20 ms an event.
    """

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self.connection(shard) as connection:
            yield connection

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        if not self.has_schema(engine):
            super()._initdb(engine, for_index_shard)

    def _store_asset_check_evaluation_planned(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        self.store_planned_evaluations(event, event_id)

    def connection(self, shard: str) -> AbstractContextManager[Connection]:
        """Open a connection to the database of a run, or of the index, in a transaction."""
        raise NotImplementedError

    def has_schema(self, engine: Engine) -> bool:
        """Return whether the database already has Dagster's tables."""
        raise NotImplementedError

    def store_planned_evaluations(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Store that a run is going to evaluate a check."""
        raise NotImplementedError

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """The lock that makes writers of this process wait for each other."""
        return self._db_lock

    def ensure_schema(self, shard: str, engine: Engine) -> None:
        """Create Dagster's tables in a shard's database, unless this process has already looked."""
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)

    def forget_shard(self, shard: str) -> None:
        """Look for the tables of a shard again when it is next used."""
        self._initialized_dbs.discard(shard)

    def row_of(self, event: dg.EventLogEntry) -> dict[str, Any]:
        """Return an event as a row of `SqlEventLogStorageTable`."""
        return self._event_to_row(event)

    def store_tags(self, connection: Connection, events: Sequence[dg.EventLogEntry], event_ids: Sequence[int]) -> None:
        """Store the tags of asset events."""
        self._store_asset_event_tags(connection, events, event_ids)

    def store_newest(self, connection: Connection, event: dg.EventLogEntry, event_id: int) -> None:
        """Store an event as the newest of its asset."""
        self._store_asset_event(connection, event, event_id)

    def store_evaluation(self, event: dg.EventLogEntry, event_id: int) -> None:
        """Store the result of one check."""
        self._update_asset_check_evaluation(event, event_id)

    def insert_time_of(self, event: dg.EventLogEntry) -> datetime:
        """Return an event's time as the tables store it: UTC without an offset."""
        stored: datetime = self._event_insert_timestamp(event)
        return stored


class SqliteStorage(DagsterSqliteStorage):
    """Make Dagster's SQLite storage of runs and schedules use another event log.

    Purpose: Dagster's class creates its own event log first. Without it: name the three storages in dagster.yaml.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the three storages below a folder."""
        self.base_dir, self._inst_data = base_dir, inst_data
        self._run_storage = SqliteRunStorage.from_local(_runs_directory(base_dir))
        self._event_log_storage = self.event_log_in(_event_logs_directory(base_dir))
        self._schedule_storage = SqliteScheduleStorage.from_local(_schedule_directory(base_dir))
        super(DagsterSqliteStorage, self).__init__()

    def event_log_in(self, folder: str) -> SqliteEventLogStorage:
        """Return the event log that keeps its files in a folder."""
        raise NotImplementedError
