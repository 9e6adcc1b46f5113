"""Database engines, and the error for a database that can't be used. Only this module creates SQLAlchemy engines."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import create_folder

if TYPE_CHECKING:
    import sqlalchemy as sa

# SQLite's primary result codes (https://www.sqlite.org/rescode.html) for failures that no statement causes: PERM, BUSY,
# LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL and NOTADB. SQLite reports a wrong statement as an
# OperationalError, too, but with the code ERROR.
SQLITE_DAMAGED_FILE = frozenset({11, 26})
SQLITE_ENVIRONMENT = frozenset({3, 5, 6, 7, 8, 10, 13, 14, 15}) | SQLITE_DAMAGED_FILE
# PostgreSQL's error codes for a missing privilege and for a read-only server. SQLAlchemy doesn't raise an
# OperationalError for them.
POSTGRES_NO_WRITES = frozenset({"42501", "25006"})

# Classes of PostgreSQL's error codes whose messages name objects of the database, but never stored data. They are about
# connections, transactions, log-ins, missing databases and schemas, wrong SQL, resources, limits, the server's state.
POSTGRES_WITHOUT_DATA = ("08", "25", "28", "3D", "3F", "42", "53", "54", "55", "57", "58")

SERVER_CURE = (
    "Check that the database runs, that its URL holds the right password, and that the database user may read and"
    " write."
)
FILE_CURE = (
    "Check that the folder of the database exists, is writable and has free space, and that no other process locks the"
    " database."
)
DAMAGED_CURE = "Restore the database file from a backup."


class DatabaseError(SixtyfortyError):
    """A database can't be reached or used. The message names the database without its password.

    reason: the first line of the driver's message.
    code: PostgreSQL's error code, such as 55P03; empty for other databases and for failed connections.
    """

    def __init__(self, message: str, reason: str = "", code: str = "") -> None:
        self.reason, self.code = reason, code
        super().__init__(message)


def open_engine(url: str | sa.URL, **options: Any) -> sa.Engine:
    """Return a SQLAlchemy engine that raises DatabaseError if the database can't be reached or used.

    options: the keyword arguments of `sqlalchemy.create_engine`. Error texts and logs never show the parameters of a
    statement. Raises DatabaseError for a malformed URL or a driver that is not installed.
    """
    import sqlalchemy as sa

    address = parse_database_url(url)
    try:
        engine = sa.create_engine(address, hide_parameters=True, **options)
    except (ImportError, sa.exc.NoSuchModuleError) as error:
        reason = f"the driver {address.drivername} is not installed"
        raise DatabaseError(
            f"The database {_describe(address)} can't be used: {reason}. Install the driver, or change the URL.",
            reason,
        ) from error
    sa.event.listen(engine, "handle_error", partial(_raise_database_error, address))
    return engine


def parse_database_url(url: str | sa.URL) -> sa.URL:
    """Parse a SQLAlchemy URL. Raises DatabaseError for a malformed URL, without showing the URL and its password."""
    import sqlalchemy as sa

    try:
        address = sa.engine.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        address = None
    # If a password has an unescaped @, a part of the password is parsed as the host, which messages show.
    if address is None or (isinstance(url, str) and url.count("@") > 1 and not is_sqlite(address)):
        raise DatabaseError(
            "The address of a database is not a SQLAlchemy URL. Write it as driver://user:password@host:port/name,"
            " with %40 for an @ in the password.",
            "the address is not a SQLAlchemy URL",
        )
    return address


def create_database_folder(url: str | sa.URL) -> None:
    """Create the folder of a SQLite database's file if the folder is missing. Do nothing for other databases.

    Raises FileAccessError if the folder can't be created.
    """
    address = parse_database_url(url)
    if is_sqlite(address) and address.database:
        create_folder(Path(address.database).parent)


def add_missing_columns(connection: sa.Connection, table: sa.Table, names: Iterable[str]) -> None:
    """Add the named columns that a table lacks because an earlier release created the table without them."""
    import sqlalchemy as sa
    from sqlalchemy.schema import CreateColumn

    present = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    name = connection.dialect.identifier_preparer.quote(table.name)
    add = "add column if not exists" if connection.dialect.name == "postgresql" else "add column"
    for column in (table.c[column_name] for column_name in names if column_name not in present):
        definition = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"alter table {name} {add} {definition}")


def is_sqlite(address: sa.URL) -> bool:
    """Return whether a URL names a SQLite database."""
    return address.get_backend_name() == "sqlite"


def _describe(address: sa.URL) -> str:
    """Return a database URL as text for messages, without its password and query, which may hold another password."""
    return address.set(query={}).render_as_string(hide_password=True)


def unusable_database(url: str | sa.URL, error: BaseException) -> DatabaseError:
    """Convert an error of a database driver or of SQLAlchemy into a DatabaseError, which says what to do."""
    address, driver_error = parse_database_url(url), getattr(error, "orig", None) or error
    reason = describe_driver_error(address, driver_error)
    return DatabaseError(
        f"The database {_describe(address)} can't be used: {reason}. {_cure(address, driver_error)}",
        reason,
        getattr(driver_error, "pgcode", None) or "",
    )


def describe_driver_error(address: sa.URL, error: BaseException) -> str:
    """Return the first line of a driver's message or, if the message may hold stored data, only the error's code.

    error: the driver's error, such as `UniqueViolation`, whose message holds the values of the row.
    """
    code = getattr(error, "pgcode", None)
    backend = address.get_backend_name()
    if code and not code.startswith(POSTGRES_WITHOUT_DATA):
        return f"{type(error).__name__}, SQLSTATE {code}"
    if not code and backend not in ("postgresql", "sqlite") and not isinstance(error, OSError):
        return " ".join([type(error).__name__, *(str(part) for part in error.args[:1] if isinstance(part, int))])
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _hide_data(address: sa.URL, context: sa.ExceptionContext) -> None:
    """Take stored data out of the texts of an error, which tracebacks and Dagster's pages show."""
    driver_error, error = context.original_exception, context.sqlalchemy_exception
    reason = describe_driver_error(address, driver_error)
    if reason in str(driver_error):
        return
    driver_error.args = (reason,)
    if error is not None:
        error.args = (reason,)


def _raise_database_error(address: sa.URL, context: sa.ExceptionContext) -> None:
    """Raise DatabaseError if the database can't be reached or used. SQLAlchemy calls this for each error."""
    # SQLAlchemy's connection pool replaces a connection whose test (`pre_ping`) fails.
    _hide_data(address, context)
    if context.is_pre_ping or not _is_environment_failure(address, context):
        return
    raise unusable_database(address, context.original_exception)


def _is_environment_failure(address: sa.URL, context: sa.ExceptionContext) -> bool:
    import sqlalchemy as sa

    if is_sqlite(address):
        return _sqlite_code(context.original_exception) in SQLITE_ENVIRONMENT
    is_operational = isinstance(context.sqlalchemy_exception, (sa.exc.OperationalError, sa.exc.InterfaceError))
    return (
        context.is_disconnect
        or is_operational
        or getattr(context.original_exception, "pgcode", None) in POSTGRES_NO_WRITES
    )


def _sqlite_code(error: BaseException) -> int:
    """Return SQLite's primary result code of an error; 0 if the error has no such code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _cure(address: sa.URL, error: BaseException) -> str:
    if not is_sqlite(address):
        return SERVER_CURE
    return DAMAGED_CURE if _sqlite_code(error) in SQLITE_DAMAGED_FILE else FILE_CURE
