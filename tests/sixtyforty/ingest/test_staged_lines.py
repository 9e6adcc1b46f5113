"""Staged lines keep their order by partition, in memory and in files, and leave no file behind."""

from __future__ import annotations

import gc
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest import staged_lines
from sixtyforty.ingest.staged_lines import StagedLines, StagingArea
from sixtyforty.storage import parquet_files
from sixtyforty.storage.files import FREE_SPACE, FileAccessError
from sixtyforty.storage.lake import Lake
from tests.staged import fail_on_full_disk, lines_by_partition


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64()), "text": pa.array([f"text {n}" for n in values], pa.string())})


def list_files(area: StagingArea) -> list[Path]:
    return sorted(area.new_file().parent.glob("lines-*.arrow"))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3))), st.sampled_from([0, 100, 10**6]))
def test_each_partition_has_its_lines_in_order(appended: list[tuple[str, int]], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staged_lines, "staging_limit", lambda: limit)
        area = StagingArea(Lake(Path("unused")))
        lines = StagedLines(area)
        expected: dict[str, list[int]] = {}
        for number, (partition, count) in enumerate(appended):
            values = range(10 * number, 10 * number + count)
            lines.append({partition: numbers(*values)})
            expected.setdefault(partition, []).extend(values)
            assert area.bytes_in_memory <= limit
    tables = lines_by_partition(lines)
    assert {partition: table["n"].to_pylist() for partition, table in tables.items()} == expected


@pytest.mark.parametrize("limit", [0, 10**6])
def test_moved_lines_are_before_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int) -> None:
    monkeypatch.setattr(staged_lines, "staging_limit", lambda: limit)
    lines = StagedLines(StagingArea(Lake(tmp_path)))
    lines.append({"": numbers(1)})
    lines.append({"b": numbers(3)})
    lines.append({"": numbers(2)})
    lines.move_first("", "b")
    lines.move_first("absent", "b")
    assert [table["n"].to_pylist() for table in lines_by_partition(lines).values()] == [[1, 2, 3]]
    lines.move_first("b", "c")
    assert lines.counts == {"c": 3}


def test_lines_beyond_the_limit_are_in_files_until_nobody_needs_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(staged_lines, "staging_limit", lambda: numbers(1).nbytes)
    area = StagingArea(Lake(tmp_path, tmp_path / "cache"))
    first, second = StagedLines(area), StagedLines(area)
    first.append({"a": numbers(1)})
    assert list_files(area) == []
    second.append({"a": numbers(2)})
    second.append({"b": numbers(3)})
    assert len(list_files(area)) == 2
    tables = second.tables("a")
    del second
    gc.collect()
    assert next(tables)["n"].to_pylist() == [2], "an ingest still reads it"
    del tables
    gc.collect()
    assert list_files(area) == []
    del first
    gc.collect()
    assert area.bytes_in_memory == 0


def test_lines_that_are_only_counted_take_no_memory() -> None:
    lines = StagedLines(None)
    lines.append({"": numbers(1, 2)})
    lines.append({"a": numbers(3)})
    lines.move_first("", "a")
    assert lines.counts == {"a": 3}
    assert list(lines.tables("a")) == []


def test_a_full_disk_is_an_error_with_its_cure_and_leaves_the_lines_as_they_were(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(staged_lines, "staging_limit", lambda: numbers(1).nbytes)
    area = StagingArea(Lake(tmp_path))
    lines = StagedLines(area)
    lines.append({"a": numbers(1)})
    with monkeypatch.context() as patch:
        patch.setattr(pa.ipc, "new_file", fail_on_full_disk)
        with pytest.raises(FileAccessError, match=FREE_SPACE):
            lines.append({"a": numbers(2)})
        assert [table["n"].to_pylist() for table in lines_by_partition(lines).values()] == [[1, 2]]
    lines.append({"b": numbers(3)})
    assert [table["n"].to_pylist() for table in lines_by_partition(lines).values()] == [[1, 2], [3]]


def test_long_lines_are_read_from_a_file_in_small_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(staged_lines, "staging_limit", lambda: 0)
    monkeypatch.setattr(parquet_files, "GROUP_TEXT_BYTES", 50)
    lines = StagedLines(StagingArea(Lake(tmp_path)))
    lines.append({"a": numbers(*range(20))})
    tables = list(lines.tables("a"))
    assert [table.num_rows for table in tables] == [8, 7, 5]
    assert pa.concat_tables(tables)["n"].to_pylist() == list(range(20))
