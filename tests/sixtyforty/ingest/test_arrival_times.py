"""When the rows of a partition were first seen, and how much later than their known_at."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.ingest import arrival_times
from sixtyforty.ingest.arrival_times import ArrivalFacts, first_seen_dataset, read_arrival_facts, record_arrival_times
from sixtyforty.workspace import Workspace
from tests.helpers import VISITS, csv_text, land_days, land_extract, make_workspace, read_files, visits_on
from tests.live_landings import Clock, land_late_days, record_times

DAY = date(2013, 4, 1)
DAYS = [DAY + timedelta(days=i) for i in range(4)]
NOON = datetime(2013, 4, 1, 12)


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(tmp_path, monkeypatch)


def visits_facts(ws: Workspace, day: date = DAY) -> ArrivalFacts:
    entry = ws.lake.entry("first_seen/visits", day.isoformat())
    assert entry is not None
    return read_arrival_facts(entry)


def land_visits(ws: Workspace, clock: Clock, count: int, at: datetime, name: str = f"visits_{DAY}.csv") -> None:
    """Land the first visits of the day and record them at a time (UTC)."""
    clock.set(at)
    land_extract(ws.landing, name, csv_text(VISITS, visits_on(DAY, 4)[:count]))
    ws.landing.scan("visits")
    record_times(ws, [DAY.isoformat()])


def test_the_delay_of_each_row_is_measured(ws: Workspace, clock: Clock) -> None:
    partitions = land_late_days(ws, clock, DAYS, timedelta(hours=2))
    record_times(ws, partitions)
    facts = visits_facts(ws)  # known at 14, 15, 16 and 17 h, seen at 19 h
    assert (facts.rows, facts.late, facts.unknown, facts.landings) == (4, 4, 0, ["2013-04-01T19"])
    assert sorted(set(facts.percentiles)) == [2 * 3600, 3 * 3600, 4 * 3600, 5 * 3600]
    assert len(facts.percentiles) == arrival_times.PERCENTILES
    calls = ws.lake.entry("first_seen/calls", DAY.isoformat())
    assert calls is not None and read_arrival_facts(calls).late == 0  # seen at 9:30, known from 10 h on


def test_a_row_within_the_tolerance_is_not_late(ws: Workspace, clock: Clock) -> None:
    record_times(ws, land_late_days(ws, clock, [DAY], timedelta(minutes=5)))
    assert visits_facts(ws).late == 3  # the rows of 14, 15 and 16 h; the last row is 5 minutes late
    record_times(ws, land_late_days(ws, clock, [DAYS[1]], timedelta(minutes=5, seconds=1)))
    assert visits_facts(ws, DAYS[1]).late == 4


def test_a_file_that_grows_keeps_the_times_of_its_first_rows(ws: Workspace, clock: Clock) -> None:
    for hour in range(4):
        land_visits(ws, clock, hour + 1, NOON + timedelta(hours=2 + hour, minutes=1))
    facts = visits_facts(ws)
    assert (facts.rows, facts.late) == (4, 0)
    assert set(facts.percentiles) == {60}
    assert facts.landings == [f"2013-04-01T{hour}" for hour in (14, 15, 16, 17)]


def test_a_row_that_a_later_extract_repeats_keeps_its_time(ws: Workspace, clock: Clock) -> None:
    land_visits(ws, clock, 4, NOON + timedelta(hours=5))
    land_visits(ws, clock, 4, NOON + timedelta(hours=23), "visits_again.csv")
    assert max(visits_facts(ws).percentiles) == 3 * 3600


def test_a_corrected_row_counts_from_its_correction(ws: Workspace, clock: Clock) -> None:
    land_visits(ws, clock, 4, NOON + timedelta(hours=5))
    number, seen_at, late = visits_on(DAY)[0]
    clock.set(NOON + timedelta(hours=8))
    land_extract(ws.landing, "visits_corrected.csv", csv_text(VISITS, [(number, seen_at, 1 - late)]))
    ws.landing.scan("visits")
    record_times(ws, [DAY.isoformat()])
    facts = visits_facts(ws)
    assert (facts.rows, max(facts.percentiles)) == (4, 6 * 3600)


def test_a_bulk_load_of_past_days_leaves_no_record(ws: Workspace, clock: Clock) -> None:
    clock.set(datetime(2014, 1, 1))
    record_times(ws, land_days(ws, DAYS))
    assert ws.lake.partitions("validated/visits")
    assert ws.lake.partitions(first_seen_dataset("visits")) == []


def test_rows_of_a_bulk_load_stay_unknown_when_they_are_repeated(ws: Workspace, clock: Clock) -> None:
    clock.set(datetime(2013, 4, 4, 15, 30))  # four days land at once, the last one half
    partitions = land_days(ws, DAYS)
    record_times(ws, partitions)
    facts = visits_facts(ws, DAYS[3])
    assert (facts.rows, facts.unknown) == (0, 4)
    clock.set(datetime(2013, 4, 5, 15, 30))
    land_extract(ws.landing, "visits_again.csv", csv_text(VISITS, visits_on(DAYS[3], 6)))
    ws.landing.scan("visits")
    record_times(ws, partitions)
    facts = visits_facts(ws, DAYS[3])
    assert (facts.rows, facts.unknown, facts.landings) == (2, 4, ["2013-04-05T15"])


def test_an_unchanged_partition_is_recorded_once(ws: Workspace, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = land_late_days(ws, clock, DAYS, timedelta(hours=2))
    record_times(ws, partitions)
    before = read_files(ws.lake.root)
    monkeypatch.setattr(ws.lake, "open_session", None)  # nothing is computed again
    for source in ws.use_case.partitioned:
        record_arrival_times(ws.use_case, source, ws.lake, ws.landing.known(source), partitions)
    assert read_files(ws.lake.root) == before


def test_a_changed_contract_starts_a_new_record(ws: Workspace, clock: Clock, tmp_path: Path) -> None:
    land_visits(ws, clock, 4, NOON + timedelta(hours=5))
    columns = {"id": "BIGINT", "seen_at": "TIMESTAMP", "late": "INTEGER"}
    changed = make_workspace(tmp_path, sources={"visits": {"columns": columns}})
    record_times(changed, [DAY.isoformat()])
    entry = changed.lake.entry("first_seen/visits", DAY.isoformat())
    assert entry is not None and entry.facts["columns"] == columns
    assert read_arrival_facts(entry).rows == 4


def test_a_row_without_known_at_is_not_compared(ws: Workspace, clock: Clock, tmp_path: Path) -> None:
    ws = make_workspace(tmp_path, sources={"visits": {"known_at": "if(late = 1, seen_at, null)"}})
    land_visits(ws, clock, 4, NOON + timedelta(hours=5))
    late = [late for *_, late in visits_on(DAY)]
    assert visits_facts(ws).rows == sum(late) < 4
