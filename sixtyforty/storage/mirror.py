"""Mirroring of folders: make a local folder equal to another folder, or to a prefix in an object store."""

from __future__ import annotations

from pathlib import Path

from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import ObjectPath, StoragePath


def mirror_folder(folder: StoragePath, copy: Path) -> None:
    """Make the local folder `copy` equal to `folder`, without hidden files.

    Files that are new or changed in `folder` are copied. Files that `folder` no longer has are deleted from `copy`.
    """
    if isinstance(folder, ObjectPath):
        _mirror_objects(folder, copy)
    else:
        _mirror_files(folder, copy)


def _mirror_files(folder: Path, copy: Path) -> None:
    files = {path.relative_to(folder): path.stat() for path in folder.rglob("[!.]*") if path.is_file()}
    for name, status in files.items():
        current = (copy / name).stat() if (copy / name).exists() else None
        # A file whose time equals its copy's is copied again. File systems round times, so the file may have changed
        # after it was copied.
        if not current or current.st_size != status.st_size or current.st_mtime_ns <= status.st_mtime_ns:
            write_atomic(copy / name, (folder / name).read_bytes())
    for name in {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()} - files.keys():
        (copy / name).unlink()


def _mirror_objects(folder: ObjectPath, copy: Path) -> None:
    names = [name for name in folder.list_objects(recursive=True) if "/." not in f"/{name}"]
    copied = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    # The name of a Parquet file contains the hash of its content, so its copy is never outdated.
    to_read = [name for name in names if name not in copied or not name.endswith(".parquet")]
    for name, content in folder.read_many(to_read).items():
        if name not in copied or (copy / name).read_bytes() != content:
            write_atomic(copy / name, content)
    for name in copied - set(names):
        (copy / name).unlink()
