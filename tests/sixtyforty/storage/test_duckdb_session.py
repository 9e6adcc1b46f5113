"""Sessions think in UTC, convert to the use case's clock and back, and spill what exceeds their memory to disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from sixtyforty.modeling import features
from sixtyforty.storage import duckdb_session
from sixtyforty.storage.duckdb_session import QueryTooSlowError, connect
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
def small_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Open DuckDB's databases in this process with the smallest memory, 256 MB."""
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "512MB")
    duckdb_session.close_databases()
    yield
    duckdb_session.close_databases()


@pytest.mark.usefixtures("small_memory")
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


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A readable folder with one Parquet file, and another file beside the folder."""
    folder = tmp_path / "lake"
    folder.mkdir()
    for path in (folder / "a.parquet", tmp_path / "secret.parquet"):
        duckdb.execute(f"copy (select 1 as n) to '{path}' (format parquet)")
    return folder


def test_a_session_reads_its_folder(readable: Path) -> None:
    with connect("UTC", (readable,)) as session:
        assert session.execute(f"from read_parquet('{readable / 'a.parquet'}')").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "from read_parquet('{folder}/../secret.parquet')",
        "from '{outside}/secret.parquet'",
        "from glob('{outside}/*')",
        "from read_text('/etc/hostname')",
        "from read_csv('https://example.org/x.csv')",
        "copy (select 1) to '{outside}/copy.parquet'",
        "attach '{outside}/other.db'",
        "load httpfs",
        "install httpfs",
        "set threads = 1",
        "set TimeZone = 'Asia/Tokyo'",
        "set enable_external_access = true",
        "from python_variable",
    ],
)
def test_a_session_denies_other_files_the_network_extensions_and_settings(readable: Path, sql: str) -> None:
    python_variable = duckdb.sql("select 1 as n").df()
    assert len(python_variable) == 1
    with connect("UTC", (readable,)) as session, pytest.raises(duckdb.Error):
        session.execute(sql.format(folder=readable, outside=readable.parent))
    assert not (readable.parent / "copy.parquet").exists()


@pytest.mark.usefixtures("small_memory")
def test_two_databases_write_what_exceeds_their_memory_to_different_places(tmp_path: Path) -> None:
    """Two databases of one process whose files had the same names would read one another's rows."""
    rows = "select i, hash(i) as h, repeat(md5(i::varchar), 8) as text from range(1_500_000) r(i)"
    with connect("UTC", scratch=tmp_path) as first, connect("Asia/Tokyo", scratch=tmp_path) as second:
        for session, shift in ((first, 0), (second, 1)):
            session.execute(f"create temp table spilled as select * replace (i + {shift} as i) from ({rows})")
        assert len([folder for folder in tmp_path.iterdir() if list(folder.iterdir())]) == 2
        for session, shift in ((first, 0), (second, 1)):
            sums = session.execute("select sum(i), count(*) filter (h = hash(i - $1)) from spilled", [shift]).fetchone()
            assert sums == (sum(range(1_500_000)) + shift * 1_500_000, 1_500_000)


def test_a_session_has_half_of_the_declared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "3GB")
    with connect("UTC", scratch=tmp_path) as session:
        assert session.execute("select current_setting('memory_limit')").fetchone() == ("1.3 GiB",)


def test_a_query_ends_at_its_time_limit() -> None:
    session = connect("UTC")
    with pytest.raises(QueryTooSlowError, match="longer than 0 seconds"), duckdb_session.time_limit(session, 0.1):
        session.execute("select count(*) from range(1_000_000_000_000) where hash(range) = 1").fetchall()
    with duckdb_session.time_limit(session, 60):
        assert session.execute("select 1").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "time",
    [
        "timestamp '1921-01-01 00:00:00.5'",
        "timestamp_ns '2024-01-01 23:59:59.9999999'",
        "timestamp_s '2024-01-01 00:00:00'",
        "timestamptz '2024-01-01 03:00:00+02'",
        "date '2024-01-01'",
        "'infinity'::timestamp",
        "null::timestamp",
    ],
)
def test_a_local_time_in_utc_is_the_time_itself_in_each_type(time: str) -> None:
    with connect("UTC") as db:
        converted = f"{time} at time zone 'UTC' at time zone 'UTC'"
        query = "select ({0})::varchar, typeof({0})"
        assert db.sql(query.format(f"local({time})")).fetchall() == db.sql(query.format(converted)).fetchall()


def test_a_session_has_a_thread_for_each_processor_that_its_process_may_use() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        " from sixtyforty.storage.duckdb_session import connect;"
        " print(connect('UTC').execute(\"select current_setting('threads')\").fetchone()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
