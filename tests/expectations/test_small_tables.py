"""The columns of a small table: each row has the place of its value, whatever the value is."""

from __future__ import annotations

import duckdb
import pytest

from expectations import small_tables
from expectations.small_tables import read_columns

TYPES = {
    "whole": "BIGINT",
    "exact": "DECIMAL(9,2)",
    "float": "DOUBLE",
    "text": "VARCHAR",
    "long": "VARCHAR",
    "bytes": "BLOB",
    "list": "BIGINT[]",
}


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute(f"create table rows (_id bigint, {', '.join(f'{column} {kind}' for column, kind in TYPES.items())})")
    db.execute(
        """insert into rows values
        (7, 1, 0.10, 'nan', 'a', repeat('x', 300), 'a', [1]), (9, null, null, null, null, 'y', null, null),
        (3, 1, 0.1, 0.5, 'b', 'y', 'a', [1]), (4, 2, 0.3, 0.5, 'a', 'y', 'b', [2])"""
    )
    return db


@pytest.mark.parametrize("values_at_once", [1, 1 << 18])
def test_rows_are_found_by_their_values(
    db: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, values_at_once: int
) -> None:
    monkeypatch.setattr(small_tables, "VALUES_AT_ONCE", values_at_once)
    columns = read_columns(db, "rows", {column: column for column in TYPES}, TYPES)
    rows = {
        name: [column.find_rows([position]).tolist() for position in range(len(column.values))]
        for name, column in columns.items()
    }
    assert rows == {
        "whole": [[7, 3], [9], [4]],
        "exact": [[7, 3], [9], [4]],
        "float": [[7, 9], [3, 4]],  # Great Expectations takes "not a number" for a null
        "text": [[7, 4], [9], [3]],
    }


def test_a_table_without_rows_has_no_values(db: duckdb.DuckDBPyConnection) -> None:
    columns = read_columns(db, "(from rows limit 0)", {"text": "text"}, TYPES)
    assert len(columns["text"].values) == 0
