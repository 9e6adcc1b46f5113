"""Scratch folders: private folders for files that only one process needs, such as DuckDB's temporary files.

A process deletes its scratch folders when it ends. Next to each folder is a lock file, which the process keeps locked.
The kernel releases the lock even after a crash. So the next process that creates a scratch folder in the same place can
tell which folders are abandoned, and deletes them.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from sixtyforty.storage.files import access_errors, create_folder

PREFIX = f"sixtyforty-scratch-{os.getuid()}-"  # with the user's id, because a user can't delete another user's folders
LOCK_ENDING = ".lock"

_lock = threading.Lock()
# Each scratch folder and the descriptor of its lock file, by process id and parent folder.
_folders: dict[tuple[int, Path], tuple[Path, int]] = {}


def scratch_folder(parent: Path | None) -> Path:
    """Return the scratch folder of this process below a folder.

    The first call creates the folder, and deletes scratch folders of ended processes. Only this user can read it.
    parent: the folder above it; None: the system's temporary folder. Raises FileAccessError if the scratch folder can't
    be created.
    """
    parent = parent or Path(tempfile.gettempdir())
    key = os.getpid(), parent  # a forked process has its own scratch folder
    with _lock:
        if key not in _folders or not _folders[key][0].is_dir():
            create_folder(parent)
            with access_errors(parent):
                _delete_abandoned(parent)
                _folders[key] = _create(parent)
        return _folders[key][0]


def current_scratch_folder() -> Path:
    """Return the scratch folder that this process created last; one in the system's temporary folder if none exists."""
    with _lock:
        own = [folder for (process, _), (folder, _) in _folders.items() if process == os.getpid() and folder.is_dir()]
    return own[-1] if own else scratch_folder(None)


def _create(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / f"{PREFIX}{secrets.token_hex(8)}"
        lock_file = folder.with_name(folder.name + LOCK_ENDING)
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if lock_file.exists():  # if the lock file is missing, another process deleted it before it was locked
            folder.mkdir(mode=0o700)
            return folder, descriptor
        os.close(descriptor)


def _delete_abandoned(parent: Path) -> None:
    for lock_file in parent.glob(f"{PREFIX}*{LOCK_ENDING}"):
        with (
            suppress(FileNotFoundError, PermissionError),
            lock_file.open("rb") as lock,
        ):  # another process may delete the lock file first
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # the process that owns the scratch folder still runs
            _delete(lock_file.with_suffix(""))


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(folder.name + LOCK_ENDING).unlink(missing_ok=True)


@atexit.register
def _delete_own() -> None:
    for (process, _), (folder, _) in _folders.items():
        if process == os.getpid():
            _delete(folder)
