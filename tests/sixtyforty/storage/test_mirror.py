"""A mirrored folder holds what the original holds: what came, what changed, and without what is gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.mirror import mirror_folder
from sixtyforty.storage.object_store import ObjectPath, StoragePath


@pytest.fixture(params=["folder", "bucket"])
def original(request: pytest.FixtureRequest, tmp_path: Path) -> StoragePath:
    """A folder, and a prefix of an object store."""
    if request.param == "folder":
        return tmp_path / "original"
    return ObjectPath(f"s3://{request.getfixturevalue('bucket')}/original")


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_copy_follows_the_original(original: StoragePath, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    write_atomic(original / "a.json", b"one")
    write_atomic(original / "deeper" / "b.parquet", b"two")
    write_atomic(original / ".hidden", b"no")
    mirror_folder(original, copy)
    assert files_of(copy) == {"a.json": b"one", "deeper/b.parquet": b"two"}

    write_atomic(original / "a.json", b"1st")  # the same size as before
    write_atomic(original / "c.json", b"three")
    (original / "deeper" / "b.parquet").unlink()
    mirror_folder(original, copy)
    assert files_of(copy) == {"a.json": b"1st", "c.json": b"three"}


def test_a_file_that_changed_in_the_same_tick_as_its_copy_is_copied_again(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    write_atomic(original / "a.json", b"one")
    mirror_folder(original, copy)
    write_atomic(original / "a.json", b"two")
    for folder in (original, copy):
        os.utime(folder / "a.json", ns=(10**18, 10**18))
    mirror_folder(original, copy)
    assert files_of(copy) == {"a.json": b"two"}


def test_an_unchanged_file_is_not_written_again(original: StoragePath, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    write_atomic(original / "a.json", b"one")
    mirror_folder(original, copy)
    os.utime(copy / "a.json", ns=(2**62, 2**62))
    mirror_folder(original, copy)
    assert (copy / "a.json").stat().st_mtime_ns == 2**62
