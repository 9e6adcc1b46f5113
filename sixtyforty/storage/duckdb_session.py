"""DuckDB sessions, with macros that convert local times. Each process has one in-memory database per time zone."""

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

OPEN_DATABASES = 8


@lru_cache(maxsize=OPEN_DATABASES)
def _open_database(timezone: str, folder: Path | None) -> duckdb.DuckDBPyConnection:
    import duckdb

    # DuckDB writes data that doesn't fit into memory to this folder, and deletes the folder when the process ends.
    spill_folder = str(Path(tempfile.gettempdir()) / f"sixtyforty-{os.getpid()}")
    database = duckdb.connect(config={"autoinstall_known_extensions": "false", "temp_directory": spill_folder})
    zone = literal(timezone)
    database.execute(f"create macro local(ts) as (ts at time zone 'UTC' at time zone {zone})")
    database.execute(f"create macro utc(ts) as (ts::timestamp at time zone {zone} at time zone 'UTC')")
    folders = literal(str(folder)) if folder else ""
    database.execute(
        f"set allowed_directories = [{folders}]; set global TimeZone = 'UTC';"
        " set enable_external_access = false; set lock_configuration = true"
    )
    return database


# A database that is still open when the interpreter ends prints sixty lines of warnings.
atexit.register(_open_database.cache_clear)


def connect(timezone: str, folder: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a locked DuckDB session whose own time zone is UTC.

    timezone: IANA name of the use case's time zone. The macro `local(ts)` converts a UTC timestamp to this time zone,
    and `utc(ts)` converts back. folder: the readable folder; None if the session reads no file. `Lake.open_session`
    gives sessions that read the lake. The caller must create only temporary tables, because sessions share a database:
    opening one is slow.
    """
    return _open_database(timezone, folder).cursor()
