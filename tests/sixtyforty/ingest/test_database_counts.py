"""The rows of a database and of the lake are compared by partition."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.database_counts import NO_PARTITION, RowDifference, count_database_rows, find_differences
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.raw import ingest
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace

DAYS = ["2013-03-10", "2013-03-11"]
CALLS = {
    "files": None,
    "query": "select id, site, call_hour, load, changed from orders",
    "database": "ORDERS_URL",
    "cursor_column": "changed",
}


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    file = tmp_path / "orders.db"
    monkeypatch.setenv("ORDERS_URL", f"sqlite:///{file}")
    with sqlite3.connect(file) as db:
        db.execute("create table orders (id integer, site text, call_hour text, load float, changed text)")
        for number, (day, load) in enumerate([(DAYS[0], 0.5), (DAYS[0], 0.6), (DAYS[1], 0.7)]):
            db.execute(
                "insert into orders values (?, 'north', ?, ?, ?)", (number, f"{day} 12:00:00", load, f"{day} 12:30:00")
            )
    return make_workspace(tmp_path, sources={"calls": CALLS})


def change(sql: str, file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute(sql)


def read_and_validate(ws: Workspace) -> None:
    ingest(ws.use_case, "calls", ws.lake, ws.landing, DAYS, "test")
    validate(ws.use_case, "calls", Suite(description="no rules"), ws.lake, DAYS, None, "test")


def differences(ws: Workspace) -> list[RowDifference]:
    return find_differences(ws.landing, "calls", count_database_rows(ws.landing, "calls"))


def test_equal_numbers_of_rows_are_no_difference(ws: Workspace) -> None:
    read_and_validate(ws)
    assert count_database_rows(ws.landing, "calls") == {DAYS[0]: 2, DAYS[1]: 1}
    assert differences(ws) == []


def test_a_deleted_row_and_a_row_with_an_old_cursor_value_are_found(ws: Workspace, tmp_path: Path) -> None:
    read_and_validate(ws)
    change("delete from orders where id = 1", tmp_path / "orders.db")
    change(
        f"insert into orders values (9, 'north', '{DAYS[1]} 12:00:00', 0.5, '2012-01-01 00:00:00')",
        tmp_path / "orders.db",
    )
    read_and_validate(ws)
    assert differences(ws) == [RowDifference(DAYS[0], 1, 2), RowDifference(DAYS[1], 2, 1)]
    assert str(differences(ws)[0]) == "2013-03-10: 1 row in the database, 2 validated or quarantined"


def test_a_quarantined_row_is_no_difference(ws: Workspace, tmp_path: Path) -> None:
    change(
        f"insert into orders values (null, 'north', '{DAYS[1]} 12:00:00', 0.5, '{DAYS[1]} 13:00:00')",
        tmp_path / "orders.db",
    )
    read_and_validate(ws)
    assert differences(ws) == []


@pytest.mark.parametrize("is_corrected", [False, True])
def test_a_quarantined_row_that_is_read_again_counts_once(ws: Workspace, tmp_path: Path, is_corrected: bool) -> None:
    values = f"(7, 'north', '{DAYS[1]} 12:00:00', 'much', '{DAYS[1]} 13:00:00')"
    change(f"insert into orders values {values}", tmp_path / "orders.db")
    read_and_validate(ws)
    if is_corrected:
        correction = f"update orders set load = 0.5, changed = '{DAYS[1]} 14:00:00' where id = 7"
        change(correction, tmp_path / "orders.db")
    (cursor,) = (tmp_path).rglob("calls.cursor.json")
    cursor.unlink()
    read_and_validate(ws)
    assert differences(ws) == []


def test_rows_without_a_readable_date_are_counted_apart(ws: Workspace, tmp_path: Path) -> None:
    change("insert into orders values (9, 'north', 'yesterday', 0.5, '2013-03-12 00:00:00')", tmp_path / "orders.db")
    assert count_database_rows(ws.landing, "calls")[NO_PARTITION] == 1


def test_a_database_that_is_gone_is_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_URL")
    with pytest.raises(UnreachableSourceError, match="ORDERS_URL is not set"):
        count_database_rows(ws.landing, "calls")
