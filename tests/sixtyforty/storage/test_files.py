"""Files are written completely or not at all, and equal content gives equal bytes and hashes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import (
    FileAccessError,
    access_error,
    access_errors,
    canonical_json,
    create_folder,
    digest,
    file_stamp,
    parquet_bytes,
    rename_file,
    run_in_parallel,
    write_atomic,
    write_private,
)
from sixtyforty.storage.object_store import ObjectPath, StoragePath


@pytest.fixture(params=["folder", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> StoragePath:
    """A folder, and a prefix of an object store."""
    if request.param == "folder":
        return tmp_path / "folder"
    return ObjectPath(f"s3://{request.getfixturevalue('bucket')}/folder")


def test_a_file_is_created_with_its_folder_and_replaced(folder: StoragePath) -> None:
    file = folder / "deeper" / "file"
    write_atomic(file, b"old")
    write_atomic(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in (folder / "deeper").glob("*")] == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    write_atomic(file, b"old")

    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomic(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_private_file_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []

    def note_mode(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(os, "fsync", note_mode)
    write_private(tmp_path / "deeper" / "file", b"content")
    assert (tmp_path / "deeper" / "file").read_bytes() == b"content"
    assert [*modes, stat.S_IMODE((tmp_path / "deeper" / "file").stat().st_mode)] == [0o600, 0o600]
    (tmp_path / "blocked").write_bytes(b"")
    with pytest.raises(FileAccessError, match="blocked/file: can't be used"):
        write_private(tmp_path / "blocked" / "file", b"content")


def test_a_renamed_file_keeps_its_content(folder: StoragePath) -> None:
    write_atomic(folder / "a", b"content")
    rename_file(folder / "a", folder / "b")
    assert (folder / "b").read_bytes() == b"content"
    assert not (folder / "a").exists()


def test_the_stamp_changes_when_the_file_is_replaced(folder: StoragePath) -> None:
    write_atomic(folder / "a", b"1")
    first = file_stamp(folder / "a")
    assert file_stamp(folder / "a") == first
    write_atomic(folder / "a", b"2")
    assert file_stamp(folder / "a") != first
    with pytest.raises(FileNotFoundError):
        file_stamp(folder / "absent")


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=5))
def test_json_and_digest_do_not_depend_on_the_order_of_keys(content: dict[str, int | str]) -> None:
    reordered = dict(reversed(content.items()))
    assert canonical_json(content) == canonical_json(reordered)
    assert digest(content) == digest(reordered)


def test_a_digest_of_bytes_and_of_json_is_known() -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea"
    assert digest({"b": 1, "a": None}) == digest(b'{"a":null,"b":1}')


def test_work_in_parallel_keeps_the_order_and_raises_the_first_error() -> None:
    assert run_in_parallel(lambda n: n * n, range(20)) == [n * n for n in range(20)]
    assert run_in_parallel(str, []) == []
    with pytest.raises(ZeroDivisionError):
        run_in_parallel(lambda n: 1 / n, [1, 0])


def test_the_bytes_of_a_long_table_do_not_depend_on_its_chunks() -> None:
    table = pa.table({"n": pa.array(range(60_000)), "s": [f"value {i * 7919 % 50_000}" for i in range(60_000)]})
    cuts = [0, 1, 777, 20_000, 20_001, 45_000, 60_000]
    chunked = pa.concat_tables([table.slice(start, end - start) for start, end in pairwise(cuts)])
    assert parquet_bytes(chunked) == parquet_bytes(table.combine_chunks())


SCHEMA = pa.schema(
    [("i", pa.int32()), ("s", pa.string()), ("f", pa.float64()), ("b", pa.bool_()), ("t", pa.timestamp("us"))]
)
Row = tuple[object, ...]
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.text(max_size=5),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.booleans(),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    ),
    max_size=20,
)


def to_table(rows: list[Row]) -> pa.Table:
    return pa.table([pa.array([row[i] for row in rows], SCHEMA.field(i).type) for i in range(5)], schema=SCHEMA)


@given(ROWS, ROWS, ROWS, st.integers(0, 20))
def test_the_bytes_do_not_depend_on_how_a_table_was_put_together(
    before: list[Row], rows: list[Row], after: list[Row], cut: int
) -> None:
    whole = to_table(rows)
    chunked = pa.concat_tables([to_table(rows[:cut]), to_table(rows[cut:])])
    sliced = to_table([*before, *rows, *after]).slice(len(before), len(rows))
    assert parquet_bytes(whole) == parquet_bytes(chunked) == parquet_bytes(sliced)


@given(ROWS, ROWS)
def test_different_rows_give_different_bytes(first: list[Row], second: list[Row]) -> None:
    # 0.0 and -0.0 are equal in Python, but differ in a file.
    assert (parquet_bytes(to_table(first)) == parquet_bytes(to_table(second))) == (repr(first) == repr(second))


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "No space left on device). Free some disk space"),
        (errno.EACCES, "Permission denied). Give the user of this process the right"),
        (errno.EROFS, "Read-only file system). Give the user of this process the right"),
        (errno.EIO, "Input/output error). Check that the folder"),
    ],
)
def test_a_file_that_can_not_be_written_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(FileAccessError) as error:
        write_atomic(tmp_path / "file", b"content")
    assert str(error.value).startswith(f"{tmp_path}/file: can't be used ({cure}")
    assert isinstance(error.value, SixtyfortyError)
    assert error.value.errno == number
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_an_access_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    accesses: list[Callable[[], object]] = [
        lambda: create_folder(tmp_path / "file"),
        lambda: create_folder(tmp_path / "file" / "deeper"),
        lambda: write_atomic(tmp_path / "file" / "deeper" / "name", b""),
        lambda: write_atomic(tmp_path / "folder", b""),
        lambda: file_stamp(tmp_path / "file" / "name"),
        lambda: rename_file(tmp_path / "file", tmp_path / "file" / "name"),
    ]
    for access in accesses:
        with pytest.raises(FileAccessError, match="Move that file or folder away"):
            access()


def test_a_folder_that_the_system_refuses_is_an_access_error() -> None:
    with pytest.raises(FileAccessError, match=r"^/proc/nope/deeper: can't be used .*choose another folder"):
        create_folder(Path("/proc/nope/deeper"))


def test_a_missing_file_and_an_error_of_ours_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing, access_errors(tmp_path):
        (tmp_path / "missing").read_bytes()
    assert not isinstance(missing.value, SixtyfortyError)
    inner = access_error("inner", PermissionError(errno.EACCES, "no"))
    with pytest.raises(FileAccessError, match=r"^inner"), access_errors(tmp_path):
        raise inner
    with pytest.raises(FileNotFoundError):
        rename_file(tmp_path / "missing", tmp_path / "new")
