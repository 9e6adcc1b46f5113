"""The DVC repository of a home: how the repository is created, configured, locked and opened.

The repository is not connected to git. Its pointers (`.dvc` files and `dvc.lock`) change with every retraining, so git
would always report uncommitted changes. DVC waits only three seconds for its own lock, so each process first takes a
lock of this project, which waits longer.

DVC records in `.dvc/tmp/rwlock` which process reads or writes which file. A power cut can cut this file off, and a
killed process leaves its entries in it. Both would block every later command, so they are removed with a warning.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import TEMPORARY_PREFIX, create_folder, write_atomic
from sixtyforty.storage.locks import exclusive_lock

LOG = logging.getLogger(__name__)
TEMPORARY_FILES = f"{TEMPORARY_PREFIX}*"  # DVC ignores the temporary files that a killed process left
WRITER_TIMEOUT = 3600.0  # seconds to wait for another process's DVC command; the first push of a large home takes long
REMOTE_NAME = "store"
DVC_FILE, PARAMETERS = "dvc.yaml", "params.yaml"  # DVC's stages, and the file from which they read parameters


class DvcVersionError(SixtyfortyError):
    """DVC can't record or restore a version of a training set or model."""


@contextmanager
def open_repository(home: Path, remote: str, purpose: str) -> Iterator[Any]:
    """Open the DVC repository of a home during the block, and create the repository if it is missing.

    Only one process at a time can open the repository; other processes wait. The block must pass absolute paths to DVC:
    the working directory stays unchanged, because other threads may depend on it.

    remote: a folder, or any URL that DVC supports.
    purpose: what this process does. If another process waits too long for the repository, its error shows this text.
    Raises DvcVersionError for any error of DVC, and LockTimeoutError.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    create_folder(home / "data")
    with exclusive_lock(home / "data" / ".dvc-writer.lock", purpose, timeout=WRITER_TIMEOUT):
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.WARNING)  # DVC logs to stdout, where commands write their output
        try:
            _initialize(home, remote)
            write_recipe_list(home)
            clear_stale_entries(home / ".dvc" / "tmp")
            repository = Repo(str(home))
            try:
                with _without_failing_reflinks(home / "data"):
                    yield repository
            finally:
                repository.close()
        except DvcException as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise DvcVersionError(
                f"{home}: DVC failed ({reason}). Check the disk and the DVC remote, then try again."
            ) from error


@contextmanager
def _without_failing_reflinks(folder: Path) -> Iterator[None]:
    """During a `with` block, let DVC copy files without trying a reflink, if the file system has no reflinks.

    DVC would try one for each file: create an empty file, fail, and delete the file. That takes as long as the copy.
    DVC has no setting for this, so its function is replaced. The caller must hold the lock of the process's home.

    folder: a folder of the file system.
    """
    from dvc_objects.fs import system

    reflink = system.reflink
    if not _can_copy(reflink, folder):
        system.reflink = _refuse_reflink
    try:
        yield
    finally:
        system.reflink = reflink


def _can_copy(reflink: Callable[[Path, Path], None], folder: Path) -> bool:
    try:
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as trial:
            source = Path(trial, "source")
            source.touch()
            reflink(source, Path(trial, "copy"))
    except OSError:  # a full or read-only disk, too: DVC reports these better
        return False
    return True


def _refuse_reflink(source: str, copy: str) -> None:
    raise OSError(errno.ENOTSUP, "the file system has no reflinks", source, None, copy)


def write_recipe_list(home: Path) -> None:
    """Write the names of all use cases with a recipe folder into the home's `params.yaml`, which `dvc.yaml` reads.

    `dvc.yaml` is a file of the project, so it can't name the use cases of a home. Nothing is written if the list is
    unchanged. Raises FileAccessError.
    """
    if not (home / DVC_FILE).is_file():
        return
    recipes = home / "data" / "recipe"
    names = sorted(folder.name for folder in recipes.iterdir() if folder.is_dir()) if recipes.is_dir() else []
    content = json.dumps({"use_cases": dict.fromkeys(names, "")}, indent=1).encode()  # JSON is YAML, too
    file = home / PARAMETERS
    if not file.exists() or file.read_bytes() != content:
        write_atomic(file, content)


def _initialize(home: Path, remote: str) -> None:
    """Create the DVC repository if it is missing, and write its configuration."""
    from dvc.repo import Repo

    if not (home / ".dvc").exists():
        Repo.init(str(home), no_scm=True).close()
    ignored = home / ".dvcignore"
    patterns = ignored.read_text() if ignored.exists() else ""
    if TEMPORARY_FILES not in patterns:
        write_atomic(ignored, f"{patterns}{TEMPORARY_FILES}\n".encode())
    settings: dict[str, dict[str, Any]] = {
        "core": {"no_scm": True, "analytics": False, "check_update": False, "remote": REMOTE_NAME},
        "cache": {"dir": str(home / "data" / "dvc" / "cache"), "type": "reflink,copy"},
        f'remote "{REMOTE_NAME}"': {"url": remote},
    }
    _write_settings(home / ".dvc" / "config.local", settings)


def _write_settings(file: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Write options into a configuration file of DVC, by section. Other options in the file stay unchanged.

    DVC itself writes configurations as ASCII, so it can't write the path of a home such as `/srv/Bücher`.
    """
    from configobj import ConfigObj

    before = file.read_bytes() if file.exists() else b""
    config = ConfigObj(before.decode().splitlines(), encoding="utf-8")
    for section, options in settings.items():
        config.setdefault(section, {}).update({name: str(option) for name, option in options.items()})
    content = io.BytesIO()
    config.write(content)
    if content.getvalue() != before:
        write_atomic(file, content.getvalue())


def clear_stale_entries(folder: Path) -> None:
    """Remove the entries of ended processes from DVC's file of read and write locks, or the file if it is unreadable.

    folder: DVC's folder of temporary files. Logs a warning if entries or the file were removed. Raises a DvcException
    if another DVC process edits the file for longer than DVC's own timeout.
    """
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, SCHEMA
    from voluptuous import Invalid

    file = folder / RWLOCK_FILE
    if not file.exists():
        return
    with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder)):
        try:
            locks = SCHEMA(json.loads(file.read_bytes()))
        except (ValueError, Invalid):
            file.unlink()
            LOG.warning(f"{file}: DVC's lock file was damaged, as after a power cut. The file was removed.")
            return
        written_at = file.stat().st_mtime
        writers = {path: entry for path, entry in locks["write"].items() if _is_alive(entry["pid"], written_at)}
        readers = {
            path: [entry for entry in entries if _is_alive(entry["pid"], written_at)]
            for path, entries in locks["read"].items()
        }
        live = {"write": writers, "read": {path: entries for path, entries in readers.items() if entries}}
        if live != locks:
            write_atomic(file, json.dumps(live).encode())
            LOG.warning(f"{file}: locks of ended DVC processes were removed.")


def _is_alive(pid: int, written_at: float) -> bool:
    """Return whether the process that wrote an entry of DVC's lock file still runs.

    False if the process id now belongs to a newer process.

    written_at: when the file with the entry was written, in seconds since 1970.
    """
    import psutil

    try:
        return bool(psutil.Process(pid).create_time() <= written_at)
    except psutil.NoSuchProcess:
        return False
