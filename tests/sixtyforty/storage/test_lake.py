"""The lake replaces a partition completely or not at all, in a folder and in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage import lake as lake_module
from sixtyforty.storage import parquet_files
from sixtyforty.storage.files import FileAccessError, write_atomic
from sixtyforty.storage.lake import Lake, LakeError, split_by_partition
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from tests.helpers import read_files

DATASET, DAY = "validated/calls", "2013-03-10"


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake in a folder, and one in an object store."""
    if request.param == "folder":
        return Lake(tmp_path / "lake")
    return Lake(ObjectPath(f"s3://{request.getfixturevalue('bucket')}/lake"), tmp_path / "cache")


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int32())})


def read(lake: Lake, partition: str = DAY) -> list[int]:
    entry = lake.entry(DATASET, partition)
    assert entry is not None
    return pq.read_table(lake.local_file(entry))["n"].to_pylist()


def test_a_written_partition_is_read_back_with_its_manifest(lake: Lake) -> None:
    inputs = {"raw/calls": {DAY: "abc"}}
    written = lake.write(DATASET, DAY, numbers(1, 2), inputs=inputs, code="c1", facts={"why": "test"})
    entry = lake.entry(DATASET, DAY)
    assert entry == written
    assert entry is not None
    assert (entry.rows, entry.inputs, entry.code, entry.facts) == (2, inputs, "c1", {"why": "test"})
    assert read(lake) == [1, 2]


def test_a_changed_file_of_a_local_lake_is_refused_when_it_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path / "lake")
    lake.write(DATASET, DAY, numbers(1, 2))
    (file,) = (tmp_path / "lake" / DATASET).glob("*.parquet")
    pq.write_table(numbers(1, 3), file)
    monkeypatch.setattr(lake_module, "CHECKED_SHARE", 1)
    with pytest.raises(LakeError, match=r"the hash of the file differs .* Restore the file from a backup"):
        read(lake)


def test_a_partition_that_was_never_written_is_absent(lake: Lake) -> None:
    assert lake.entry(DATASET, DAY) is None
    assert lake.entries(DATASET) == {}
    assert lake.replaced_entry("0" * 16) is None


def test_entries_are_in_order_without_missing_partitions(lake: Lake) -> None:
    for day in ("2013-03-12", "2013-03-10", "2013-03-11"):
        lake.write(DATASET, day, numbers(1))
    assert list(lake.entries(DATASET)) == ["2013-03-10", "2013-03-11", "2013-03-12"]
    assert list(lake.entries(DATASET, ["2013-03-09", "2013-03-11"])) == ["2013-03-11"]


def test_writing_the_same_content_again_changes_no_file(lake: Lake) -> None:
    first = lake.write(DATASET, DAY, numbers(1, 2), code="c", facts={"at": datetime(2013, 3, 10)})
    before = read_files(lake.root)
    assert lake.write(DATASET, DAY, numbers(1, 2), code="c", facts={"at": datetime(2013, 3, 10)}) == first
    assert read_files(lake.root) == before


def test_new_content_replaces_the_file_and_the_old_manifest_stays_readable(lake: Lake) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    new = lake.write(DATASET, DAY, numbers(1, 2))
    assert read(lake) == [1, 2]
    assert [p.name for p in (lake.root / DATASET).glob("*.parquet")] == [new.file]
    assert old.version != new.version
    assert lake.replaced_entry(old.version) == old
    assert lake.replaced_entry(new.version) is None


@pytest.mark.parametrize("change", [{"code": "c2"}, {"facts": {"a": 2}}, {"inputs": {"raw/calls": {DAY: "other"}}}])
def test_equal_rows_with_another_origin_are_a_new_version_of_the_same_file(lake: Lake, change: dict[str, Any]) -> None:
    old = lake.write(DATASET, DAY, numbers(1), code="c", facts={"a": 1})
    new = lake.write(DATASET, DAY, numbers(1), **{"code": "c", "facts": {"a": 1}, **change})
    assert new.file == old.file
    assert new.version != old.version
    assert lake.replaced_entry(old.version) == old
    assert read(lake) == [1]


@pytest.mark.parametrize("survived", [0, 1])
def test_a_writer_killed_before_the_manifest_leaves_the_old_version_in_force(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    calls: list[StoragePath] = []

    def killed(path: StoragePath, content: bytes) -> None:
        if len(calls) == survived:
            raise KeyboardInterrupt
        calls.append(path)
        write_atomic(path, content)

    monkeypatch.setattr(lake_module, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        lake.write(DATASET, DAY, numbers(1, 2))
    assert lake.entry(DATASET, DAY) == old
    assert read(lake) == [1]

    monkeypatch.setattr(lake_module, "write_atomic", write_atomic)
    new = lake.write(DATASET, DAY, numbers(1, 2))
    assert read(lake) == [1, 2]
    assert [p.name for p in (lake.root / DATASET).glob("*.parquet")] == [new.file]


def test_a_writer_killed_before_the_first_manifest_leaves_the_partition_absent(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: StoragePath, content: bytes) -> None:
        if path.name.endswith(".json"):
            raise KeyboardInterrupt
        write_atomic(path, content)

    monkeypatch.setattr(lake_module, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        lake.write(DATASET, DAY, numbers(1))
    assert lake.entry(DATASET, DAY) is None
    assert lake.entries(DATASET) == {}


def test_a_writer_killed_while_it_writes_the_rows_leaves_the_old_version_and_no_other_file(lake: Lake) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    before = read_files(lake.root)

    def killed() -> Iterator[pa.RecordBatch]:
        yield from numbers(*range(1000)).to_batches()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lake.write(DATASET, DAY, pa.RecordBatchReader.from_batches(numbers().schema, killed()))
    assert lake.entry(DATASET, DAY) == old
    assert read_files(lake.root) == before


@given(st.lists(st.integers(0, 7), max_size=6), st.integers(1, 9))
def test_the_bytes_of_a_stream_do_not_depend_on_its_batches(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], group_rows: int
) -> None:
    lake = Lake(tmp_path_factory.getbasetemp() / "streams")
    rows = pa.table({"n": pa.array(range(sum(sizes))), "text": ["é" * (n % 5) for n in range(sum(sizes))]})
    ends = list(accumulate(sizes))
    batches = [
        batch for end, size in zip(ends, sizes, strict=True) for batch in rows.slice(end - size, size).to_batches()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_files, "GROUP_ROWS", group_rows)
        streamed = lake.write(DATASET, DAY, pa.RecordBatchReader.from_batches(rows.schema, batches))
        assert lake.write(DATASET, DAY, rows) == streamed
    assert streamed.rows == sum(sizes)
    assert read(lake) == list(range(sum(sizes)))


def test_a_missing_data_file_is_written_again(lake: Lake) -> None:
    entry = lake.write(DATASET, DAY, numbers(1))
    (lake.root / DATASET / entry.file).unlink()
    lake.write(DATASET, DAY, numbers(1))
    assert read(lake) == [1]


def test_dropping_a_partition_leaves_the_others(lake: Lake) -> None:
    lake.write(DATASET, DAY, numbers(1))
    lake.write(DATASET, "2013-03-11", numbers(2))
    lake.drop(DATASET, DAY)
    lake.drop(DATASET, DAY)
    assert list(lake.entries(DATASET)) == ["2013-03-11"]
    assert [p.name.split(".")[0] for p in (lake.root / DATASET).glob("*.parquet")] == ["2013-03-11"]


def test_a_partition_can_return_to_its_earlier_content(lake: Lake) -> None:
    first = lake.write(DATASET, DAY, numbers(1))
    lake.entries(DATASET)
    lake.write(DATASET, DAY, numbers(1, 2))
    assert [e.rows for e in lake.entries(DATASET).values()] == [2]
    assert lake.write(DATASET, DAY, numbers(1)) == first
    assert lake.entries(DATASET) == {DAY: first}
    assert read(lake) == [1]


def test_few_and_many_partitions_are_read_alike(lake: Lake) -> None:
    days = [f"2013-03-{d}" for d in range(10, 20)]
    for number, day in enumerate(days):
        lake.write(DATASET, day, numbers(number))
    lake.write("validated/calls_more", days[0], numbers(1))
    for selected in (days[:1], days[2:7], days, [*days, "2014-01-01"], days[::-1]):
        assert list(lake.entries(DATASET, selected)) == [day for day in selected if day in days]
    assert lake.partitions(DATASET) == list(lake.entries(DATASET)) == days


def test_replaced_manifests_are_listed_by_time(lake: Lake) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    lake.write(DATASET, DAY, numbers(2))
    assert lake.entries_replaced_between(datetime(2000, 1, 1), datetime(2100, 1, 1)) == [old]
    assert lake.entries_replaced_between(datetime(2000, 1, 1), datetime(2001, 1, 1)) == []


@pytest.fixture
def bucket_root(bucket: str) -> ObjectPath:
    """The root of a lake in an object store."""
    return ObjectPath(f"s3://{bucket}/lake")


def test_an_object_store_holds_the_same_files_as_a_folder(tmp_path: Path, bucket_root: ObjectPath) -> None:
    for lake in (Lake(tmp_path / "lake"), Lake(bucket_root, tmp_path / "cache")):
        for rows in (numbers(1), numbers(1, 2)):
            lake.write(DATASET, DAY, rows, code="c", facts={"why": "test"})
        lake.write(DATASET, "2013-03-11", numbers(3))
    objects, files = read_files(bucket_root), read_files(tmp_path / "lake")
    assert {name: content for name, (_, content) in objects.items()} == {
        name: content for name, (_, content) in files.items()
    }


def test_another_machine_reads_new_partitions_and_caches_their_files(tmp_path: Path, bucket_root: ObjectPath) -> None:
    writer, reader = Lake(bucket_root, tmp_path / "writer"), Lake(bucket_root, tmp_path / "reader")
    for day in ("2013-03-10", "2013-03-11", "2013-03-12"):
        writer.write(DATASET, day, numbers(1, 2))
    with reader.open_session("UTC") as db:
        rows = reader.select_rows(reader.entries(DATASET).values())
        assert db.execute(f"select _partition, count(*) from {rows} group by 1 order by 1").fetchall() == [
            ("2013-03-10", 2),
            ("2013-03-11", 2),
            ("2013-03-12", 2),
        ]
    assert len(list((tmp_path / "reader").rglob("*.parquet"))) == 3
    writer.write(DATASET, DAY, numbers(5))
    assert read(reader) == [5]


def test_a_file_whose_hash_differs_from_its_manifest_is_refused(tmp_path: Path, bucket_root: ObjectPath) -> None:
    entry = Lake(bucket_root, tmp_path / "here").write(DATASET, DAY, numbers(1))
    (bucket_root / DATASET / entry.file).write_bytes(b"PAR1 something else PAR1")
    with pytest.raises(LakeError, match=rf"{entry.file}: the hash of the file differs from the hash in its manifest"):
        Lake(bucket_root, tmp_path / "there").local_file(entry)


def test_an_upload_that_fails_midway_leaves_the_old_version_and_the_next_write_succeeds(
    tmp_path: Path, bucket_root: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, put, upload = Lake(bucket_root, tmp_path / "cache"), ObjectPath.write_bytes, ObjectPath.upload
    old = lake.write(DATASET, DAY, numbers(1))
    for lost in range(3):  # the data file, the replaced manifest, the new manifest
        done: list[str] = []

        def failing(self: ObjectPath, content: bytes | Path, lost: int = lost, done: list[str] = done) -> None:
            if len(done) == lost:
                raise ConnectionError("reset by peer")
            done.append(self.url)
            if isinstance(content, Path):
                upload(self, content)
            else:
                put(self, content)

        with monkeypatch.context() as broken:
            broken.setattr(ObjectPath, "write_bytes", failing)
            broken.setattr(ObjectPath, "upload", failing)
            with pytest.raises(ConnectionError):
                lake.write(DATASET, DAY, numbers(1, 2))
        other = Lake(bucket_root, tmp_path / "another machine")
        assert other.entry(DATASET, DAY) == old
        assert read(other) == [1]
    new = lake.write(DATASET, DAY, numbers(1, 2))
    assert read(Lake(bucket_root, tmp_path / "a third")) == [1, 2]
    assert [p.name for p in (bucket_root / DATASET).glob("*.parquet")] == [new.file]


@pytest.mark.parametrize("folder", ["plain", "o'neil", 'the "lake"', "with space", "brackets[1]"])
def test_sql_selects_rows_with_their_partition_in_any_folder(tmp_path: Path, folder: str) -> None:
    lake = Lake(tmp_path / folder)
    lake.write(DATASET, DAY, numbers(1, 2))
    lake.write(DATASET, "2013-03-11", numbers(3))
    with lake.open_session("America/New_York") as session:
        query = f"select _partition, n from {lake.select_rows(lake.entries(DATASET).values())} order by n"
        assert session.execute(query).fetchall() == [(DAY, 1), (DAY, 2), ("2013-03-11", 3)]


@given(st.lists(st.sampled_from("abcd")).map(sorted), st.sets(st.sampled_from("abcde")))
def test_splitting_gives_each_selected_partition_exactly_its_rows(keys: list[str], selected: set[str]) -> None:
    table = pa.table({"key": pa.array(keys, pa.string()), "n": list(range(len(keys)))})
    tables = split_by_partition(table, "key", sorted(selected))
    assert {key: rows.to_pylist() for key, rows in tables.items()} == {
        key: [{"n": n} for n, k in enumerate(keys) if k == key] for key in set(keys) & selected
    }


def test_a_lake_that_can_not_be_read_is_an_access_error(tmp_path: Path) -> None:
    (tmp_path / "raw").touch()
    with pytest.raises(FileAccessError, match=f"^{tmp_path}/raw: can't be used"):
        Lake(tmp_path).entry("raw", "2013-03-10")
    with pytest.raises(FileAccessError, match=f"^{tmp_path}/raw: can't be used"):
        Lake(tmp_path).partitions("raw")


def test_partitions_with_different_columns_are_read_together(lake: Lake) -> None:
    tables = {
        "2013-03-10": pa.table({"n": pa.array([1], pa.int32()), "old": ["x"]}),
        "2013-03-11": pa.table({"n": pa.array([2.5]), "new": [7]}),
        "2013-03-12": pa.table({"n": pa.array([3], pa.int32()), "old": ["y"]}),
    }
    entries = lake.write_all(DATASET, tables)
    groups = lake.group_by_columns(entries.values())
    assert [[entry.partition for entry in group] for group in groups] == [["2013-03-10", "2013-03-12"], ["2013-03-11"]]
    with lake.open_session("UTC") as db:
        rows = db.sql(f"select _partition, n, old, new from {lake.select_rows(entries.values())} order by 1").fetchall()
    assert rows == [("2013-03-10", 1.0, "x", None), ("2013-03-11", 2.5, None, 7), ("2013-03-12", 3.0, "y", None)]


def test_a_manifest_without_a_schema_is_grouped_by_its_file(lake: Lake) -> None:
    entries = lake.write_all(DATASET, {"2013-03-10": numbers(1), "2013-03-11": numbers(2)})
    entries["2013-03-10"] = replace(entries["2013-03-10"], schema="")
    assert len(lake.group_by_columns(list(entries.values()))) == 1
    assert "schema" not in entries["2013-03-10"].manifest, "so that its version stays what it was"


@pytest.mark.parametrize("linked", ["home", "use case"])
def test_a_session_reads_a_lake_behind_a_symbolic_link(tmp_path: Path, linked: str) -> None:
    real = Lake(tmp_path / "disk" / "lake" / "calls")
    real.write(DATASET, DAY, numbers(1, 2))
    if linked == "home":
        (tmp_path / "home").symlink_to(tmp_path / "disk")
    else:
        (tmp_path / "home" / "lake").mkdir(parents=True)
        (tmp_path / "home" / "lake" / "calls").symlink_to(real.root)
    lake = Lake(tmp_path / "home" / "lake" / "calls")
    with lake.open_session("UTC") as db:
        assert db.execute(f"select count(*) from {lake.select_rows(lake.entries(DATASET).values())}").fetchone() == (2,)


def test_a_session_reads_the_lakes_to_which_a_copy_links(tmp_path: Path) -> None:
    real = Lake(tmp_path / "home" / "lake" / "calls")
    real.write(DATASET, DAY, numbers(1, 2))
    copy = tmp_path / "scratch" / "lake" / "calls"
    (copy / DATASET).parent.mkdir(parents=True)
    (copy / DATASET).symlink_to(real.root / DATASET)
    for lake, is_readable in ((Lake(copy, linked=(real.root,)), True), (Lake(copy), False)):
        query = f"select count(*) from {lake.select_rows(lake.entries(DATASET).values())}"
        with lake.open_session("UTC") as db:
            if is_readable:
                assert db.execute(query).fetchone() == (2,)
            else:
                with pytest.raises(duckdb.PermissionException):
                    db.execute(query)
