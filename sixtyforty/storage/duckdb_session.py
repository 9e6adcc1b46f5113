"""DuckDB sessions: one in-memory database a process and timezone, with the use case's clock in it."""

from __future__ import annotations

import atexit
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@lru_cache(maxsize=8)
def _database(timezone: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    # what doesn't fit into memory is put there, and taken away with the process
    spilled = str(Path(tempfile.gettempdir()) / f"sixtyforty-{os.getpid()}")
    db = duckdb.connect(config={"autoinstall_known_extensions": "false", "temp_directory": spilled})
    db.execute(f"create macro local(ts) as (ts at time zone 'UTC' at time zone '{timezone}')")
    db.execute(f"create macro utc(ts) as (ts::timestamp at time zone '{timezone}' at time zone 'UTC')")
    atexit.register(_database.cache_clear)  # one that outlives the interpreter is told of in sixty lines
    return db


def connect(timezone: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB session that thinks in UTC.

    It has `local(ts)`, a UTC timestamp on the use case's own clock, and `utc(ts)`, its inverse.
    Sessions of a process share one in-memory database, which takes longest to open: keep to temporary tables.
    """
    db = _database(timezone).cursor()
    db.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
    return db
