"""DuckDB sessions that can read certain folders only (locked sessions), with macros that convert local times.

All sessions of a process with the same time zone, readable folders and threads share one in-memory database. A
session can read files in its readable folders. It can't read other files, reach the network, load extensions, read this
process's Python variables, or change the settings of its database. So the SQL of a declaration can't do so either.

A database holds at most half of SIXTYFORTY_MEMORY in memory. It writes the rest to a scratch folder of this process.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.memory import duckdb_limit
from sixtyforty.storage.scratch import scratch_folder
from sixtyforty.storage.sql import literal
from sixtyforty.storage.timezone_rules import require_same_rules

if TYPE_CHECKING:
    import duckdb

OPEN_DATABASES = 8  # the largest number of in-memory databases that a process keeps open
SLOW_OPTIMIZERS = "common_subexpressions,statistics_propagation"  # take quadratic time in a query's expressions


class QueryTooSlowError(SixtyfortyError):
    """A query took longer than its time limit."""


def usable_processors() -> int:
    """Return the number of processors that this process may use, which a container or `taskset` may limit."""
    is_limited = hasattr(os, "sched_getaffinity")  # macOS has no such limit
    return len(os.sched_getaffinity(0)) if is_limited else os.cpu_count() or 1


@lru_cache(maxsize=OPEN_DATABASES)
def _open_database(
    timezone: str, folders: tuple[Path, ...], scratch: Path, threads: int | None, has_wide_tables: bool
) -> duckdb.DuckDBPyConnection:
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "memory_limit": f"{duckdb_limit() // 10**6}MB",
        # Databases that share a scratch folder would overwrite one another's files, which are numbered from 0.
        "temp_directory": tempfile.mkdtemp(prefix="duckdb-", dir=scratch),
    }
    config |= {"threads": threads or usable_processors()}
    config |= {"disabled_optimizers": SLOW_OPTIMIZERS} if has_wide_tables else {}
    database = duckdb.connect(config=config)
    require_same_rules(database, timezone)
    _create_macros(database, timezone)
    allowed = ", ".join(literal(str(folder)) for folder in folders)
    database.execute(
        f"set allowed_directories = [{allowed}]; set global TimeZone = 'UTC';"
        " set enable_external_access = false; set lock_configuration = true"
    )
    _newest[:] = [database]
    return database


def _create_macros(database: duckdb.DuckDBPyConnection, timezone: str) -> None:
    """Create the macros `local` and `utc`. See `connect`. In UTC, `local` leaves a TIMESTAMP alone, which is faster."""
    zone = literal(timezone)
    local = f"ts at time zone 'UTC' at time zone {zone}"
    if timezone == "UTC":
        local = f"case when typeof(ts) = 'TIMESTAMP' then ts else {local} end"
    database.execute(f"create macro local(ts) as ({local})")
    database.execute(f"create macro utc(ts) as (ts::timestamp at time zone {zone} at time zone 'UTC')")


_newest: list[duckdb.DuckDBPyConnection] = []  # the database that was opened last


def close_databases() -> None:
    """Close all DuckDB databases of this process that no session uses."""
    _newest.clear()
    _open_database.cache_clear()


# A DuckDB database that is still open when the interpreter ends prints sixty lines of warnings.
atexit.register(close_databases)


def connect(
    timezone: str,
    folders: tuple[Path, ...] = (),
    scratch: Path | None = None,
    threads: int | None = None,
    has_wide_tables: bool = False,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB session in UTC that can read the files in `folders` only, and can't change its settings.

    timezone: IANA name of the use case's time zone. The macro `local(ts)` converts a UTC timestamp to this time zone,
    and `utc(ts)` converts back. folders: the folders whose files the session can read, as paths without symbolic links.
    scratch: the scratch folder for data that doesn't fit into memory. None: one in the system's temporary folder.
    threads: how many threads work on a query. None: one for each processor that this process may use.
    has_wide_tables: whether queries convert thousands of columns at once. SLOW_OPTIMIZERS then don't run: with 8,000
    columns they took minutes.
    `Lake.open_session` opens sessions that read the lake. The sessions share a database, because opening a database is
    slow. So the caller must create only temporary tables. Raises TimezoneRulesError if DuckDB and Python disagree about
    the time zone.
    """
    return _open_database(timezone, folders, scratch or scratch_folder(None), threads, has_wide_tables).cursor()


def describe_sql_error(error: duckdb.Error) -> str:
    """Return the first line of a DuckDB error or, if its message may hold data, only the kind of the error.

    Errors of wrong SQL name columns and tables. Errors of a cast or a calculation quote the value that failed.
    """
    import duckdb

    with_data = (duckdb.DataError, duckdb.InvalidInputException, duckdb.IntegrityError, duckdb.InvalidTypeException)
    kind = type(error).__name__
    if isinstance(error, with_data):
        return f"{kind}, whose text may hold data and isn't shown"
    return (str(error).splitlines() or [kind])[0].rstrip(".")


@contextmanager
def time_limit(session: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt the session's query in this block after some seconds. Raises QueryTooSlowError then."""
    import duckdb

    timer = Timer(seconds, session.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryTooSlowError(f"The query took longer than {seconds:.0f} seconds.") from error
    finally:
        timer.cancel()


def connect_for_expressions() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB session that reads only registered tables, for SQL expressions of a declaration.

    The session can read no file, load no extension and change no setting. It has a database of its own, without the
    macros `local` and `utc`.
    """
    import duckdb

    return duckdb.connect(config={"enable_external_access": "false", "lock_configuration": "true"})


def connect_for_types() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB session to find the column types of queries. Don't use it to read rows or to convert local times.

    The session shares the DuckDB database that was opened last, because opening another database takes long.
    """
    return _newest[0].cursor() if _newest else connect("UTC")
