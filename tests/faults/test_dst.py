"""Clocks jump: on the days an hour is missing or comes twice, every call is decided once, and not before its moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from assets.resources import BusinessTime
from sixtyforty.decisions.deciding import decide, decisions_of
from sixtyforty.modeling import features
from sixtyforty.workspace import Workspace
from tests.helpers import CALLS, UNJUDGED, accept, csv, land, make_workspace

SPRING, AUTUMN = date(2013, 3, 10), date(2013, 11, 3)  # in New York
HOURS = {SPRING: 23, AUTUMN: 25}


def lived(folder: Path, day: date) -> tuple[Workspace, list[datetime]]:
    """A home with a call in every UTC hour of the day of the jump and two hours more at both ends, and the hours."""
    ws = make_workspace(folder, lookback_partitions=0)
    first, end = ws.use_case.starts(day) - timedelta(hours=2), ws.use_case.starts(day + timedelta(days=1))
    end += timedelta(hours=2)
    hours = [first + timedelta(hours=n) for n in range((end - first) // timedelta(hours=1))]
    calls = [(n, "north", f"{hour}", 0.5) for n, hour in enumerate(hours)]
    land(ws.landing, f"calls_{day - timedelta(days=1)}_{day + timedelta(days=1)}.csv", csv(CALLS, calls))
    days = [f"{day + timedelta(days=n)}" for n in (-1, 0, 1)]
    accept(ws, days)
    built = features.Window(ws.use_case, ws.lake, days).build()
    for p, rows in built.tables.items():
        rows = rows.append_column("suspect", pa.nulls(rows.num_rows, pa.string()))
        ws.lake.write("features", p, rows, inputs=built.inputs[p], code="test", facts=UNJUDGED)
    return ws, hours


@pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=str)
def test_each_is_decided_once_in_its_own_hour(day, tmp_path):
    ws, hours = lived(tmp_path, day)
    days = sorted(ws.lake.entries("features"))
    assert [ws.lake.entry("features", d).rows for d in days] == [2, HOURS[day], 2]
    # the moment as a run gets it, on the wall clock of the place: 01:30 comes twice, told apart by its offset
    for hour in hours:
        wall = (hour - timedelta(minutes=30)).replace(tzinfo=UTC).astimezone(ws.use_case.zone)
        moment = BusinessTime(as_of=wall.isoformat()).moment()
        new = sum(taken.new for taken in decide(ws, days, "replay", moment).values())
        assert new == 1, f"at {wall}"
    taken = [d for p in days for d in decisions_of(ws, p, "replay")]
    assert sorted(d["id"] for d in taken) == list(range(len(hours)))
    assert [d["decided_at"] for d in taken] == [h - timedelta(hours=1) for h in hours]
    assert sum(t.new for t in decide(ws, days, "replay", None).values()) == 0


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2013-11-03T01:30:00-04:00", datetime(2013, 11, 3, 5, 30)),
        ("2013-11-03T01:30:00-05:00", datetime(2013, 11, 3, 6, 30)),
        ("2013-11-03T05:30:00Z", datetime(2013, 11, 3, 5, 30)),
        ("2013-11-03T05:30:00", datetime(2013, 11, 3, 5, 30)),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(said, meant):
    assert BusinessTime(as_of=said).moment() == meant
