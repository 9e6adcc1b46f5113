"""An import that is killed at any time, while its lines are in files and its rows in several row groups, is repeated.

The second attempt gives the same bytes as an import that nothing disturbed.
"""

from __future__ import annotations

import random
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations.suites import read_suite
from expectations.validation import validate
from sixtyforty.ingest import extract_staging, staged_lines
from sixtyforty.ingest.raw import ingest
from sixtyforty.storage import parquet_files
from tests.faults.worker import KILLED, open_workspace, start_process, wait_for_exit
from tests.helpers import CALLS, calls_on, csv_text, land_extract, read_files, without_seen_at
from tests.long_proofs import RUN_WHOLE

DAYS = [date(2013, 3, 20) + timedelta(days=30 * n) for n in range(3)]  # so far apart that no two calls share a number
ROWS_PER_DAY = 2500
KILLS = 5 if RUN_WHOLE else 2


def land(home: Path) -> None:
    """Land extracts of all days: one with an unreadable line, one that corrects rows, and one for each day."""
    ws = open_workspace(home)
    rows = [row for day in DAYS for row in calls_on(day, ROWS_PER_DAY)]
    corrected = [(*row[:-1], 0.25) for row in rows[::5]]
    land_extract(ws.landing, "calls_all.csv", csv_text(CALLS, rows) + "broken\n")
    land_extract(ws.landing, "calls_corrected.csv", csv_text(CALLS, corrected))
    for day in DAYS:
        land_extract(ws.landing, f"calls_{day}.csv", csv_text(CALLS, calls_on(day, 10)))


def import_calls(home: Path) -> None:
    """Import and validate the extracts, with so little memory that lines and rows are in many pieces."""
    staged_lines.staging_limit = lambda: 20_000
    extract_staging.ROWS_PER_BATCH = 300
    parquet_files.GROUP_ROWS = 400
    ws, partitions = open_workspace(home), [str(day) for day in DAYS]
    ingest(ws.use_case, "calls", ws.lake, ws.landing, partitions, "test")
    suite, _ = read_suite(home / "suites" / "calls_in_time" / "calls.yaml")
    assert suite is not None
    validate(ws.use_case, "calls", suite, ws.lake, partitions, None, "test")


def read_lake(home: Path) -> dict[str, bytes]:
    """Return the files of the lake, without those of killed writers and without locks."""
    files = {name: content for name, (_, content) in read_files(open_workspace(home).lake.root).items()}
    return without_seen_at(
        {name: content for name, content in files.items() if "/." not in name and not name.endswith(".lock")}
    )


@pytest.mark.e2e
def test_an_import_that_is_killed_at_any_time_ends_with_the_same_bytes(tmp_path: Path) -> None:
    land(tmp_path / "undisturbed")
    assert wait_for_exit(start_process(import_calls, tmp_path / "undisturbed")) == 0  # the first process starts slowly
    started = time.monotonic()
    land(tmp_path / "timed")
    assert wait_for_exit(start_process(import_calls, tmp_path / "timed")) == 0
    duration, expected = time.monotonic() - started, read_lake(tmp_path / "undisturbed")
    assert read_lake(tmp_path / "timed") == expected
    assert any("validated/" in name for name in expected)
    rng = random.Random(20)
    for number in range(KILLS):
        home = kill_import(tmp_path / f"killed-{number}", duration * rng.random())
        assert wait_for_exit(start_process(import_calls, home)) == 0
        assert read_lake(home) == expected
        assert not list((home / "data" / "cache").rglob("lines-*.arrow")), "the second process deletes what was left"


def kill_import(folder: Path, delay: float) -> Path:
    """Kill an import after `delay` seconds, and return its home. If it ends before, start again and kill it earlier."""
    while True:
        home = folder / f"{delay}"
        land(home)
        process = start_process(import_calls, home)
        process.join(delay)
        process.kill()
        exit_code = wait_for_exit(process)
        if exit_code == KILLED:
            return home
        assert exit_code == 0
        delay /= 2  # the machine was busier when the duration was measured
