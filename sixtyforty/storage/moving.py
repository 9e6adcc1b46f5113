"""Move and delete files and folders. If the process is killed, each function can be called again."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from sixtyforty.storage.files import access_errors, create_folder, write_atomic
from sixtyforty.storage.object_store import ObjectPath, StoragePath


def move_path(path: StoragePath, new_path: StoragePath) -> None:
    """Move a file or a folder, or finish a move that was interrupted. A missing path is skipped.

    On one disk, a local move is one rename. Between disks and in an object store, the content is copied, then deleted:
    if the process is killed, a second call moves the rest. Raises FileAccessError if the new local path exists already.
    """
    if isinstance(path, ObjectPath):
        assert isinstance(new_path, ObjectPath)
        _move_objects(path, new_path)
    else:
        assert isinstance(new_path, Path)
        marker = new_path.with_name(f".moved-{new_path.name}")
        with access_errors(new_path):
            if path.exists():
                create_folder(new_path.parent)
                _move_local(path, new_path, marker)
            marker.unlink(missing_ok=True)
    _remove_lock_files(path)


def _move_local(path: Path, new_path: Path, marker: Path) -> None:
    """Move an existing path. If an interrupted call has already copied the path, only delete the old path.

    marker: a file that exists if an interrupted call has made `new_path` a complete copy of `path`.
    """
    if new_path.is_dir() and not path_exists(new_path):
        new_path.rmdir()
    if new_path.exists():
        if not marker.exists():
            raise FileExistsError(errno.EEXIST, "the path exists already")
        delete_path(path)  # an earlier call was killed while it deleted `path`
    elif _is_same_disk(path, new_path.parent):
        path.rename(new_path)
    else:
        _copy_to_disk(path, new_path, marker)


def _is_same_disk(path: Path, folder: Path) -> bool:
    return path.stat().st_dev == folder.stat().st_dev


def _copy_to_disk(path: Path, new_path: Path, marker: Path) -> None:
    """Copy a file or folder to `new_path`, then delete `path`. `new_path` is never incomplete.

    The copy has a temporary name until it is complete. marker: a file that is created before `new_path` exists. The
    caller deletes it when `path` is deleted.
    """
    copy = new_path.with_name(f".moving-{new_path.name}")
    delete_path(copy)
    if path.is_dir():
        shutil.copytree(path, copy, symlinks=True)
    else:
        shutil.copy2(path, copy)
    marker.touch()
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
