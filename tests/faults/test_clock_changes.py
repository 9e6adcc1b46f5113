"""When clocks change, an hour is missing or comes twice: each call is decided once, and not before its time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from assets.resources import BusinessClock
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.modeling import features
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, UNJUDGED, accept_partitions, csv_text, land_extract, make_workspace

SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)  # in New York
HOURS = {SPRING: 23, AUTUMN: 25}


def make_features(folder: Path, day: date) -> tuple[Workspace, list[datetime]]:
    """Return a home with features of one call in every UTC hour of the day and two hours around it, and those hours."""
    ws = make_workspace(folder, lookback_partitions=0)
    start = ws.use_case.day_start(day) - timedelta(hours=2)
    end = ws.use_case.day_start(day + timedelta(days=1)) + timedelta(hours=2)
    hours = [start + timedelta(hours=n) for n in range((end - start) // timedelta(hours=1))]
    calls = [(n, "north", f"{hour}", 0.5) for n, hour in enumerate(hours)]
    land_extract(ws.landing, f"calls_{day - timedelta(days=1)}_{day + timedelta(days=1)}.csv", csv_text(CALLS, calls))
    partitions = [f"{day + timedelta(days=n)}" for n in (-1, 0, 1)]
    accept_partitions(ws, partitions)
    built = features.FeatureWindow(ws.use_case, ws.lake, partitions).build()
    for partition, rows in built.tables.items():
        table = rows.append_column("suspect", pa.nulls(rows.num_rows, pa.string()))
        ws.lake.write("features", partition, table, inputs=built.inputs[partition], code="test", facts=UNJUDGED)
    return ws, hours


@pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=str)
def test_each_call_is_decided_once_in_its_own_hour(day: date, tmp_path: Path) -> None:
    ws, hours = make_features(tmp_path, day)
    entries = ws.lake.entries("features")
    assert [entry.rows for entry in entries.values()] == [2, HOURS[day], 2]
    # A run gets the local time. In autumn 01:30 comes twice, and only the UTC offset differs.
    for hour in hours:
        local_time = (hour - timedelta(minutes=30)).replace(tzinfo=UTC).astimezone(ws.use_case.zone)
        time_limit = BusinessClock(as_of=local_time.isoformat()).time_limit()
        taken = take_decisions(ws, list(entries), "replay", time_limit)
        assert sum(partition.new for partition in taken.values()) == 1, f"at {local_time}"
    decisions = [decision for partition in entries for decision in read_decisions(ws, partition, "replay")]
    assert sorted(decision.unit["id"] for decision in decisions) == list(range(len(hours)))
    assert [decision.decided_at for decision in decisions] == [hour - timedelta(hours=1) for hour in hours]
    assert sum(partition.new for partition in take_decisions(ws, list(entries), "replay", None).values()) == 0


@pytest.mark.parametrize(
    ("as_of", "utc"),
    [
        ("2013-11-03T01:30:00-04:00", datetime(2013, 11, 3, 5, 30)),
        ("2013-11-03T01:30:00-05:00", datetime(2013, 11, 3, 6, 30)),
        ("2013-11-03T05:30:00Z", datetime(2013, 11, 3, 5, 30)),
        ("2013-11-03T05:30:00", datetime(2013, 11, 3, 5, 30)),
    ],
)
def test_a_time_without_an_offset_is_read_as_utc(as_of: str, utc: datetime) -> None:
    assert BusinessClock(as_of=as_of).time_limit() == utc
