"""The lake: partitions are replaced whole or not at all, wherever it lies."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.storage import lake as lake_module
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Lake, alone, versions, write_atomic
from sixtyforty.storage.object_store import Remote, Where
from tests.helpers import snapshot
from tests.postgres import Postgres

DATASET, DAY = "validated/calls", "2013-03-10"


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return Lake(tmp_path / "lake")
    return Lake(Remote(f"s3://{request.getfixturevalue('bucket')}/lake"), tmp_path / "cache")


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int32())})


def read(lake: Lake, partition: str = DAY) -> list[int]:
    entry = lake.entry(DATASET, partition)
    assert entry is not None
    return pq.read_table(lake.path(entry))["n"].to_pylist()


def test_a_written_partition_is_read_back_with_what_is_known_of_it(lake: Lake) -> None:
    inputs = {"raw/calls": {DAY: "abc"}}
    written = lake.write(DATASET, DAY, numbers(1, 2), inputs=inputs, code="c1", facts={"why": "test"})
    found = lake.entry(DATASET, DAY)
    assert found == written
    assert found is not None
    assert (found.rows, found.inputs, found.code, found.facts) == (2, inputs, "c1", {"why": "test"})
    assert read(lake) == [1, 2]


def test_what_was_never_written_is_absent(lake: Lake) -> None:
    assert lake.entry(DATASET, DAY) is None
    assert lake.entries(DATASET) == {}
    assert lake.past("0" * 16) is None


def test_entries_come_in_order_and_leave_out_what_is_not_there(lake: Lake) -> None:
    for day in ("2013-03-12", "2013-03-10", "2013-03-11"):
        lake.write(DATASET, day, numbers(1))
    assert list(lake.entries(DATASET)) == ["2013-03-10", "2013-03-11", "2013-03-12"]
    assert list(lake.entries(DATASET, ["2013-03-09", "2013-03-11"])) == ["2013-03-11"]


def test_the_same_content_twice_changes_no_file(lake: Lake) -> None:
    first = lake.write(DATASET, DAY, numbers(1, 2), code="c", facts={"at": datetime(2013, 3, 10)})
    before = snapshot(lake.root)
    assert lake.write(DATASET, DAY, numbers(1, 2), code="c", facts={"at": datetime(2013, 3, 10)}) == first
    assert snapshot(lake.root) == before


def test_other_content_replaces_the_file_and_keeps_the_old_manifest(lake: Lake) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    new = lake.write(DATASET, DAY, numbers(1, 2))
    assert read(lake) == [1, 2]
    assert [p.name for p in (lake.root / DATASET).glob("*.parquet")] == [new.file]
    assert old.version != new.version
    assert lake.past(old.version) == old
    assert lake.past(new.version) is None


@pytest.mark.parametrize("change", [{"code": "c2"}, {"facts": {"a": 2}}, {"inputs": {"raw/calls": {DAY: "other"}}}])
def test_the_same_rows_from_elsewhere_are_another_version_in_the_same_file(lake: Lake, change: dict) -> None:
    old = lake.write(DATASET, DAY, numbers(1), code="c", facts={"a": 1})
    new = lake.write(DATASET, DAY, numbers(1), **{"code": "c", "facts": {"a": 1}, **change})
    assert new.file == old.file
    assert new.version != old.version
    assert lake.past(old.version) == old
    assert read(lake) == [1]


@pytest.mark.parametrize("survived", [0, 1, 2])
def test_killed_before_the_manifest_is_flipped_the_old_version_is_in_force(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    calls: list[Where] = []

    def killed(path: Where, data: bytes) -> None:
        if len(calls) == survived:
            raise KeyboardInterrupt
        calls.append(path)
        write_atomic(path, data)

    monkeypatch.setattr(lake_module, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        lake.write(DATASET, DAY, numbers(1, 2))
    assert lake.entry(DATASET, DAY) == old
    assert read(lake) == [1]

    monkeypatch.setattr(lake_module, "write_atomic", write_atomic)
    new = lake.write(DATASET, DAY, numbers(1, 2))
    assert read(lake) == [1, 2]
    assert [p.name for p in (lake.root / DATASET).glob("*.parquet")] == [new.file]


def test_killed_at_its_first_manifest_a_partition_is_absent(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Where, data: bytes) -> None:
        if path.name.endswith(".json"):
            raise KeyboardInterrupt
        write_atomic(path, data)

    monkeypatch.setattr(lake_module, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        lake.write(DATASET, DAY, numbers(1))
    assert lake.entry(DATASET, DAY) is None
    assert lake.entries(DATASET) == {}


def test_a_lost_data_file_is_written_again(lake: Lake) -> None:
    entry = lake.write(DATASET, DAY, numbers(1))
    (lake.root / DATASET / entry.file).unlink()
    lake.write(DATASET, DAY, numbers(1))
    assert read(lake) == [1]


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(lake_module.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_dropping_withdraws_the_partition_alone(lake: Lake) -> None:
    lake.write(DATASET, DAY, numbers(1))
    lake.write(DATASET, "2013-03-11", numbers(2))
    lake.drop(DATASET, DAY)
    lake.drop(DATASET, DAY)
    assert list(lake.entries(DATASET)) == ["2013-03-11"]
    assert [p.name.split(".")[0] for p in (lake.root / DATASET).glob("*.parquet")] == ["2013-03-11"]


def test_a_partition_may_come_to_be_what_it_was_before(lake: Lake) -> None:
    first = lake.write(DATASET, DAY, numbers(1))
    lake.entries(DATASET)
    lake.write(DATASET, DAY, numbers(1, 2))
    assert [e.rows for e in lake.entries(DATASET).values()] == [2]
    assert lake.write(DATASET, DAY, numbers(1)) == first
    assert lake.entries(DATASET) == {DAY: first}
    assert read(lake) == [1]


def test_few_and_many_partitions_are_found_alike(lake: Lake) -> None:
    days = [f"2013-03-{d}" for d in range(10, 20)]
    for number, day in enumerate(days):
        lake.write(DATASET, day, numbers(number))
    lake.write("validated/calls_more", days[0], numbers(1))
    for asked in (days[:1], days[2:7], days, [*days, "2014-01-01"], days[::-1]):
        assert list(lake.entries(DATASET, asked)) == [d for d in asked if d in days]
    assert lake.partitions(DATASET) == list(lake.entries(DATASET)) == days


def test_what_replaced_what_is_told_by_when(lake: Lake) -> None:
    old = lake.write(DATASET, DAY, numbers(1))
    lake.write(DATASET, DAY, numbers(2))
    assert lake.replaced(datetime(2000, 1, 1), datetime(2100, 1, 1)) == [old]
    assert lake.replaced(datetime(2000, 1, 1), datetime(2001, 1, 1)) == []


# In an object store


@pytest.fixture
def far(bucket: str) -> Remote:
    return Remote(f"s3://{bucket}/lake")


def test_files_in_an_object_store_are_those_of_a_folder(tmp_path: Path, far: Remote) -> None:
    for lake in (Lake(tmp_path / "lake"), Lake(far, tmp_path / "cache")):
        for rows in (numbers(1), numbers(1, 2)):
            lake.write(DATASET, DAY, rows, code="c", facts={"why": "test"})
        lake.write(DATASET, "2013-03-11", numbers(3))
    there = {name: data for name, (_, data) in snapshot(far).items()}
    assert there == {name: data for name, (_, data) in snapshot(tmp_path / "lake").items()}


def test_another_machine_reads_what_one_wrote_and_keeps_it(tmp_path: Path, far: Remote) -> None:
    here, there = Lake(far, tmp_path / "here"), Lake(far, tmp_path / "there")
    for day in ("2013-03-10", "2013-03-11", "2013-03-12"):
        here.write(DATASET, day, numbers(1, 2))
    with connect("UTC") as db:
        rows = there.rows(there.entries(DATASET).values())
        assert db.execute(f"select _partition, count(*) from {rows} group by 1 order by 1").fetchall() == [
            ("2013-03-10", 2),
            ("2013-03-11", 2),
            ("2013-03-12", 2),
        ]
    assert len(list((tmp_path / "there").rglob("*.parquet"))) == 3
    here.write(DATASET, DAY, numbers(5))
    assert read(there) == [5]


def test_bytes_that_are_not_what_the_manifest_says_are_not_taken(tmp_path: Path, far: Remote) -> None:
    entry = Lake(far, tmp_path / "here").write(DATASET, DAY, numbers(1))
    (far / DATASET / entry.file).write(b"PAR1 something else PAR1")
    with pytest.raises(OSError, match="its hash differs"):
        Lake(far, tmp_path / "there").path(entry)


def test_a_put_that_fails_midway_leaves_the_old_in_force_and_the_next_try_makes_it_good(
    tmp_path: Path, far: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, put = Lake(far, tmp_path / "cache"), Remote.write
    old = lake.write(DATASET, DAY, numbers(1))
    for lost in range(3):  # the data, what it was before, the manifest
        done: list[str] = []

        def failing(self: Remote, data: bytes, lost: int = lost, done: list[str] = done) -> None:
            if len(done) == lost:
                raise ConnectionError("reset by peer")
            done.append(self.url)
            put(self, data)

        with monkeypatch.context() as broken:
            broken.setattr(Remote, "write", failing)
            with pytest.raises(ConnectionError):
                lake.write(DATASET, DAY, numbers(1, 2))
        other = Lake(far, tmp_path / "another machine")
        assert other.entry(DATASET, DAY) == old
        assert read(other) == [1]
    new = lake.write(DATASET, DAY, numbers(1, 2))
    assert read(Lake(far, tmp_path / "a third")) == [1, 2]
    assert [p.name for p in (far / DATASET).glob("*.parquet")] == [new.file]


def _wait_turn(url: str, locks: str, log: str) -> None:
    with alone(Remote(url, locks)), Path(log).open("a") as file:
        file.write("in ")
        file.flush()
        time.sleep(0.2)
        file.write("out ")


def test_writers_on_several_machines_take_turns_and_one_killed_holds_none(tmp_path: Path, postgres: Postgres) -> None:
    locks, log = postgres.database(), tmp_path / "log"
    context = get_context("spawn")
    killed = context.Process(target=_hold, args=("s3://anywhere/lock", locks, str(tmp_path / "held")))
    killed.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.02)
    killed.kill()
    killed.join()
    work = [context.Process(target=_wait_turn, args=("s3://anywhere/lock", locks, str(log))) for _ in range(3)]
    for process in work:
        process.start()
    for process in work:
        process.join(60)
    assert log.read_text().split() == ["in", "out"] * 3


def _hold(url: str, locks: str, held: str) -> None:
    with alone(Remote(url, locks)):
        Path(held).touch()
        time.sleep(60)


def test_versions_name_each_partition(lake: Lake) -> None:
    entry = lake.write(DATASET, DAY, numbers(1))
    assert versions(lake.entries(DATASET)) == {DAY: entry.version}


def test_bytes_of_a_long_table_do_not_depend_on_its_chunks(lake: Lake) -> None:
    table = pa.table({"n": pa.array(range(60_000)), "s": [f"value {i * 7919 % 50_000}" for i in range(60_000)]})
    cuts = [0, 1, 777, 20_000, 20_001, 45_000, 60_000]
    chunked = pa.concat_tables([table.slice(a, b - a) for a, b in pairwise(cuts)])
    whole = lake.write(DATASET, DAY, table.combine_chunks())
    assert lake.write(DATASET, DAY, chunked).sha256 == whole.sha256
