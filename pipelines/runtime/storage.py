"""Dagster's own storage: SQLite by default, PostgreSQL in production; one switch, SIXTYFORTY_PROFILE.

SQLite's event log opens and closes a database for every event, which checkpoints it each time: 20 ms an event, minutes
for a year of partitions. Ours keeps connections and writes a batch in one transaction. Schema and files are Dagster's.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
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
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_shared import check
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from pipelines.settings import profile

os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
ENGINES = 32  # kept: one a run being written or looked at


def _relaxed(connection: Any, _: Any) -> None:
    """With a write-ahead log, syncing at checkpoints keeps the file whole; a power cut may cost the last events."""
    connection.execute("PRAGMA synchronous = NORMAL")


class BatchingEventLog(SqliteEventLogStorage):
    """SQLite event log that keeps its connections and stores a batch of events in one transaction.

    `batches_checks`: evaluations of checks may come in batches as well, which PostgreSQL's refuses.
    """

    batches_checks = True

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._batch = threading.local()
        self._tables: set[str] = set()
        super().__init__(base_dir)

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None)
        if engine is None:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            event.listen(engine, "connect", _relaxed)
        self._engines[shard] = engine
        while len(self._engines) > ENGINES:
            self._engines.popitem(last=False)[1].dispose()
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        held = getattr(self._batch, "held", None)
        if held is not None:
            stack, connections = held
            if shard not in connections:
                connections[shard] = stack.enter_context(self._engine(shard).begin())
            yield connections[shard]
            return
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """As Dagster's own, which reads all of Alembic's scripts to find that a database has a revision already."""
        with engine.connect() as connection:
            revised = MigrationContext.configure(connection).get_current_revision()
        if not revised:
            super()._initdb(engine, for_index_shard)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table; asked of the database until it has."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def drop_shard(self, run_id: str) -> bool:
        """Deletes the file that holds a run's log; returns whether there was one. The index keeps its asset events."""
        with self._db_lock:
            if engine := self._engines.pop(run_id, None):
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            path = Path(self.path_for_shard(run_id))
            there = path.exists()
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
            return there

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores all of the events, or, when one can't be stored, none."""
        check.sequence_param(events, "events", EventLogEntry)
        with self._db_lock, ExitStack() as stack:
            self._batch.held = (stack, {})
            try:
                if len({e.run_id for e in events}) == 1 and all(_of_assets(e) for e in events):
                    self._store_of_assets(events)
                else:
                    for one in events:
                        self.store_event(one)
            finally:
                self._batch.held = None

    def _store_of_assets(self, events: Sequence[EventLogEntry]) -> None:
        """What `store_event` would store of a run's asset events, with a statement a table, not several an event."""
        rows, insert = [self._event_to_row(e) for e in events], SqlEventLogStorageTable.insert()
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(insert, rows)
        with self.index_transaction() as connection:
            connection.execute(insert, rows)
            last = connection.scalar(sa.select(sa.func.max(SqlEventLogStorageTable.c.id)))
            stored = list(
                zip(events, range(last - len(rows) + 1, last + 1), strict=True)
            )  # ours alone: we hold the lock
            assets = [(e, i) for e, i in stored if e.dagster_event_type in ASSET_EVENTS]
            self._store_asset_event_tags(connection, [e for e, _ in assets], [i for _, i in assets])
            newest = {(e.dagster_event.asset_key, e.dagster_event_type): (e, i) for e, i in assets}  # type: ignore[union-attr]
            for one, number in newest.values():
                self._store_asset_event(connection, one, number)
            for one, number in stored:
                if one.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                    self.store_asset_check_event(one, number)
            checked = [
                (*pair, row["event"])
                for pair, row in zip(stored, rows, strict=True)
                if pair[0].dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION
            ]
            self._store_evaluations(connection, checked)

    def _store_evaluations(self, connection: Connection, checked: Sequence[tuple[EventLogEntry, int, str]]) -> None:
        """As Dagster's own, in one statement: evaluations of a run, with the ids and the texts of their events."""
        table, changed = AssetCheckExecutionsTable, []
        for one, number, text in checked:
            said = one.get_dagster_event().asset_check_evaluation_data
            target = said.target_materialization_data
            status = Status.SUCCEEDED if said.passed else Status.FAILED
            changed.append(
                {
                    "of_asset": said.asset_key.to_string(),
                    "of_name": said.check_name,
                    "of_partition": said.partition,
                    "execution_status": status.value,
                    "evaluation_event": text,
                    "evaluation_event_storage_id": number,
                    "evaluation_event_timestamp": self._event_insert_timestamp(one),
                    "materialization_event_storage_id": target.storage_id if target else None,
                }
            )
        if not changed:
            return
        planned = table.update().where(
            table.c.run_id == checked[0][0].run_id,
            table.c.asset_key == sa.bindparam("of_asset"),
            table.c.check_name == sa.bindparam("of_name"),
            table.c.partition.is_(sa.bindparam("of_partition")),
        )
        if connection.execute(
            planned.values({c: sa.bindparam(c) for c in changed[0] if c in table.c}), changed
        ).rowcount != len(changed):
            for one, number, _ in checked:  # some weren't planned
                self._update_asset_check_evaluation(one, number)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """As Dagster's own, but that the event is written out once, not once a partition: 4 s of a year's range."""
        planned = event.get_dagster_event().asset_check_planned_data
        subset = planned.partitions_subset
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": Status.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        with self.index_connection() as connection:
            connection.execute(
                AssetCheckExecutionsTable.insert(),
                [row | {"partition": p} for p in (subset.get_partition_keys() if subset else [None])],
            )


def _of_assets(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS | ASSET_CHECK_EVENTS


class EmbeddedStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with the batching event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """As Dagster's own, which would make an event log of its own first."""
        self.base_dir, self._inst_data = base_dir, inst_data
        self._run_storage = SqliteRunStorage.from_local(_runs_directory(base_dir))
        self._event_log_storage = BatchingEventLog(_event_logs_directory(base_dir))
        self._schedule_storage = SqliteScheduleStorage.from_local(_schedule_directory(base_dir))
        super(DagsterSqliteStorage, self).__init__()

    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        """None: it can only be made as part of this storage."""
        return None


class ProfileStorage(EmbeddedStorage):
    """What `dagster.yaml` names: it becomes the storage the profile asks for."""

    @classmethod
    def config_type(cls) -> Any:
        """No settings: the profile has them."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        """Dagster's hook: SQLite below the home, or PostgreSQL when the profile says so."""
        chosen = profile()
        if chosen.name != "embedded":
            return _postgres(chosen.database_url, inst_data)
        return EmbeddedStorage.from_local(str(chosen.home / "data" / "dagster" / "storage"), inst_data=inst_data)


def _postgres(url: str, inst_data: ConfigurableClassData | None) -> Any:
    """Dagster's PostgreSQL storage, with connections that are kept, and tried before each use.

    Its own connects anew for each operation, which costs fifteen times the operation. A kept connection that died
    with a restarted server is replaced unnoticed.
    """
    from dagster_postgres import DagsterPostgresStorage

    storage = DagsterPostgresStorage(url, should_autocreate_tables=True, inst_data=inst_data)
    engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=2, pool_pre_ping=True, pool_recycle=3600)
    parts: list[Any] = [storage.run_storage, storage.event_log_storage, storage.schedule_storage]
    for part in parts:
        part._engine = engine
    return storage
