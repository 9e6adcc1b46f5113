"""Store Dagster's event log in SQLite, with connections that stay open and one transaction per batch of events.

Dagster's own event log opens and closes a database for every event, which takes 20 ms per event: minutes for a year of
partitions. The tables and files have Dagster's format. `dagster_internals` lists the private methods that this module
overrides.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from alembic.migration import MigrationContext
from dagster_shared.serdes import serialize_value
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from pipelines.runtime.dagster_internals import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
    SqliteEventLog,
)

OPEN_ENGINES = 32  # number of databases that stay open; beyond it, the least recently used engine is closed


@dataclass(frozen=True)
class StoredEvent:
    """A stored event: the event, its id in the index, and its text in the table of events."""

    event: dg.EventLogEntry
    event_id: int
    serialized: str


@dataclass
class Batch:
    """The open transactions, one per database, of the batch of events that a thread is storing."""

    transactions: ExitStack
    connections: dict[str, Connection] = field(default_factory=dict)


class BatchingEventLog(SqliteEventLog):
    """SQLite event log that leaves its connections open and stores a batch of events in one transaction.

    `batches_checks`: check results may be stored in batches too, which Dagster's PostgreSQL event log refuses.
    """

    batches_checks = True

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._thread = threading.local()
        self._existing_tables: set[str] = set()
        super().__init__(base_dir)

    def _engine_of(self, shard: str) -> Engine:
        """Return the SQLAlchemy engine of a shard: the database of one run's log, or the index of all runs.

        If more than OPEN_ENGINES are open, close the least recently used engine.
        """
        engine = self._engines.pop(shard, None)
        if engine is None:
            engine = open_engine(self.conn_string_for_shard(shard))
            event.listen(engine, "connect", _sync_at_checkpoints_only)
        self._engines[shard] = engine
        while len(self._engines) > OPEN_ENGINES:
            self._engines.popitem(last=False)[1].dispose()
        self.ensure_schema(shard, engine)
        return engine

    @contextmanager
    def connection(self, shard: str) -> Iterator[Connection]:
        """Open a transaction on one run's log, or on the index of all runs. Events of a batch share a transaction."""
        batch: Batch | None = getattr(self._thread, "batch", None)
        if batch is not None:
            if shard not in batch.connections:
                batch.connections[shard] = batch.transactions.enter_context(self._engine_of(shard).begin())
            yield batch.connections[shard]
            return
        with self.lock, self._engine_of(shard).begin() as connection:
            yield connection

    def has_schema(self, engine: Engine) -> bool:
        """Return whether a database has Dagster's tables, which a recorded Alembic revision (schema version) shows.

        Dagster's own check also reads all migration scripts, which is slower.
        """
        return has_revision(engine)

    def has_table(self, table_name: str) -> bool:
        """Return whether the index of all runs has the table `table_name`.

        A table that exists is looked up only once; a missing one is looked up each time.
        """
        if table_name not in self._existing_tables and super().has_table(table_name):
            self._existing_tables.add(table_name)
        return table_name in self._existing_tables

    def dispose(self) -> None:
        """Close all databases. A database that is used again is opened again."""
        super().dispose()
        with self.lock:
            while self._engines:
                self._engines.popitem()[1].dispose()

    def drop_shard(self, run_id: str) -> bool:
        """Delete the database file of a run's log, and return whether the file existed.

        The run's asset events remain in the index.
        """
        with self.lock:
            if engine := self._engines.pop(run_id, None):
                engine.dispose()
            self.forget_shard(run_id)
            path = Path(self.path_for_shard(run_id))
            existed = path.exists()
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return existed

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store all events of the batch, or none if an event can't be stored."""
        with self.lock, ExitStack() as transactions:
            self._thread.batch = Batch(transactions)
            try:
                if len({entry.run_id for entry in events}) == 1 and all(map(_is_about_assets, events)):
                    self._store_asset_events(events)
                else:
                    for entry in events:
                        self.store_event(entry)
            finally:
                self._thread.batch = None

    def _store_asset_events(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store the asset events of one run as `store_event` does, but with one SQL statement per table."""
        rows, insert = [self.row_of(entry) for entry in events], SqlEventLogStorageTable.insert()
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(insert, rows)
        with self.index_transaction() as connection:
            connection.execute(insert, rows)
            # the lock excludes other writers, so the newest ids of the index belong to these rows
            last = connection.scalar(sa.select(sa.func.max(SqlEventLogStorageTable.c.id)))
            ids = range(last - len(rows) + 1, last + 1)
            texts = [row["event"] for row in rows]
            stored = [StoredEvent(*parts) for parts in zip(events, ids, texts, strict=True)]
            self._store_assets(connection, [s for s in stored if s.event.dagster_event_type in ASSET_EVENTS])
            for planned in _of_type(stored, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED):
                self.store_asset_check_event(planned.event, planned.event_id)
            evaluations = _of_type(stored, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            # A run plans a result for each partition, but none for all partitions together. If one call stored both
            # kinds, the missing plan would make it store each result again, one by one.
            self._store_evaluations(connection, [s for s in evaluations if _partition_of(s) is not None])
            self._store_evaluations(connection, [s for s in evaluations if _partition_of(s) is None])

    def _store_assets(self, connection: Connection, stored: Sequence[StoredEvent]) -> None:
        """Store the tags of asset events, and each asset's newest event of each type."""
        self.store_tags(connection, [s.event for s in stored], [s.event_id for s in stored])
        newest = {(s.event.get_dagster_event().asset_key, s.event.dagster_event_type): s for s in stored}
        for entry in newest.values():
            self.store_newest(connection, entry.event, entry.event_id)

    def _store_evaluations(self, connection: Connection, stored: Sequence[StoredEvent]) -> None:
        """Store the check results of one run with a single SQL statement, instead of one per result as Dagster does."""
        if not stored:
            return
        table, changes = AssetCheckExecutionsTable, [self._evaluation_row(entry) for entry in stored]
        planned = table.update().where(
            table.c.run_id == stored[0].event.run_id,
            table.c.asset_key == sa.bindparam("of_asset"),
            table.c.check_name == sa.bindparam("of_check"),
            table.c.partition.is_(sa.bindparam("of_partition")),
        )
        update = planned.values({column: sa.bindparam(column) for column in changes[0] if column in table.c})
        if connection.execute(update, changes).rowcount != len(changes):  # the run hadn't planned some of the checks
            for entry in stored:
                self.store_evaluation(entry.event, entry.event_id)

    def _evaluation_row(self, stored: StoredEvent) -> dict[str, Any]:
        """Return the parameters of the SQL update that stores a check result.

        The parameters `of_…` select the row of the planned check. The other parameters are the new values of the row.
        """
        evaluation = stored.event.get_dagster_event().asset_check_evaluation_data
        materialization = evaluation.target_materialization_data
        status = (
            AssetCheckExecutionRecordStatus.SUCCEEDED if evaluation.passed else AssetCheckExecutionRecordStatus.FAILED
        )
        return {
            "of_asset": evaluation.asset_key.to_string(),
            "of_check": evaluation.check_name,
            "of_partition": evaluation.partition,
            "execution_status": status.value,
            "evaluation_event": stored.serialized,
            "evaluation_event_storage_id": stored.event_id,
            "evaluation_event_timestamp": self.insert_time_of(stored.event),
            "materialization_event_storage_id": materialization.storage_id if materialization else None,
        }

    def store_planned_evaluations(self, event: dg.EventLogEntry, event_id: int | None) -> None:
        """Store a row for each partition that a run will check. The event is serialized only once, to save time."""
        planned = event.get_dagster_event().asset_check_planned_data
        partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self.insert_time_of(event),
            "evaluation_event_storage_id": event_id,
        }
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), [row | {"partition": p} for p in partitions])


def open_engine(url: str) -> Engine:
    """Return an engine for a SQLite database of Dagster. It keeps one connection open. url: a SQLAlchemy URL."""
    return create_engine(url, poolclass=QueuePool, pool_size=1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


def has_revision(engine: Engine) -> bool:
    """Return whether a database has an Alembic revision. Dagster sets it when it has created all tables."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() is not None


def _sync_at_checkpoints_only(connection: Any, _: Any) -> None:
    """Make SQLite sync its file to disk less often, which is faster.

    The write-ahead log protects the file, but a power cut may lose the newest events.
    """
    connection.execute("PRAGMA synchronous = NORMAL")


def _is_about_assets(event: dg.EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS | ASSET_CHECK_EVENTS


def _of_type(stored: Sequence[StoredEvent], event_type: dg.DagsterEventType) -> list[StoredEvent]:
    return [entry for entry in stored if entry.event.dagster_event_type == event_type]


def _partition_of(stored: StoredEvent) -> str | None:
    partition: str | None = stored.event.get_dagster_event().asset_check_evaluation_data.partition
    return partition
