"""A partition larger than the memory that DuckDB may take goes through all the same: it spills to disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from sixtyforty.modeling import features
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import accept, make_workspace

ROWS, DAY = 3_000_000, "2013-03-10"


@pytest.fixture
def limit() -> Iterator[str]:
    """What DuckDB may take of memory, in this process."""
    with connect("America/New_York") as db:
        before = db.execute("select current_setting('memory_limit')").fetchone()
        db.execute("set memory_limit = '256MB'")
        yield "256MB"
        db.execute(f"set memory_limit = '{before[0]}'")


def test_a_day_of_three_million_rows_goes_through_with_256_mb(tmp_path: Path, limit: str) -> None:
    ws = make_workspace(tmp_path, sources={"calls": {"files": "calls_*.parquet"}})
    ws.landing.folder.mkdir(parents=True)
    duckdb.execute(
        f"""copy (select i as id, if(i % 2 = 0, 'south', 'north') as site, timestamp '{DAY} 12:00:00'
            + to_seconds(i % 3600) as call_hour, i % 100 / 100 as load from range({ROWS}) r(i))
        to '{ws.landing.folder / "calls_a.parquet"}' (format parquet)"""
    )
    accept(ws, [DAY])
    entry = ws.lake.entry("validated/calls", DAY)
    assert entry is not None
    assert entry.rows == ROWS
    built = features.Window(ws.use_case, ws.lake, [DAY]).build()
    assert built.tables[DAY].num_rows == ROWS
