"""Hold the private Dagster names that this project uses.

`dagster_internals_events` has those that write events, `dagster_internals_daemon` those that write a daemon's records.
`dagster_internals_webserver` has those of the web server, `dagster_internals_assets` those of a stage's asset, and
`dagster_internals_jobs` those of a use case's job.

Dagster may rename or remove a private name in any release, so `pyproject.toml` pins the tested minor version.
Before an upgrade, run `tests/pipelines/runtime/test_dagster_internals.py`, which uses each name below. The comment of
each name states its purpose, and what to do without the name if Dagster removes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
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
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, WILL_RETRY_TAG
from dagster._core.utils import make_new_run_id
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from sqlalchemy import Connection, Engine

# Private Dagster names that other modules import from here, grouped by purpose.
__all__ = [  # noqa: RUF022
    # Purpose: recognize stored events of assets and checks. Without it: compare `dg.DagsterEventType` values.
    "ASSET_CHECK_EVENTS",
    "ASSET_EVENTS",
    # Purpose: columns of the event log and of the check results. Without it: reflect the two tables with SQLAlchemy.
    "AssetCheckExecutionsTable",
    "SqlEventLogStorageTable",
    # Purpose: status column of a check's result. Without it: use the texts PLANNED, SUCCEEDED and FAILED.
    "AssetCheckExecutionRecordStatus",
    # Purpose: a launcher's answer to run monitoring. Without it: remove the answer; monitoring then uses its timeouts.
    "CheckRunHealthResult",
    "WorkerStatus",
    # Purpose: base classes of a run launcher and of a storage named in dagster.yaml. Without it: use Dagster's own
    # launcher and storage, which start runs more slowly but need no code.
    "ConfigurableClass",
    "ConfigurableClassData",
    "LaunchRunContext",
    "RunLauncher",
    # Purpose: arguments of `dagster api execute_run`, the command that every launcher runs. Without it: use
    # Dagster's own launcher.
    "ExecuteRunArgs",
    # Purpose: type of a sensor's or schedule's stored state. Without it: use `Any`.
    "InstigatorState",
    # Purpose: seconds that SQLite waits for a lock. Without it: use the number 30.
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    # Purpose: tag of a failed run that Dagster starts again. Without it: use the text "dagster/will_retry".
    "WILL_RETRY_TAG",
]

CODE_LOCATION = "sixtyforty"  # as in workspace.yaml

# Purpose: modules that a run's process imports; the fork server imports them once for all runs. Without it: remove the
# module's name here, which makes each run start more slowly.
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


def partition_range_tags(first: str, last: str) -> dict[str, str]:
    """Return the tags that make a run process the partitions from `first` to `last`.

    Purpose: process a range of partitions in one run. If Dagster removes the tags' names: use the texts
    "dagster/asset_partition_range_start" and "dagster/asset_partition_range_end".
    """
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def partition_range(tags: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the first and last partition that a run's tags select, or None if they select no range of partitions.

    Purpose: find a run's partitions. If Dagster removes the tags' names: use the two texts in `partition_range_tags`.
    """
    if ASSET_PARTITION_RANGE_START_TAG not in tags or ASSET_PARTITION_RANGE_END_TAG not in tags:
        return None
    return tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG]


def new_run_id() -> str:
    """Return an unused run id.

    Purpose: lock a run before it starts. If Dagster removes `make_new_run_id`: use `str(uuid.uuid4())`.
    """
    return make_new_run_id()


def code_origin(module: str, function: str, job_name: str) -> Any:
    """Return Dagster's code origin of a job: the module and function from which a process loads the job.

    `module` and `function` name the function that returns the definitions with the job.
    Purpose: launch a run without a code server. If Dagster removes `ReconstructableRepository`: submit
    the run through the GraphQL API of the webserver.
    """
    repository = ReconstructableRepository.for_module(module, function)
    return repository.get_reconstructable_job(job_name).get_python_origin()


@contextmanager
def runs_of_code_location(instance: dg.DagsterInstance, job_name: str) -> Iterator[None]:
    """Let the runs of a job that this process creates in the block name the code location of Dagster's pages.

    Purpose: list the runs of commands below their job and in the timeline, where Dagster shows only runs that a code
    location started. If Dagster removes `RemoteJobOrigin`: leave this out, and find the runs in the list of all runs.
    """
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(CODE_LOCATION), SINGLETON_REPOSITORY_NAME)
    origin = RemoteJobOrigin(repository, job_name)
    create = instance.create_run_for_job
    instance.create_run_for_job = partial(create, remote_job_origin=origin)  # type: ignore[method-assign]
    try:
        yield
    finally:
        instance.create_run_for_job = create  # type: ignore[method-assign]


def execute_run(serialized_arguments: str) -> None:
    """Execute a run in this process. `serialized_arguments`: an `ExecuteRunArgs` as text, by `serialize_value`.

    Purpose: the main function of a launched process. If Dagster removes `execute_run_command`: start
    `dagster api execute_run` as a command.
    """
    from dagster._cli.api import execute_run_command  # only the launched process needs the command line

    execute_run_command.main([serialized_arguments], standalone_mode=False)


def instance_of(launcher: Any) -> dg.DagsterInstance:
    """Return the Dagster instance that a launcher belongs to.

    Purpose: read a launcher's `_instance`. If Dagster removes `_instance`: use `dg.DagsterInstance.get()`.
    """
    instance: dg.DagsterInstance = launcher._instance
    return instance


def share_engine(storages: Iterable[Any], engine: Engine) -> None:
    """Make Dagster's PostgreSQL storages share one SQLAlchemy engine, whose connections stay open.

    Purpose: reuse connections through `_engine`. By default Dagster opens a connection for each operation, which takes
    fifteen times as long. If Dagster removes `_engine`: accept this cost.
    """
    for storage in storages:
        storage._engine = engine


def keep_open(storage: Any, engine: Engine) -> None:
    """Make one of Dagster's SQLite storages use one SQLAlchemy engine. Its connection stays open until `dispose`.

    Purpose: reuse connections and compiled statements through `connect`. By default Dagster creates an engine for each
    operation, which takes most of a sensor's tick. If Dagster removes `connect`: accept this cost.
    """
    storage.connect, storage.dispose = engine.begin, engine.dispose


def unhealthy_daemons(instance: dg.DagsterInstance, now: float) -> list[str]:
    """Return the required daemons without a current heartbeat, sorted. `now`: seconds since 1970, UTC.

    Purpose: report stopped daemons in alerts and in `sixtyforty doctor`. If Dagster removes `get_daemon_statuses`:
    query `instance.daemonHealth` through GraphQL.
    """
    from dagster._daemon.controller import get_daemon_statuses

    statuses = get_daemon_statuses(
        instance, instance.get_required_daemon_types(), curr_time_seconds=now, ignore_errors=True
    )
    return sorted(name.lower() for name, status in statuses.items() if status.required and not status.healthy)


def are_daemons_live(instance: dg.DagsterInstance) -> bool:
    """Return whether all required daemons have a current heartbeat and no error.

    Purpose: `sixtyforty doctor` reports daemons with errors. If Dagster removes `all_daemons_live`: query
    `instance.daemonHealth` through GraphQL.
    """
    from dagster._daemon.controller import all_daemons_live

    return all_daemons_live(instance)


def rename_automation(instance: dg.DagsterInstance, names: Mapping[str, str | None]) -> None:
    """Give sensors and schedules new names.

    names: new name by old name. None: the sensor or schedule no longer exists, and its state is deleted. The renamed
    sensor or schedule keeps state, cursor and last tick, so that the daemon continues from there. A second call changes
    nothing.

    Purpose: a renamed use case keeps its sensors on. If Dagster removes a private name: turn them on by hand.
    """
    for state in instance.all_instigator_state():
        if state.name not in names:
            continue
        new_name = names[state.name]
        if new_name is not None:
            moved = state._replace(origin=state.origin._replace(instigator_name=new_name))
            known = instance.get_instigator_state(moved.instigator_origin_id, moved.selector_id)
            (instance.update_instigator_state if known else instance.add_instigator_state)(moved)
        instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)


def cron_times(cron: str, start: float) -> Iterator[datetime]:
    """Yield the UTC times of a cron schedule after `start` (seconds since 1970), without end.

    Purpose: compute a schedule's longest pause. If Dagster removes `cron_string_iterator`: use the package croniter.
    """
    from dagster._utils.schedules import cron_string_iterator

    return cron_string_iterator(start, cron, "UTC")


class SqliteEventLog(SqliteEventLogStorage):
    """Give private methods of Dagster's SQLite event log public names, so that a subclass can override or call them.

    A shard is one database file: the log of one run, or the index of all runs.
    Purpose: store a batch of events in one transaction (`pipelines.runtime.event_log`).
    If Dagster removes a private name: use Dagster's own `SqliteEventLogStorage`, which takes 20 ms per event.
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
        """Open a connection with a transaction to a shard: the database of one run's log, or the index of all runs."""
        raise NotImplementedError

    def has_schema(self, engine: Engine) -> bool:
        """Return whether the database already has Dagster's tables."""
        raise NotImplementedError

    def store_planned_evaluations(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Store the event which says that a run will evaluate an asset check."""
        raise NotImplementedError

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """The lock that lets only one thread of this process write to the event log at a time."""
        return self._db_lock

    def ensure_schema(self, shard: str, engine: Engine) -> None:
        """Create Dagster's tables in the database of one run's log, or of the index, if it lacks them.

        shard: the id of the run, or "index". A process checks each database only once.
        """
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)

    def forget_shard(self, shard: str) -> None:
        """Make `ensure_schema` check a run's log again, because its database was deleted. shard: the id of the run."""
        self._initialized_dbs.discard(shard)

    def row_of(self, event: dg.EventLogEntry) -> dict[str, Any]:
        """Return an event as a row of `SqlEventLogStorageTable`."""
        return self._event_to_row(event)

    def store_tags(self, connection: Connection, events: Sequence[dg.EventLogEntry], event_ids: Sequence[int]) -> None:
        """Store the tags of asset events. event_ids: the ids of these events in the index of all runs."""
        self._store_asset_event_tags(connection, events, event_ids)

    def store_newest(self, connection: Connection, event: dg.EventLogEntry, event_id: int) -> None:
        """Store an event as the newest event of its asset."""
        self._store_asset_event(connection, event, event_id)

    def store_evaluation(self, event: dg.EventLogEntry, event_id: int) -> None:
        """Store the result of one asset check."""
        self._update_asset_check_evaluation(event, event_id)

    def insert_time_of(self, event: dg.EventLogEntry) -> datetime:
        """Return an event's time as Dagster's tables store it: UTC, naive."""
        stored: datetime = self._event_insert_timestamp(event)
        return stored


class SqliteStorage(DagsterSqliteStorage):
    """Make Dagster's SQLite storage of runs and schedules use another event log, and open its databases faster.

    Purpose: choose the parts of the storage. If Dagster removes a private name: name three storages in dagster.yaml.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the storages of runs, events and schedules, whose files are in `base_dir`."""
        self.base_dir, self._inst_data = base_dir, inst_data
        self._run_storage = self.open_storage(SqliteRunStorage, _runs_directory(base_dir), "runs")
        self._event_log_storage = self.event_log_in(_event_logs_directory(base_dir))
        self._schedule_storage = self.open_storage(SqliteScheduleStorage, _schedule_directory(base_dir), "schedules")
        super(DagsterSqliteStorage, self).__init__()

    def event_log_in(self, folder: str) -> SqliteEventLogStorage:
        """Return the event log whose files are in a folder."""
        raise NotImplementedError

    def open_storage(self, storage: Any, folder: str, name: str) -> Any:
        """Return a storage of a class of Dagster. Its database is `<name>.db` in a folder."""
        return storage.from_local(folder)
