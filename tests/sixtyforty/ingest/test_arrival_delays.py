"""The verdict on a source: do its rows arrive by their known_at, and which known_at would be right?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest import arrival_times
from sixtyforty.ingest.arrival_delays import IN_BULK, ArrivalDelays, format_delay, pool_delays, read_delays
from sixtyforty.ingest.arrival_times import PERCENTILES, TOLERANCE_SECONDS, ArrivalFacts
from tests.helpers import make_workspace
from tests.live_landings import Clock, land_late_days, record_times

DAYS = [date(2013, 4, 1) + timedelta(days=i) for i in range(8)]


def facts_of(delays: Sequence[int], landing: str = "2013-04-01T07") -> ArrivalFacts:
    """Return the facts of a partition with these delays (seconds)."""
    percentiles = np.quantile(delays, np.linspace(0, 1, PERCENTILES), method="inverted_cdf").tolist() if delays else []
    late = sum(delay > TOLERANCE_SECONDS for delay in delays)
    return ArrivalFacts(len(delays), 0, late, percentiles, [landing] if delays else [])


def pool(*delays: Sequence[int], known_at: str = "time_hour") -> ArrivalDelays:
    return pool_delays("weather", known_at, [facts_of(d, f"2013-04-{n:02}T07") for n, d in enumerate(delays, 1)])


def test_rows_that_arrive_later_than_declared_are_named_with_a_suggestion() -> None:
    late = pool(*[[10_170] * 24] * 30)
    assert late.is_late
    assert str(late) == "weather rows arrive 2 h 50 min later than declared (95th percentile)"
    assert late.suggestion == "known_at: time_hour + interval '2 hours 50 minutes'"
    assert late.advice == f"100% of the rows of 30 partitions are late. Declare `{late.suggestion}`."


def test_rows_that_arrive_in_time_are_no_problem() -> None:
    in_time = pool(*[[-3600, -60, 0, 240]] * 5)
    assert (in_time.is_known, in_time.is_late) == (True, False)
    assert str(in_time) == "weather rows arrive as declared (20 rows compared)"


def test_one_late_landing_in_thirty_is_no_verdict() -> None:
    assert not pool(*[[60] * 24] * 29, [40_000] * 24).is_late
    assert pool(*[[60] * 24] * 27, *[[40_000] * 24] * 3).is_late


def test_few_landings_are_too_early_and_none_is_a_bulk_load() -> None:
    early = pool(*[[10_170]] * 4)
    assert (early.is_known, early.is_late) == (False, False)
    assert str(early) == (
        "weather: too early to say whether rows arrive as declared; its extracts were first seen in 4 different hours,"
        " 5 are needed"
    )
    nothing = pool([], [])
    assert (nothing.is_known, nothing.is_late, nothing.delay_seconds) == (False, False, None)
    assert str(nothing) == f"weather: {IN_BULK}"


@pytest.mark.parametrize(
    ("known_at", "expression"),
    [
        ("time_hour", "time_hour"),
        ('"the hour"', '"the hour"'),
        ("time_hour + interval 1 hour", "(time_hour + interval 1 hour)"),
        (" at \n", "at"),
    ],
)
def test_the_suggestion_adds_to_the_declared_expression(known_at: str, expression: str) -> None:
    assert pool(*[[7200]] * 5, known_at=known_at).suggestion == f"known_at: {expression} + interval '2 hours'"


@given(st.integers(1, 10**7))
def test_the_suggestion_is_an_interval_that_covers_the_delay(seconds: int) -> None:
    suggestion = pool(*[[seconds]] * 5).suggestion
    with duckdb.connect() as db:
        row = db.execute(f"select epoch({suggestion.partition(' + ')[2]})").fetchone()
    assert row is not None
    assert 0 <= row[0] - seconds < 60


def test_delays_are_formatted_in_days_hours_and_minutes() -> None:
    assert [format_delay(s) for s in (0, 1, 3600, 90_000, 176_460)] == [
        "0 min",
        "1 min",
        "1 h",
        "1 d 1 h",
        "2 d 1 h 1 min",
    ]
    assert format_delay(90_060, ("day", "hour", "minute")) == "1 day 1 hour 1 minute"


@given(st.lists(st.lists(st.integers(-86_400, 86_400), min_size=1, max_size=40), min_size=1, max_size=8))
def test_the_pooled_delay_covers_95_percent_of_the_rows(delays: list[list[int]]) -> None:
    """The pooled percentile is exact to one percent of the rows of each partition, and a row of each."""
    pooled, rows = pool(*delays), sorted(delay for part in delays for delay in part)
    assert pooled.delay_seconds is not None
    covered = sum(delay <= pooled.delay_seconds for delay in rows)
    slack = 0.02 * len(rows) + len(delays)
    assert covered >= 0.95 * len(rows) - slack
    assert sum(delay < pooled.delay_seconds for delay in rows) <= 0.95 * len(rows) + slack
    assert pooled.rows == len(rows)


def test_late_sources_are_found_in_extracts_that_landed_day_by_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, clock = make_workspace(tmp_path), Clock(tmp_path, monkeypatch)
    assert [str(delays) for delays in read_delays(ws.use_case, ws.lake)] == [f"calls: {IN_BULK}", f"visits: {IN_BULK}"]
    record_times(ws, land_late_days(ws, clock, DAYS, timedelta(minutes=-10)))
    calls, visits = read_delays(ws.use_case, ws.lake)
    assert not calls.is_late
    assert (visits.rows, visits.late, visits.partitions, visits.landings) == (32, 24, 8, 8)
    assert str(visits) == "visits rows arrive 2 h 50 min later than declared (95th percentile)"
    assert visits.suggestion == "known_at: seen_at + interval '2 hours 50 minutes'"


def test_only_the_newest_partitions_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, clock = make_workspace(tmp_path), Clock(tmp_path, monkeypatch)
    record_times(ws, land_late_days(ws, clock, DAYS, timedelta(hours=2)))
    monkeypatch.setattr(arrival_times, "WINDOW_PARTITIONS", 5)
    assert {delays.partitions for delays in read_delays(ws.use_case, ws.lake)} == {5}


def test_a_changed_known_at_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, clock = make_workspace(tmp_path), Clock(tmp_path, monkeypatch)
    partitions = land_late_days(ws, clock, DAYS, timedelta(minutes=-10))
    record_times(ws, partitions)
    corrected = make_workspace(tmp_path, sources={"visits": {"known_at": "seen_at + interval 3 hour"}})
    _, visits = read_delays(corrected.use_case, ws.lake)
    assert (visits.is_outdated, visits.is_late) == (True, False)
    assert str(visits) == "visits: known_at has changed; the next run compares the arrival times again"
    record_times(corrected, partitions)
    _, visits = read_delays(corrected.use_case, ws.lake)
    assert (visits.is_outdated, str(visits)) == (False, "visits rows arrive as declared (32 rows compared)")
