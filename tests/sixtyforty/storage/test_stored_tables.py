"""Tables that are too large for memory are read in portions, with the same rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.storage import stored_tables
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.stored_tables import StoredTable, TableStore, cut, pool, portions, to_reader

PORTION = 4


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_tables, "PORTION_ROWS", PORTION)


def numbers(count: int, first: int = 0) -> pa.Table:
    content = {"n": range(first, first + count), "text": [f"row {n}" for n in range(first, first + count)]}
    return pa.table(content, schema=pa.schema({"n": pa.int64(), "text": pa.string()}))


def store_in_file(folder: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch) -> StoredTable:
    monkeypatch.setattr(stored_tables, "MEMORY_BYTES", 0)
    stored = TableStore(folder).keep(table)
    assert isinstance(stored, StoredTable)
    return stored


@pytest.mark.parametrize("count", [1, 4, 5, 12, 13])
def test_portions_of_a_file_and_of_a_table_have_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    table = numbers(count)
    stored = store_in_file(tmp_path, table, monkeypatch)
    assert (stored.num_rows, stored.schema) == (count, table.schema)
    assert list(portions(stored)) == list(portions(table))
    assert {part.num_rows for part in list(portions(stored))[:-1]} <= {PORTION}
    assert to_reader(stored).read_all() == table
    for start in range(count):
        for length in range(count - start):
            assert stored.slice(start, length) == table.slice(start, length)


def test_a_store_keeps_small_tables_in_memory_until_its_memory_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_tables, "MEMORY_BYTES", 2 * numbers(6).nbytes)
    store = TableStore(tmp_path)
    kept = [store.keep(numbers(6)) for _ in range(3)]
    assert [isinstance(table, StoredTable) for table in kept] == [False, False, True]
    assert [to_reader(table).read_all() for table in kept] == [numbers(6)] * 3


def test_a_stream_is_kept_by_partition(tmp_path: Path) -> None:
    rows = pa.concat_tables([numbers(6), numbers(3, first=6)]).append_column("_partition", [["a"] * 6 + ["b"] * 3])
    kept = TableStore(tmp_path).keep_partitions(rows.to_reader(max_chunksize=5))
    assert {p: to_reader(table).read_all() for p, table in kept.items()} == {"a": numbers(6), "b": numbers(3, first=6)}


def test_an_added_column_is_calculated_for_the_rows_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store_in_file(tmp_path, numbers(10), monkeypatch)
    marked = stored.with_column("square", pa.int64(), lambda start, n: pa.array(i * i for i in range(start, start + n)))
    assert marked.schema.names == ["n", "text", "square"]
    assert marked.slice(3, 3)["square"].to_pylist() == [9, 16, 25]
    assert marked.slice(8, 9)["square"].to_pylist() == [64, 81]


def test_small_partitions_share_a_portion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {"a": numbers(2), "b": store_in_file(tmp_path, numbers(1), monkeypatch), "c": numbers(6), "d": numbers(2)}
    pooled = [table["_partition"].to_pylist() for table in pool(tables)]
    assert pooled == [["a", "a", "b"], ["c"] * 4, ["c", "c", "d", "d"]]


def test_batches_are_cut_at_equal_positions_whatever_their_size() -> None:
    for size in (1, 3, 4, 9):
        parts = list(cut(numbers(10).to_batches(max_chunksize=size), numbers(0).schema))
        assert [part["n"].to_pylist() for part in parts] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_stored_table_is_written_to_the_lake_with_the_bytes_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store_in_file(tmp_path, numbers(10), monkeypatch)
    written = Lake(tmp_path / "lake").write_all("d", {"a": stored, "b": numbers(10)})
    assert list(written) == ["a", "b"]
    assert written["a"].sha256 == written["b"].sha256


def test_a_table_without_rows_has_one_portion() -> None:
    assert list(portions(numbers(0))) == [numbers(0)]
