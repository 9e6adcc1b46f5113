"""Move and delete files and folders. If the process is killed, each function can be called again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sixtyforty.storage.files import access_errors, create_folder, write_atomic
from sixtyforty.storage.object_store import ObjectPath, StoragePath


def move_path(path: StoragePath, new_path: StoragePath) -> None:
    """Move a file or a folder, or finish a move that was interrupted. A missing path is skipped.

    A local move is one rename. Objects are copied, then deleted: if the process is killed, a second call moves the
    rest. Raises FileAccessError if the new local path exists already.
    """
    if isinstance(path, ObjectPath):
        assert isinstance(new_path, ObjectPath)
        _move_objects(path, new_path)
    elif path.exists():
        assert isinstance(new_path, Path)
        create_folder(new_path.parent)
        with access_errors(new_path):
            if new_path.is_dir() and not path_exists(new_path):
                new_path.rmdir()
            if new_path.exists():
                raise FileExistsError(17, "the path exists already")
            _move_local(path, new_path)
    _remove_lock_files(path)


def _move_local(path: Path, new_path: Path) -> None:
    if path.stat().st_dev == new_path.parent.stat().st_dev:
        path.rename(new_path)
        return
    # Copy to a temporary name first, so that the new path is never incomplete.
    copy = new_path.with_name(f".moving-{new_path.name}")
    delete_path(copy)
    if path.is_dir():
        shutil.copytree(path, copy, symlinks=True)
    else:
        shutil.copy2(path, copy)
    copy.rename(new_path)
    delete_path(path)


def _move_objects(path: ObjectPath, new_path: ObjectPath) -> None:
    names = list(path.list_objects(recursive=True))
    for name in names:
        write_atomic(new_path / name, (path / name).read_bytes())
    for name in names:
        (path / name).unlink()


def _remove_lock_files(path: StoragePath) -> None:
    """Delete the lock of a moved file: `alerts/calls.lock` belongs to `alerts/calls.jsonl`."""
    if isinstance(path, Path) and path.suffix:
        path.with_suffix(".lock").unlink(missing_ok=True)


def delete_path(path: StoragePath) -> None:
    """Delete a file or a folder with everything below it. A missing path is skipped."""
    if isinstance(path, ObjectPath):
        for name in path.list_objects(recursive=True):
            (path / name).unlink()
        return
    with access_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_writable(folder: Path) -> bool:
    """Return whether this user may create and rename files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def path_exists(path: StoragePath) -> bool:
    """Return whether a file or folder exists. An empty folder counts as missing."""
    if isinstance(path, ObjectPath):
        return path.exists()
    return any(path.iterdir()) if path.is_dir() else path.exists()
