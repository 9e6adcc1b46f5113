"""Rows with one key: equal rows are duplicates, the newest extract decides, and different rows are contradictory."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from sixtyforty.ingest import repeated_keys
from sixtyforty.ingest.repeated_keys import mark_repeated_keys, prepare_repeated_keys, row_portions
from sixtyforty.spec.sources import Source

STATUSES = "enum('row', 'quarantined', 'duplicate', 'superseded', 'compared')"
KEPT_MB = 64  # what DuckDB may hold in memory; the rows of the tests take more
SOURCE = Source(
    description="Readings.",
    files="r*",
    columns={"id": "BIGINT", "site": "VARCHAR", "load": "DOUBLE"},
    key=["id"],
    personal=["site"],
)


def open_typed(folder: Path, rows: str, memory: str = "1GB") -> duckdb.DuckDBPyConnection:
    """Return a session with the table `typed`. rows: SQL of id, site, load, _partition, _seq and _row, as values."""
    db = duckdb.connect(config={"memory_limit": memory, "temp_directory": str(folder)})
    db.execute(
        f"""create temp table typed as select id::bigint as id, site, load::double as load, _partition, 'x' as _extract,
        _seq::bigint as _seq, _row::bigint as _row, strlen(site)::uinteger as _text_bytes, null::varchar as _reason,
        'row'::{STATUSES} as _status from ({rows}) r(id, site, load, _partition, _seq, _row)"""
    )
    prepare_repeated_keys(db, {1: "r_1.csv", 2: "r_2.csv"})
    return db


def mark(db: duckdb.DuckDBPyConnection) -> dict[tuple[int, int], tuple[str, str | None]]:
    """Mark the repeated keys. Return the status of each row, and its contradiction, by `_seq` and `_row`."""
    mark_repeated_keys(db, SOURCE)
    rows = db.execute(
        """select _seq, _row, _status, c._contradiction from typed t left join (
            select contradictory.id, _contradiction from contradictory join contradictions using (_key)) c
            on c.id = t.rowid"""
    ).fetchall()
    return {(seq, row): (status, contradiction) for seq, row, status, contradiction in rows}


@pytest.mark.parametrize("partitions", [("p", "p"), ("p", "q")])
def test_different_rows_with_one_key_in_one_extract_contradict_each_other(
    tmp_path: Path, partitions: tuple[str, str]
) -> None:
    first, second = partitions
    with open_typed(tmp_path, f"values (1, 'a', 1, '{first}', 1, 4), (1, 'b', 1, '{second}', 1, 9)") as db:
        reason = "several different rows have the same key (id): r_1.csv, lines 4, 9"
        assert mark(db) == {(1, 4): ("row", reason), (1, 9): ("row", reason)}


def test_the_lines_of_many_contradictory_rows_are_counted(tmp_path: Path) -> None:
    with open_typed(tmp_path, "select 1, 'a', i, 'p', 1, i from range(2, 1009) t(i)") as db:
        reason = "several different rows have the same key (id): r_1.csv, lines 2, 3, 4, 5, 6 and 1,002 more"
        assert set(mark(db).values()) == {("row", reason)}


def test_equal_rows_are_duplicates_and_do_not_contradict_each_other(tmp_path: Path) -> None:
    rows = "values (1, 'a', -0.0, 'p', 1, 2), (1, 'a', 0.0, 'p', 1, 3), (1, 'a', 0.0, 'p', 2, 2)"
    with open_typed(tmp_path, rows) as db:
        assert [status for status, _ in mark(db).values()] == ["row", "duplicate", "duplicate"]
        assert all(contradiction is None for _, contradiction in mark(db).values())


def test_values_that_give_the_same_text_together_are_different(tmp_path: Path) -> None:
    rows = "values (1, '1:a', 1, 'p', 1, 2), (1, '', 1, 'p', 1, 3), (1, null, 1, 'p', 1, 4), (1, '-', 1, 'p', 1, 5)"
    with open_typed(tmp_path, rows) as db:
        assert {status for status, contradiction in mark(db).values() if contradiction} == {"row"}
        assert len([1 for _, contradiction in mark(db).values() if contradiction]) == 4


def test_a_later_extract_replaces_contradictory_rows(tmp_path: Path) -> None:
    rows = "values (1, 'a', 1, 'p', 1, 2), (1, 'b', 1, 'q', 1, 3), (1, 'b', 1, 'q', 2, 2)"
    with open_typed(tmp_path, rows) as db:
        assert mark(db) == {(1, 2): ("superseded", None), (1, 3): ("row", None), (2, 2): ("duplicate", None)}


@pytest.mark.parametrize("load", ["i", "1"], ids=["different", "equal"])
def test_many_rows_with_one_key_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str) -> None:
    """Window functions held all rows of a key, with all columns."""
    monkeypatch.setattr(repeated_keys, "ROWS_PER_UPDATE", 1 << 18)
    rows = f"select 1, 'north of the river', {load}, 'p', 1, i from range(1500000) t(i)"
    with open_typed(tmp_path, rows, f"{KEPT_MB}MB") as db:
        mark_repeated_keys(db, SOURCE)
        counts = dict(db.execute("select _status, count(*) from typed group by 1").fetchall())
        assert counts == ({"row": 1_500_000} if load == "i" else {"row": 1, "duplicate": 1_499_999})


def test_wide_rows_with_repeated_keys_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_keys, "PORTION_BYTES", 1 << 22)
    with open_typed(tmp_path, "select 1, 'a', 1, 'p', 1, 1 limit 0", f"{KEPT_MB}MB") as db:
        for number in range(1000):
            db.execute(
                f"""insert into typed select {number // 2}, repeat('x', 100000), 1, 'p', 'x', 1, {number}, 100000, null,
                'row'"""
            )
        assert len(row_portions(db)) > 1
        mark_repeated_keys(db, SOURCE)
        counts = dict(db.execute("select _status, count(*) from typed group by 1").fetchall())
        assert counts == {"row": 500, "duplicate": 500}


def test_ordinary_rows_are_one_portion(tmp_path: Path) -> None:
    with open_typed(tmp_path, "select i, 'a', 1, 'p', 1, i from range(1000) t(i)") as db:
        assert row_portions(db) == [(0, 999)]
        db.execute("update typed set _text_bytes = 20_000_000 where rowid in (10, 11, 500)")
        assert [last for _, last in row_portions(db)] == [10, 999]
