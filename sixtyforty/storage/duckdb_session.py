"""DuckDB sessions: one in-memory database per process and time zone, with the clock of the use case."""

from __future__ import annotations

import atexit
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.storage.sql import literal

if TYPE_CHECKING:
    import duckdb

OPEN_DATABASES = 8  # one per time zone


@lru_cache(maxsize=OPEN_DATABASES)
def _open_database(timezone: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    # DuckDB spills data that exceeds the memory into this folder, and deletes it when the process ends.
    spill_folder = str(Path(tempfile.gettempdir()) / f"sixtyforty-{os.getpid()}")
    database = duckdb.connect(config={"autoinstall_known_extensions": "false", "temp_directory": spill_folder})
    zone = literal(timezone)
    database.execute(f"create macro local(ts) as (ts at time zone 'UTC' at time zone {zone})")
    database.execute(f"create macro utc(ts) as (ts::timestamp at time zone {zone} at time zone 'UTC')")
    return database


# A database that outlives the interpreter prints sixty lines of warnings.
atexit.register(_open_database.cache_clear)


def connect(timezone: str) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB session in UTC.

    Its macro `local(ts)` converts a UTC timestamp to the time zone of the use case; `utc(ts)` is the inverse. Sessions
    of a process share one in-memory database, because opening one is slow: create only temporary tables.
    """
    session = _open_database(timezone).cursor()
    session.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
    return session
