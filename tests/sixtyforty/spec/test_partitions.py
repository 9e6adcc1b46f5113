"""Partitions of every length, on clocks that change: none missing, none twice, each where it belongs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.wiring import partitions_definition
from sixtyforty.spec.partitions import Partitions, PartitionedModel, chunks

ZONES = ["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Auckland", "UTC"]
EVERY = ["hour", "day", "week", "month"]
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2014, 12, 31))


def timed(every: str = "day", zone: str = "America/New_York", start: date = date(2009, 6, 1), **more: object) -> PartitionedModel:
    return PartitionedModel.model_validate({"timezone": zone, "partitions": {"every": every, "start": start, **more}})


CASES = st.builds(timed, st.sampled_from(EVERY), st.sampled_from(ZONES))


@pytest.mark.parametrize(
    ("day", "starts", "closes"),
    [
        ("2013-03-09", datetime(2013, 3, 9, 5), datetime(2013, 3, 10, 5)),
        ("2013-03-10", datetime(2013, 3, 10, 5), datetime(2013, 3, 11, 4)),  # 23 hours
        ("2013-07-01", datetime(2013, 7, 1, 4), datetime(2013, 7, 2, 4)),
        ("2013-11-03", datetime(2013, 11, 3, 4), datetime(2013, 11, 4, 5)),  # 25 hours
    ],
)
def test_days_of_a_clock_change_are_shorter_and_longer(day: str, starts: datetime, closes: datetime) -> None:
    assert timed().day_start(date.fromisoformat(day)) == timed().opens_at(day) == starts
    assert timed().closes_at(day) == closes


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_closes_when_the_next_one_starts(zone: str) -> None:
    case = timed(zone=zone)
    for day in (date(2013, 1, 1) + timedelta(days=i) for i in range(365)):
        start, close = case.day_start(day), case.closes_at(day.isoformat())
        assert close == case.day_start(day + timedelta(days=1))
        assert timedelta(hours=23) <= close - start <= timedelta(hours=25)
        assert start.replace(tzinfo=UTC).astimezone(case.zone).date() == day


@given(CASES, MOMENTS)
def test_each_moment_lies_in_one_partition(case: PartitionedModel, moment: datetime) -> None:
    key = case.partition_at(moment)
    assert case.opens_at(key) <= moment < case.closes_at(key)
    assert case.partition_at(case.opens_at(key)) == key
    assert case.shift(case.shift(key, 7), -7) == key
    assert case.index_of(case.shift(key, 5)) == case.index_of(key) + 5


@given(CASES, MOMENTS, st.integers(0, 60))
def test_keys_sort_as_time_does_and_a_span_has_no_holes(case: PartitionedModel, moment: datetime, count: int) -> None:
    first = case.partition_at(moment)
    keys = case.partition_range(first, case.shift(first, count))
    assert len(keys) == count + 1
    assert keys == sorted(set(keys))
    assert all(case.closes_at(a) == case.opens_at(b) for a, b in pairwise(keys))
    assert case.widen(keys, 3, 2) == case.partition_range(case.shift(first, -3), case.shift(keys[-1], 2))


def test_a_span_that_ends_before_it_begins_is_empty() -> None:
    assert timed().partition_range("2013-03-02", "2013-03-01") == []


@given(CASES, st.dates(date(2010, 1, 1), date(2014, 1, 1)), st.integers(0, 40))
def test_partitions_of_a_range_of_days(case: PartitionedModel, first: date, days: int) -> None:
    last = first + timedelta(days=days)
    held = case.covering_days(first, last)
    assert case.opens_at(held[0]) < case.day_start(first + timedelta(days=1))
    assert case.closes_at(held[-1]) >= case.day_start(last + timedelta(days=1))
    begun = case.starting_between(first, last + timedelta(days=1))
    assert [p for p in held if first <= case.first_day(p)] == begun


@given(CASES, MOMENTS)
def test_sql_says_the_same_key(case: PartitionedModel, moment: datetime) -> None:
    said = f"timestamp '{moment}'" if case.partitions.every == "hour" else f"date '{case.local_day(moment)}'"
    assert duckdb.sql(f"select {case.partition_sql(said)}").fetchall()[0][0] == case.partition_at(moment)


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("zone", ZONES)
def test_dagster_has_the_same_keys_and_moments(every: str, zone: str) -> None:
    case = timed(every, zone, start=date(2013, 2, 1), end=date(2013, 4, 20))
    ours = case.partition_range(*case.limits)
    theirs = partitions_definition(case)
    now = datetime(2014, 1, 1, tzinfo=UTC)
    assert list(theirs.get_partition_keys(now)) == ours
    windows = [theirs.time_window_for_partition_key(k) for k in ours]
    assert [w.start.astimezone(UTC).replace(tzinfo=None) for w in windows] == [case.opens_at(k) for k in ours]


def test_what_keeps_running_has_no_last_partition() -> None:
    assert timed().limits == ("2009-06-01", "9999-12-31")
    assert Partitions(start=date(2013, 1, 1)).end is None


@given(st.sets(DAYS, max_size=40), st.integers(1, 50))
def test_chunks_are_all_partitions_once_in_order_and_none_is_too_long(days: set[date], size: int) -> None:
    keys = [d.isoformat() for d in days]
    cut = chunks(keys, size)
    assert [k for chunk in cut for k in chunk] == sorted(keys)
    assert all(1 <= len(chunk) <= size for chunk in cut)
    assert len(cut) == -(-len(keys) // size)
