"""Which landings show when rows arrive, and which are bulk loads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.arrivals import Arrival
from sixtyforty.ingest.landings import BULK_EXTRACTS, Landings, first_seen
from sixtyforty.spec.partitions import PartitionedModel, Partitions

DAYS = PartitionedModel(timezone="UTC", partitions=Partitions(start=date(2013, 1, 1)))
HOURS = PartitionedModel(timezone="UTC", partitions=Partitions(every="hour", start=date(2013, 1, 1)))


def arrive(seq: int, seen_at: datetime | None, *partitions: str) -> Arrival:
    return Arrival(
        name=f"{seq}.csv",
        sha256=f"{seq:064x}",
        size=1,
        mtime_ns=0,
        seq=seq,
        rows=1,
        partitions=dict.fromkeys(partitions, 1),
        seen_at=seen_at.isoformat() if seen_at else "",
    )


def known(model: PartitionedModel, arrivals: Sequence[Arrival]) -> list[datetime | None]:
    """Return the known arrival time of each extract's first partition."""
    landings = Landings(model, arrivals)
    return [landings.known_arrival_time(min(arrival.partitions), arrival) for arrival in arrivals]


def day_after(day: int, hour: int = 6) -> datetime:
    return datetime(2013, 4, day + 1, hour)


def test_extracts_that_land_day_by_day_have_known_times() -> None:
    arrivals = [arrive(day, day_after(day), f"2013-04-{day:02}") for day in range(1, 9)]
    assert known(DAYS, arrivals) == [day_after(day) for day in range(1, 9)]


def test_extracts_that_land_together_have_no_known_times() -> None:
    start = datetime(2013, 4, 9)
    arrivals = [arrive(day, start + timedelta(minutes=8 * day), f"2013-04-{day:02}") for day in range(1, 9)]
    assert known(DAYS, arrivals) == [None] * 8
    assert known(DAYS, arrivals[-3:]) == [first_seen(arrival) for arrival in arrivals[-3:]]  # after a weekend


def test_one_extract_with_many_days_is_a_bulk_load() -> None:
    month = [f"2013-04-{day:02}" for day in range(1, 31)]
    assert known(DAYS, [arrive(1, datetime(2013, 5, 1), *month)]) == [None]


def test_a_daily_extract_of_hours_is_no_bulk_load() -> None:
    hours = [f"2013-04-01T{hour:02}00" for hour in range(24)]
    assert known(HOURS, [arrive(1, datetime(2013, 4, 2, 3), *hours)]) == [datetime(2013, 4, 2, 3)]
    apart = [arrive(i, datetime(2013, 4, 2, 3), hour) for i, hour in enumerate(hours)]
    assert known(HOURS, apart) == [datetime(2013, 4, 2, 3)] * 24


def test_too_many_extracts_at_once_are_a_bulk_load() -> None:
    seen_at = datetime(2013, 4, 2, 3)
    arrivals = [arrive(seq, seen_at, "2013-04-01") for seq in range(BULK_EXTRACTS + 1)]
    assert set(known(DAYS, arrivals)) == {None}
    assert set(known(DAYS, arrivals[1:])) == {seen_at}


@pytest.mark.parametrize(("seen_at", "is_recent"), [(datetime(2013, 4, 9), True), (datetime(2013, 4, 9, 1), False)])
def test_an_extract_that_lands_long_after_its_day_has_no_known_time(seen_at: datetime, is_recent: bool) -> None:
    arrival = arrive(1, seen_at, "2013-04-01")
    assert Landings(DAYS, [arrival]).is_recent("2013-04-01", arrival) == is_recent
    assert known(DAYS, [arrival]) == [seen_at if is_recent else None]


def test_a_ledger_of_an_older_version_has_no_known_times() -> None:
    arrivals = [arrive(1, None, "2013-04-01"), arrive(2, day_after(2), "2013-04-02")]
    assert known(DAYS, arrivals) == [None, day_after(2)]


def test_an_arrival_is_looked_up_by_its_number() -> None:
    first = arrive(3, day_after(1), "2013-04-01")
    landings = Landings(DAYS, [first])
    assert landings.arrival(3) is first
    assert landings.arrival(2) is None, "a newer extract of its name replaced it"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.integers(0, 9))
def test_extracts_of_a_batch_are_judged_alike(gaps: list[int], minutes: int) -> None:
    """Every arrival of a chain with gaps of at most ten minutes is a bulk load, or none is."""
    days = [f"2013-04-{1 + n:02}" for n in range(len(gaps))]
    start = datetime(2013, 4, 1 + len(gaps)) if len(gaps) < 30 else datetime(2013, 5, 1)
    arrivals = [arrive(n, start + timedelta(minutes=minutes * n), day) for n, day in enumerate(days)]
    landings = Landings(DAYS, arrivals)
    verdicts = {landings._landed_in_bulk(n) for n in range(len(arrivals))}
    assert verdicts == {len(days) > 3}


def test_a_scan_records_when_it_first_saw_an_extract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.helpers import CALLS, calls_on, csv_text, land_extract, make_workspace
    from tests.live_landings import Clock

    ws, clock = make_workspace(tmp_path), Clock(tmp_path, monkeypatch)
    day = date(2013, 4, 1)
    clock.set(datetime(2013, 4, 1, 9, 30))
    land_extract(ws.landing, "calls_a.csv", csv_text(CALLS, calls_on(day)))
    ws.landing.scan("calls")
    clock.set(datetime(2013, 4, 1, 10, 30))
    land_extract(ws.landing, "calls_b.csv", csv_text(CALLS, calls_on(day, 2)))
    assert [a.seen_at for a in ws.landing.scan("calls")] == ["2013-04-01T09:30:00", "2013-04-01T10:30:00"]
    clock.set(datetime(2013, 4, 1, 11, 30))
    land_extract(ws.landing, "calls_a.csv", csv_text(CALLS, calls_on(day, 3)))
    assert [a.seen_at for a in ws.landing.scan("calls")] == ["2013-04-01T10:30:00", "2013-04-01T11:30:00"]
