"""Due units are read in portions, with exact keys."""

from __future__ import annotations

import pytest

from sixtyforty.decisions.due_units import read_frames
from sixtyforty.storage import stored_tables
from sixtyforty.storage.duckdb_session import connect
from tests.small_portions import use_small_portions


@pytest.mark.parametrize(
    ("column_type", "keys"),
    [
        ("TIMESTAMP_NS", ["2013-03-10 12:00:00.000000001", "2013-03-10 12:00:00.000000002"]),
        ("TIMESTAMP", ["2013-03-10 12:00:00", "2013-03-10 12:00:00.000001"]),
        ("DECIMAL(38, 2)", ["900719925474099.30", "900719925474099.31"]),
        ("HUGEINT", ["9007199254740992", "9007199254740993"]),
        ("TIME", ["08:00:00", "08:00:00.000001"]),
    ],
)
def test_keys_that_differ_stay_different(column_type: str, keys: list[str]) -> None:
    rows = ", ".join(f"('{key}'::{column_type})" for key in keys)
    with connect("UTC") as db:
        (units,) = read_frames(db, f"select * from (values {rows}) t(id) order by id", ["id"])
    assert [str(key) for key in units["id"].tolist()] == keys


@pytest.mark.parametrize("count", [0, 1, 3, 10, 5000])
def test_the_portions_of_a_query_have_all_its_rows(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    use_small_portions(monkeypatch)
    query = f"select i::decimal(9, 2) as id, i as number from range({count}) t(i) order by i"
    with connect("UTC") as db:
        frames = list(read_frames(db, query, ["id"]))
    assert [number for frame in frames for number in frame["number"].tolist()] == list(range(count))
    assert [key for frame in frames for key in frame["id"].tolist()] == list(range(count))
    assert all(0 < len(frame) <= stored_tables.PORTION_ROWS for frame in frames)
