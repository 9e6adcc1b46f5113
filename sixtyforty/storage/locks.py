"""Exclusive locks between processes, with a timeout and a message that names the holder.

In a folder, the lock is a file that `filelock` locks. The kernel releases the lock when the process ends, even after a
crash. The file names its holder until the holder releases it. So the next process can tell that a holder was killed,
and logs a warning. Object stores have no locks, so the lock for an object is an advisory lock of PostgreSQL, which ends
with its transaction. If no lock database is declared, only one machine may use the object store. A file in that
machine's temporary folder is then enough.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.databases import DatabaseError, open_engine
from sixtyforty.storage.files import access_error, create_folder
from sixtyforty.storage.object_store import ObjectPath, StoragePath

if TYPE_CHECKING:
    import sqlalchemy as sa

LOG = logging.getLogger(__name__)
LOCK_TIMEOUT = 600.0  # the longest time to wait for a lock, in seconds
POLL_INTERVAL = 0.02  # seconds between two attempts to take a lock
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's error code when lock_timeout has passed


class LockTimeoutError(SixtyfortyError):
    """Another process held a lock for longer than the timeout."""


@dataclass(frozen=True)
class LockHolder:
    """The process that holds a lock. `since` is an ISO timestamp in UTC; `purpose` is what the process does."""

    pid: int
    host: str
    since: str
    purpose: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since} ({self.purpose})"


@contextmanager
def exclusive_lock(path: StoragePath, purpose: str, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Wait until no other process holds a lock, then hold the lock during the block.

    path: the name of the lock. Of a lake in a folder, it is the path of the lock file; a missing folder is created.
    purpose: what this process does while it holds the lock, such as "append to champion.jsonl".
    timeout: the longest time to wait, in seconds.
    Raises LockTimeoutError, which names the holder. The block must not take the same lock again.
    """
    if not isinstance(path, ObjectPath):
        lock = _file_lock(path, str(path), purpose, timeout)
    elif path.lock_database_url:
        lock = _advisory_lock(path, purpose, timeout)
    else:
        file = Path(tempfile.gettempdir()) / f"sixtyforty-{_lock_number(path.url)}.lock"
        lock = _file_lock(file, path.url, purpose, timeout)
    with lock:
        yield


@contextmanager
def _file_lock(file: Path, name: str, purpose: str, timeout: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    create_folder(file.parent)
    descriptors: list[int] = []

    def record_holder(descriptor: int) -> None:
        descriptors.append(descriptor)
        if killed := read_holder(file):
            LOG.warning(f"{name}: {killed} ended before it released the lock. The lock is free again.")
        _write_holder(descriptor, _this_process(purpose))

    lock = FileLock(
        file, timeout=timeout, poll_interval=POLL_INTERVAL, preserve_lock_file=True, on_acquired=record_holder
    )
    try:
        lock.acquire()
    except Timeout as error:
        raise _timeout_error(name, timeout, read_holder(file)) from error
    except OSError as error:
        raise access_error(file, error) from error
    try:
        yield
    finally:
        os.ftruncate(descriptors[-1], 0)
        lock.release()


def read_holder(file: Path) -> LockHolder | None:
    """Return the process that a lock file names, which holds the lock or was killed; None if the file names none."""
    try:
        content = file.read_bytes()
        return TypeAdapter(LockHolder).validate_json(content, strict=True) if content else None
    except (OSError, ValueError):
        return None


def _write_holder(descriptor: int, holder: LockHolder) -> None:
    content = json.dumps(asdict(holder)).encode()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _this_process(purpose: str) -> LockHolder:
    return LockHolder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), purpose)


@contextmanager
def _advisory_lock(path: ObjectPath, purpose: str, timeout: float) -> Iterator[None]:
    """Hold a PostgreSQL advisory lock. It ends with its transaction, so it also ends if this process is killed."""
    import sqlalchemy as sa

    engine = open_engine(path.lock_database_url, poolclass=sa.NullPool)
    number = _lock_number(path.url)
    with engine.connect() as connection, connection.begin():
        settings = {"lock_timeout": f"{timeout * 1000:.0f}ms", "application_name": _application_name(purpose)}
        for setting, text in settings.items():  # the PostgreSQL settings apply to this transaction only
            connection.execute(sa.select(sa.func.set_config(setting, text, True)))
        try:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
        except DatabaseError as error:
            if error.code != LOCK_NOT_AVAILABLE:
                raise
            raise _timeout_error(path.url, timeout, _advisory_holder(engine, number)) from error
        yield


def _application_name(purpose: str) -> str:
    """Return a name for this database session that shows who holds the lock. PostgreSQL stores up to 63 bytes."""
    return f"{os.getpid()}@{socket.gethostname()[:20]}: {purpose}".encode()[:63].decode(errors="ignore")


def _advisory_holder(engine: sa.Engine, number: int) -> LockHolder | None:
    import sqlalchemy as sa

    query = sa.text(
        """select a.application_name, a.xact_start from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and (l.classid::bigint << 32) | l.objid::bigint = :number"""
    )
    with engine.connect() as connection:
        row = connection.execute(query, {"number": number}).first()
    if row is None:
        return None
    process, _, purpose = row.application_name.partition(": ")
    pid, _, host = process.partition("@")
    if not pid.isdigit():
        return None
    return LockHolder(int(pid), host, row.xact_start.astimezone(UTC).isoformat(timespec="seconds"), purpose)


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _timeout_error(name: str, timeout: float, holder: LockHolder | None) -> LockTimeoutError:
    return LockTimeoutError(
        f"{name}: still locked after {timeout:g} s by {holder or 'an unknown process'}."
        " Wait until that process is done, or end it, then try again."
    )
