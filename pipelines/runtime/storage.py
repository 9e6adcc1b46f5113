"""Choose the database of Dagster's runs, events and schedules by SIXTYFORTY_PROFILE.

The profile embedded uses SQLite files. The profiles production and cluster use PostgreSQL.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine

from pipelines.runtime.clock_steps import forget_future_ticks
from pipelines.runtime.dagster_internals import ConfigurableClassData, SqliteStorage, keep_open, share_engine
from pipelines.runtime.event_log import BatchingEventLog, has_revision, open_engine
from pipelines.runtime.failure_order import hold_back_unmarked_failures
from pipelines.settings import load_settings
from sixtyforty.storage.databases import unusable_database

os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


class EmbeddedStorage(SqliteStorage):
    """Dagster's SQLite storage, which opens faster, and whose event log stores events in batches."""

    def event_log_in(self, folder: str) -> BatchingEventLog:
        """Return the event log whose files are in a folder."""
        return BatchingEventLog(folder)

    def open_storage(self, storage: Any, folder: str, name: str) -> Any:
        """Return a storage of a class of Dagster. Its database is `<name>.db` in a folder.

        Dagster reads all migration scripts of a database before it opens the database. Only a new database needs the
        scripts, so this method opens an older database without them.
        """
        file = Path(folder).absolute() / f"{name}.db"
        url = f"sqlite:///{file}"
        is_created = file.exists() and has_revision(create_engine(url, poolclass=NullPool))
        opened = storage(url) if is_created else storage.from_local(folder)
        keep_open(opened, open_engine(url))
        return opened

    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        """Always None, because the event log exists only as part of this storage."""
        return None


class ProfileStorage(EmbeddedStorage):
    """The storage class that `dagster.yaml` names. Dagster receives the storage that the profile chooses."""

    @classmethod
    def config_type(cls) -> Any:
        """Return an empty schema: the storage has no options in dagster.yaml, because the profile decides."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        """Return the profile's storage: SQLite files in the home, or PostgreSQL. Dagster calls this method."""
        settings = load_settings()
        if settings.profile == "embedded":
            storage = EmbeddedStorage.from_local(str(settings.dagster_home / "storage"), inst_data=inst_data)
        else:
            storage = _postgres_storage(settings.database_url, inst_data)
        hold_back_unmarked_failures(storage)
        forget_future_ticks(storage)
        return storage


def _postgres_storage(url: str, inst_data: ConfigurableClassData | None) -> Any:
    """Return Dagster's PostgreSQL storage, with one SQLAlchemy engine whose connections stay open.

    The engine tests a connection before each use, and replaces connections that a restart of the server has closed. It
    raises SQLAlchemy's own errors, because Dagster handles those. Raises DatabaseError if the server can't be reached.
    """
    from dagster_postgres import DagsterPostgresStorage
    from dagster_postgres.utils import DagsterPostgresException

    try:
        storage = DagsterPostgresStorage(url, should_autocreate_tables=True, inst_data=inst_data)
    except DagsterPostgresException as error:  # Dagster has tried several times to connect
        raise unusable_database(url, error.__cause__ or error) from error
    engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=2, pool_pre_ping=True, pool_recycle=3600)
    share_engine([storage.run_storage, storage.event_log_storage, storage.schedule_storage], engine)
    return storage
