"""Features that read a row of a snapshot which changed or was added after the decision time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sixtyforty.modeling.snapshot_changes import find_late_snapshots, record_snapshot_changes
from sixtyforty.workspace import Workspace
from tests.helpers import (
    SITES,
    accept_partitions,
    csv_text,
    land_extract,
    make_workspace,
    publish_days,
    publish_landed_days,
)
from tests.live_landings import Clock

DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(4)]
KEYS = [day.isoformat() for day in DAYS]
FIRST_SITES = [("north", 3), ("south", 5)]


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(tmp_path, monkeypatch)


def open_workspace(folder: Path, **sites: Any) -> Workspace:
    return make_workspace(folder, sources={"sites": SITES | sites})


def land_sites(ws: Workspace, clock: Clock, at: datetime, rows: Sequence[tuple[str, int]], name: str = "sites") -> None:
    """Land the sites, scan them at a time (UTC), and build all features again, as a replay would."""
    clock.set(at)
    land_extract(ws.landing, f"{name}.csv", csv_text(SITES, rows))
    ws.landing.scan("sites")
    publish_landed_days(ws, KEYS)
    record_snapshot_changes(ws.use_case, "sites", ws.lake, ws.landing.known("sites"))


def prepare(folder: Path, clock: Clock, **sites: Any) -> Workspace:
    """Return a workspace with four days of features and a first snapshot, all landed in bulk in 2014."""
    ws = open_workspace(folder, **sites)
    publish_days(ws, DAYS)
    land_sites(ws, clock, datetime(2014, 1, 1), FIRST_SITES)
    return ws


def test_the_first_snapshot_has_no_known_time(tmp_path: Path, clock: Clock) -> None:
    ws = prepare(tmp_path, clock)
    assert find_late_snapshots(ws.use_case, ws.lake) == []
    assert find_late_snapshots(make_workspace(tmp_path / "other").use_case, ws.lake) == []


@pytest.mark.parametrize("name", ["sites", "sites_2"])
def test_a_row_that_changed_or_was_added_after_decisions_is_named(tmp_path: Path, clock: Clock, name: str) -> None:
    ws = prepare(tmp_path, clock)
    land_sites(ws, clock, datetime(2013, 4, 3, 10, 30), [("north", 4), ("south", 5), ("west", 1)], name)
    (late,) = find_late_snapshots(ws.use_case, ws.lake)
    assert (late.source, late.rows, late.keys) == ("sites", 2, ["north", "west"])
    # Calls are decided at 11, 12, 13 and 14 h, so every decision of 3 April is later than the change.
    assert (late.partitions, late.units) == (KEYS[:2], 8)
    assert str(late) == (
        "2 rows of sites (north, west) changed or were added until 2013-04-03 10:30 UTC, after 8 units of 2013-04-01 to"
        " 2013-04-02 had been due for a decision"
    )
    assert find_late_snapshots(ws.use_case, ws.lake, KEYS[2:]) == []
    (late,) = find_late_snapshots(ws.use_case, ws.lake, KEYS[1:2])
    assert late.units == 4


def test_only_units_decided_before_the_change_count(tmp_path: Path, clock: Clock) -> None:
    ws = prepare(tmp_path, clock)
    land_sites(ws, clock, datetime(2013, 4, 1, 12, 30), [("north", 4), ("south", 5)])
    (late,) = find_late_snapshots(ws.use_case, ws.lake)
    assert (late.partitions, late.units, late.rows) == (KEYS[:1], 2, 1)


def test_features_that_read_the_earlier_snapshot_are_sound(tmp_path: Path, clock: Clock) -> None:
    ws = prepare(tmp_path, clock)
    before = ws.lake.entries("features")
    land_sites(ws, clock, datetime(2013, 4, 3, 10), [("north", 4), ("south", 5)])
    for key in KEYS[:2]:  # these were built before the change, and not again
        entry = before[key]
        rows = ws.lake.local_file(ws.lake.entries("features")[key])
        ws.lake.write("features", key, pq.read_table(rows), inputs=entry.inputs, code="test", facts=entry.facts)
    assert find_late_snapshots(ws.use_case, ws.lake) == []


def test_changes_stay_known_after_a_newer_snapshot(tmp_path: Path, clock: Clock) -> None:
    ws = prepare(tmp_path, clock)
    land_sites(ws, clock, datetime(2013, 4, 2, 10), [("north", 4), ("south", 5)])
    (before,) = find_late_snapshots(ws.use_case, ws.lake)
    clock.set(datetime(2013, 6, 1))
    land_extract(ws.landing, "sites.csv", csv_text(SITES, [("north", 7), ("south", 5)]))
    ws.landing.scan("sites")
    accept_partitions(ws, [])  # features still read the second snapshot
    record_snapshot_changes(ws.use_case, "sites", ws.lake, ws.landing.known("sites"))
    assert find_late_snapshots(ws.use_case, ws.lake) == [before]
    land_sites(ws, clock, datetime(2013, 6, 1), [("north", 7), ("south", 5)])
    (late,) = find_late_snapshots(ws.use_case, ws.lake)
    assert (late.partitions, late.rows, late.seen_at) == (KEYS, 1, datetime(2013, 6, 1))


def test_a_snapshot_that_lands_again_unchanged_is_recorded_once(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = prepare(tmp_path, clock)
    before = ws.lake.entry("first_seen/sites", "all")
    monkeypatch.setattr(ws.lake, "open_session", None)
    record_snapshot_changes(ws.use_case, "sites", ws.lake, ws.landing.known("sites"))
    assert ws.lake.entry("first_seen/sites", "all") == before
    monkeypatch.undo()
    land_sites(ws, Clock(tmp_path, monkeypatch), datetime(2013, 7, 1), FIRST_SITES, "sites_again")
    assert find_late_snapshots(ws.use_case, ws.lake) == []


def test_personal_keys_are_not_named(tmp_path: Path, clock: Clock) -> None:
    ws = prepare(tmp_path, clock, personal=["site"])
    land_sites(ws, clock, datetime(2013, 4, 3, 10), [("north", 4), ("south", 5)])
    (late,) = find_late_snapshots(ws.use_case, ws.lake)
    assert (late.rows, late.keys) == (1, [])
    record = ws.lake.entry("first_seen/sites", "all")
    assert record is not None and "north" not in str(record.facts)
    assert str(late).startswith("1 row of sites changed or was added until")


def test_a_changed_contract_starts_again(tmp_path: Path, clock: Clock) -> None:
    prepare(tmp_path, clock)
    changed = open_workspace(tmp_path, columns={"site": "VARCHAR", "size": "DOUBLE"})
    land_sites(changed, clock, datetime(2013, 7, 1), [("north", 3), ("south", 5), ("west", 1)])
    assert find_late_snapshots(changed.use_case, changed.lake) == []
