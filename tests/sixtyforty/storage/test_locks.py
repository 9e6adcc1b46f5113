"""Only one process holds a lock at a time, a killed one holds none, and a timeout names the holder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.databases import DatabaseError
from sixtyforty.storage.files import FileAccessError
from sixtyforty.storage.locks import LockTimeoutError, exclusive_lock, read_holder
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from tests.postgres import Postgres

CONTEXT = get_context("spawn")


def _hold(lock: StoragePath, marker: Path) -> None:
    with exclusive_lock(lock, "keep others waiting"):
        marker.touch()
        time.sleep(60)


def _take_turn(lock: StoragePath, log: Path) -> None:
    with exclusive_lock(lock, "write a line"), log.open("a") as file:
        file.write("in ")
        file.flush()
        time.sleep(0.1)
        file.write("out ")


def start_holder(lock: StoragePath, folder: Path) -> BaseProcess:
    """Start a process, and return once it holds the lock."""
    holder = CONTEXT.Process(target=_hold, args=(lock, folder / "held"))
    holder.start()
    deadline = time.monotonic() + 60
    while not (folder / "held").exists():
        assert time.monotonic() < deadline, "the process never took the lock"
        time.sleep(0.02)
    return holder


@pytest.fixture(params=["file", "machine", "database"])
def lock(request: pytest.FixtureRequest, tmp_path: Path) -> StoragePath:
    """A lock in a folder, of an object store on one machine, and of an object store with a lock database."""
    if request.param == "file":
        return tmp_path / "folder" / "x.lock"
    url = f"s3://bucket/{tmp_path.name}-{os.getpid()}/x.lock"
    if request.param == "machine":
        return ObjectPath(url)
    postgres: Postgres = request.getfixturevalue("postgres")
    return ObjectPath(url, postgres.database())


def test_processes_take_turns_and_a_killed_one_holds_no_lock(lock: StoragePath, tmp_path: Path) -> None:
    holder = start_holder(lock, tmp_path)
    holder.kill()
    holder.join()
    log = tmp_path / "log"
    processes = [CONTEXT.Process(target=_take_turn, args=(lock, log)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert log.read_text().split() == ["in", "out"] * 3


def test_a_lock_of_a_killed_process_is_cleared_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "x.lock"
    holder = start_holder(lock, tmp_path)
    holder.kill()
    holder.join()
    for _ in range(2):
        with exclusive_lock(lock, "go on", timeout=1):
            pass
    with pytest.raises(KeyError), exclusive_lock(lock, "fail"):
        raise KeyError
    with exclusive_lock(lock, "go on", timeout=1):
        pass
    (message,) = [record.getMessage() for record in caplog.records if "lock is free again" in record.getMessage()]
    assert message.startswith(f"{lock}: process {holder.pid} on {socket.gethostname()}")
    assert "(keep others waiting)" in message


def test_a_timeout_names_the_process_that_holds_the_lock(lock: StoragePath, tmp_path: Path) -> None:
    holder = start_holder(lock, tmp_path)
    try:
        with pytest.raises(LockTimeoutError) as error, exclusive_lock(lock, "try", timeout=0.3):
            pytest.fail("two processes hold the lock")
    finally:
        holder.kill()
        holder.join()
    message = str(error.value)
    assert message.startswith(
        f"{lock}: still locked after 0.3 s by process {holder.pid} on {socket.gethostname()[:20]}"
    )
    assert "(keep others waiting)" in message
    assert "try again" in message
    assert isinstance(error.value, SixtyfortyError)


def test_a_lock_can_be_taken_again_after_an_error(lock: StoragePath) -> None:
    with pytest.raises(KeyError), exclusive_lock(lock, "fail"):
        raise KeyError
    with exclusive_lock(lock, "succeed", timeout=1):
        pass


def test_a_process_that_starts_another_one_and_ends_leaves_no_lock(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    with exclusive_lock(lock, "start a process"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with exclusive_lock(lock, "try", timeout=1):
            pass
    finally:
        child.kill()
        child.wait()


def test_the_lock_file_names_its_holder_until_it_is_released(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "x.lock", "a long purpose that fills the file"):
        pass
    with exclusive_lock(tmp_path / "x.lock", "short"):
        holder = read_holder(tmp_path / "x.lock")
    assert holder is not None
    assert (holder.pid, holder.host, holder.purpose) == (os.getpid(), socket.gethostname(), "short")
    assert read_holder(tmp_path / "x.lock") is None


NOBODY = {"pid": None, "host": None, "since": None, "purpose": None}


@pytest.mark.parametrize(
    "content",
    [None, b"", b"[]", b'{"pid": 1}', b"\xff", b"[" * 100_000, json.dumps(NOBODY).encode(), b"1" * 5000],
    ids=["no file", "empty", "list", "part", "no text", "deep", "nulls", "long number"],
)
def test_a_lock_file_without_a_holder_names_nobody(tmp_path: Path, content: bytes | None) -> None:
    lock = tmp_path / "x.lock"
    if content is not None:
        lock.write_bytes(content)
    assert read_holder(lock) is None
    with exclusive_lock(lock, "go on", timeout=1):
        pass


def test_a_lock_that_can_not_be_created_is_an_access_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "x.lock", tmp_path / "folder"):
        with pytest.raises(FileAccessError, match="Move that file or folder away"), exclusive_lock(path, "write"):
            pass


def test_an_unreachable_lock_database_is_a_database_error() -> None:
    lock = ObjectPath("s3://bucket/x.lock", "postgresql+psycopg2://ann:geheim@127.0.0.1:1/x")
    with pytest.raises(DatabaseError, match="Connection refused") as error, exclusive_lock(lock, "write"):
        pass
    assert "geheim" not in str(error.value)
