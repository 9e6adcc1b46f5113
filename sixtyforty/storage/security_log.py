"""The security log: who did what, from where and when. The rows of its SQL table are chained by hashes.

The table is in the database to which decisions are delivered. Triggers refuse to change or delete its rows, and each
row's hash covers the row and the hash of the previous row. Addresses of clients are deleted after some days, so they
are in a table of their own. A row holds only the hash of its address with a random salt, so the chain stays valid.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, get_args

from sixtyforty.spec.clock import now
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.databases import create_database_folder, is_sqlite, open_engine, parse_database_url
from sixtyforty.storage.files import canonical_json

if TYPE_CHECKING:
    import sqlalchemy as sa

EventKind = Literal[
    "log-in",
    "log-in failed",
    "log-out",
    "session ended",
    "access denied",
    "password changed",
    "account changed",
    "account removed",
    "answer",
    "adoption",
    "approval",
    "roll-back",
    "withdrawal",
    "roll-out",
    "stage change",
    "key replaced",
]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
COMMAND_LINE = "command line"  # the address of events that a command records
GENESIS = "0" * 64
TABLE = "security_log"
DEFAULT_ADDRESS_DAYS = 30
MAX_TEXT = 500  # characters of a person, an address or a detail; the rest is cut off
APPEND_ATTEMPTS = 100  # another process may append a row with the same number at the same time
BUSY_TIMEOUT = 30  # seconds to wait while another process writes to the SQLite database
_APPENDS = Lock()


class SecurityLogError(SixtyfortyError):
    """The security log can't be written, or its rows don't match their hashes."""


@dataclass(frozen=True)
class SecurityEvent:
    """An event of the security log.

    - person: the name of the account, or the user of the command. A failed log-in has the name that somebody typed.
    - address: the IP address of the client, or COMMAND_LINE.
    - use_case: empty if the event belongs to no use case.
    """

    kind: EventKind
    person: str
    address: str = ""
    use_case: str = ""
    detail: str = ""


@dataclass(frozen=True)
class LoggedEvent(SecurityEvent):
    """A row of the security log. at: UTC, naive. address: empty once it is deleted."""

    seq: int = 0
    at: datetime = datetime.min


class SecurityLog:
    """The security log in a database. address_days: the days after which the addresses of clients are deleted."""

    def __init__(self, database: sa.Engine, address_days: int = DEFAULT_ADDRESS_DAYS) -> None:
        self._database, self._address_days = database, address_days
        self._rows, self._addresses = _define_tables()

    def create_tables(self) -> None:
        """Create the tables of the log, with the triggers that keep its rows, unless they exist."""
        self._rows.metadata.create_all(self._database)

    def record(self, event: SecurityEvent) -> None:
        """Append an event, and delete the addresses that are too old. Raises SecurityLogError if it can't."""
        import sqlalchemy as sa

        with _APPENDS:
            for _ in range(APPEND_ATTEMPTS):
                try:
                    return self._append(event, now())
                except sa.exc.IntegrityError:
                    continue
        raise SecurityLogError(
            f"The event '{event.kind}' of {event.person} couldn't be appended to the security log, because"
            f" {APPEND_ATTEMPTS} other rows were appended first. Try again."
        )

    def _append(self, event: SecurityEvent, at: datetime) -> None:
        import sqlalchemy as sa

        address, salt = _clean(event.address), secrets.token_hex(16)
        with self._database.begin() as connection:
            newest = sa.select(self._rows.c.seq, self._rows.c.hash).order_by(self._rows.c.seq.desc()).limit(1)
            last_seq, last_hash = connection.execute(newest).first() or (0, GENESIS)
            row = {
                "seq": last_seq + 1,
                "at": at,
                "kind": event.kind,
                "person": _clean(event.person),
                "use_case": _clean(event.use_case),
                "detail": _clean(event.detail),
                "address_hash": _hash_address(address, salt),
                "previous_hash": last_hash,
            }
            connection.execute(sa.insert(self._rows).values(**row, hash=hash_row(row)))
            if address:
                values = {"seq": row["seq"], "at": at, "address": address, "salt": salt}
                connection.execute(sa.insert(self._addresses).values(**values))
            self._delete_addresses(connection, at)

    def delete_old_addresses(self) -> None:
        """Delete the addresses of clients that are older than the setting allows."""
        with self._database.begin() as connection:
            self._delete_addresses(connection, now())

    def _delete_addresses(self, connection: sa.Connection, time: datetime) -> None:
        import sqlalchemy as sa

        is_old = self._addresses.c.at <= time - timedelta(days=self._address_days)
        connection.execute(sa.delete(self._addresses).where(is_old))

    def read(
        self, limit: int, offset: int = 0, kind: str = "", use_cases: Iterable[str] | None = None
    ) -> list[LoggedEvent]:
        """Return the newest events, newest first. use_cases: only events of these use cases; None: all events."""
        import sqlalchemy as sa

        rows, addresses = self._rows, self._addresses
        columns = [rows.c[name] for name in ("kind", "person", "use_case", "detail", "seq", "at")]
        query = sa.select(*columns, sa.func.coalesce(addresses.c.address, "").label("address"))
        query = query.select_from(rows.outerjoin(addresses, rows.c.seq == addresses.c.seq))
        if kind:
            query = query.where(rows.c.kind == kind)
        if use_cases is not None:
            query = query.where(rows.c.use_case.in_([*use_cases]))
        self.delete_old_addresses()
        with self._database.connect() as connection:
            ordered = query.order_by(rows.c.seq.desc()).limit(limit).offset(offset)
            return [LoggedEvent(**row._mapping) for row in connection.execute(ordered)]

    def verify(self) -> int:
        """Check every row against its hash and its address, and return the number of rows.

        Raises SecurityLogError, which names the first row that was changed, or before which a row is missing. Only a
        head that is kept elsewhere shows that the newest rows are missing: see `read_head`.
        """
        import sqlalchemy as sa

        rows, addresses = self._rows, self._addresses
        query = sa.select(*rows.c, addresses.c.address, addresses.c.salt)
        query = query.select_from(rows.outerjoin(addresses, rows.c.seq == addresses.c.seq)).order_by(rows.c.seq)
        number, previous_hash = 0, GENESIS
        with self._database.connect() as connection:
            for number, row in enumerate(connection.execution_options(yield_per=1000).execute(query), 1):
                fields = dict(row._mapping)
                address, salt, row_hash = (fields.pop(name) for name in ("address", "salt", "hash"))
                is_linked = row.seq == number and row.previous_hash == previous_hash and row_hash == hash_row(fields)
                if not is_linked or (address is not None and _hash_address(address, salt) != row.address_hash):
                    raise SecurityLogError(
                        f"The security log was changed: row {number} doesn't match its hash, or an earlier row is"
                        " missing. Compare the log with a backup, and find out who can write to the database."
                    )
                previous_hash = row_hash
        return number

    def read_head(self) -> tuple[int, str]:
        """Return the number of rows, and the hash of the newest one; (0, GENESIS) if there are none."""
        import sqlalchemy as sa

        newest = sa.select(self._rows.c.seq, self._rows.c.hash).order_by(self._rows.c.seq.desc()).limit(1)
        with self._database.connect() as connection:
            seq, row_hash = connection.execute(newest).first() or (0, GENESIS)
        return seq, row_hash

    def read_hash(self, seq: int) -> str:
        """Return the hash of the row with a number; empty if there is no such row."""
        import sqlalchemy as sa

        with self._database.connect() as connection:
            row_hash = connection.scalar(sa.select(self._rows.c.hash).where(self._rows.c.seq == seq))
        return row_hash or ""


@contextmanager
def open_security_log(database_url: str, address_days: int = DEFAULT_ADDRESS_DAYS) -> Iterator[SecurityLog]:
    """Open the security log of a database, and create it if it is missing. database_url: SQLAlchemy URL."""
    address = parse_database_url(database_url)
    create_database_folder(address)
    engine = open_engine(address, connect_args={"timeout": BUSY_TIMEOUT} if is_sqlite(address) else {})
    try:
        log = SecurityLog(engine, address_days)
        log.create_tables()
        yield log
    finally:
        engine.dispose()


def has_security_log(database_url: str) -> bool:
    """Return whether a database has a security log. Nothing is created. database_url: SQLAlchemy URL."""
    import sqlalchemy as sa

    address = parse_database_url(database_url)
    if is_sqlite(address) and address.database and not Path(address.database).exists():
        return False
    engine = open_engine(address)
    try:
        return sa.inspect(engine).has_table(TABLE)
    finally:
        engine.dispose()


def hash_row(row: dict[str, Any]) -> str:
    """Return the SHA-256 of a row's fields, without `hash`, in hexadecimal."""
    fields = {**row, "at": row["at"].isoformat(timespec="microseconds")}
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


def _clean(text: str) -> str:
    """Return a text that every database stores and that stays in one line, at most MAX_TEXT characters long."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MAX_TEXT])


def _hash_address(address: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}:{address}".encode()).hexdigest() if address else ""


def _define_tables() -> tuple[sa.Table, sa.Table]:
    """Return the tables of the events and of the addresses, in metadata of their own."""
    import sqlalchemy as sa

    metadata = sa.MetaData()
    rows = sa.Table(
        TABLE,
        metadata,
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "person", "use_case", "detail")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("address_hash", "previous_hash", "hash")),
    )
    addresses = sa.Table(
        "security_addresses",
        metadata,
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("address", "salt")),
    )
    for dialect, statements in _REFUSALS.items():
        for statement in statements:
            sa.event.listen(rows, "after_create", sa.DDL(statement).execute_if(dialect=dialect))
    return rows, addresses


# SQLite's `insert or replace` fires no trigger for the row that it deletes, so such an insert is refused itself.
_SQLITE_CHANGES = {
    "update": "",
    "delete": "",
    "insert": "when exists (select 1 from security_log where seq = new.seq)",
}
_REFUSALS = {
    "sqlite": [
        f"create trigger security_log_no_{change} before {change} on security_log {condition}"
        " begin select raise(abort, 'the security log is append-only'); end"
        for change, condition in _SQLITE_CHANGES.items()
    ],
    "postgresql": [
        "create or replace function refuse_security_log_change() returns trigger language plpgsql as"
        " $$ begin raise exception 'the security log is append-only'; end $$",
        "create trigger security_log_append_only before update or delete or truncate on security_log"
        " for each statement execute function refuse_security_log_change()",
    ],
}
