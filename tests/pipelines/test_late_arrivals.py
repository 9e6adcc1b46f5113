"""A `known_at` that was declared too early is named by the command line, the pages and the watch, and corrected."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.operations.dagster_watch import Automation
from pipelines.operations.watch import watch_use_case
from sixtyforty.ingest.arrival_delays import IN_BULK
from sixtyforty.reports.alerts import AlertReceipt
from tests.helpers import day_range, land_days
from tests.leaky_world import NAME, World, days_between, make_world
from tests.live_landings import Clock, land_late_days
from tests.pipelines.conftest import RunCli
from tests.words import assert_plain

FIRST, LAST = date(2013, 3, 25), date(2013, 4, 6)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
LATE = "visits rows arrive 2 h 50 min later than declared (95th percentile)"
SUGGESTION = "known_at: seen_at + interval '2 hours 50 minutes'"
CHANGES = {"replay": {"first_day": "2013-04-01", "warm_up_days": 60}}  # nothing is trained


def late_alerts(world: World) -> list[str]:
    """Return the alerts about late arrivals that the watch sends."""
    receipts = watch_use_case(world.open(), "replay", lambda *_: None, Automation(frozenset()), time.time())
    return [r.text if isinstance(r, AlertReceipt) else "resolved" for r in receipts if r.kind == "late arrivals"]


def doctor_line(run_cli: RunCli) -> dict[str, object]:
    things = {thing["thing"]: thing for thing in run_cli("doctor --json").answer["things"]}
    return things[f"arrival times of {NAME}"]


def read_page(world: World, name: str) -> str:
    return (world.open().reports / name).read_text()


def test_rows_later_than_declared_are_named_everywhere_and_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    world, clock = make_world(tmp_path, monkeypatch, **CHANGES), Clock(tmp_path, monkeypatch)
    land_late_days(world.open(), clock, DAYS, timedelta(minutes=-10))
    clock.set(datetime(2013, 4, 8))
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err  # the check blocks nothing
    line = doctor_line(run_cli)
    assert (line["ok"], line["needed"]) == (False, False)
    assert LATE in str(line["found"])
    assert SUGGESTION in str(line["found"])
    (alert,) = late_alerts(world)
    assert alert.startswith(f"{LATE}. 75% of the rows of 13 partitions are late. Declare `{SUGGESTION}`.")
    impact = read_page(world, "impact.html")
    assert "Rows of visits arrive up to 2 h 50 min later than declared, so the replay knew them too early." in impact
    assert IN_BULK not in impact
    assert_plain(impact)
    assert "calls rows arrive as declared (52 rows compared)." in read_page(world, "current_state.html")

    world.changes = CHANGES | {"sources": {"visits": {"known_at": SUGGESTION.removeprefix("known_at: ")}}}
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err
    line = doctor_line(run_cli)
    assert line["ok"], line
    assert "visits rows arrive as declared (52 rows compared)" in str(line["found"])
    assert late_alerts(world) == ["resolved"]


def test_a_bulk_load_says_that_arrival_times_cannot_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    world = make_world(tmp_path, monkeypatch, **CHANGES)
    land_days(world.open(), DAYS)
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err
    assert doctor_line(run_cli)["found"] == IN_BULK
    assert late_alerts(world) == []
    impact = read_page(world, "impact.html")
    assert f"Replay: {IN_BULK}. The replay assumes that each row was known at the declared time." in impact
    assert_plain(impact)
    assert f"visits: {IN_BULK}." in read_page(world, "current_state.html")
