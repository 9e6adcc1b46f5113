"""Sessions think in UTC, convert to the use case's clock and back, and spill what exceeds their memory to disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from sixtyforty.modeling import features
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import accept_partitions, make_workspace

ROWS, DAY = 3_000_000, "2013-03-10"


def test_local_gives_the_use_cases_clock_before_and_after_a_clock_change() -> None:
    with connect("America/New_York") as session:
        times = session.execute(
            "select local(timestamp '2013-03-10 06:59:00'), local(timestamp '2013-03-10 07:00:00')"
        ).fetchone()
    assert times == (datetime(2013, 3, 10, 1, 59), datetime(2013, 3, 10, 3, 0))


@pytest.mark.parametrize("time", ["2013-01-10 08:00", "2013-07-10 23:30", "2013-03-10 12:00"])
def test_utc_is_the_inverse_of_local(time: str) -> None:
    with connect("America/New_York") as session:
        row = session.execute(f"select local(timestamp '{time}'), utc(local(timestamp '{time}'))").fetchone()
    assert row is not None
    local, utc = row
    assert str(utc)[:16] == time
    assert local != utc


def test_temporary_tables_of_one_session_are_not_seen_by_another() -> None:
    with connect("UTC") as first, connect("UTC") as second:
        first.execute("create temp table mine as select 1")
        with pytest.raises(duckdb.CatalogException, match="mine"):
            second.execute("from mine")


@pytest.fixture
def memory_limit() -> Iterator[None]:
    """Limit the memory of DuckDB in this process to 256 MB."""
    with connect("America/New_York") as session:
        row = session.execute("select current_setting('memory_limit')").fetchone()
        assert row is not None
        session.execute("set memory_limit = '256MB'")
        yield
        session.execute(f"set memory_limit = '{row[0]}'")


@pytest.mark.usefixtures("memory_limit")
def test_a_day_of_three_million_rows_is_validated_and_has_features_within_256_mb(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"files": "calls_*.parquet"}})
    assert isinstance(ws.landing.folder, Path)
    ws.landing.folder.mkdir(parents=True)
    duckdb.execute(
        f"""copy (select i as id, if(i % 2 = 0, 'south', 'north') as site, timestamp '{DAY} 12:00:00'
            + to_seconds(i % 3600) as call_hour, i % 100 / 100 as load from range({ROWS}) r(i))
        to '{ws.landing.folder / "calls_a.parquet"}' (format parquet)"""
    )
    accept_partitions(ws, [DAY])
    entry = ws.lake.entry("validated/calls", DAY)
    assert entry is not None
    assert entry.rows == ROWS
    built = features.FeatureWindow(ws.use_case, ws.lake, [DAY]).build()
    assert built.tables[DAY].num_rows == ROWS
