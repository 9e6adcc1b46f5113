"""Partitions of every length are complete, distinct and in order, in timezones with clock changes too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.wiring import partitions_definition
from sixtyforty.spec.partitions import WEEKDAYS, PartitionedModel, Partitions, chunks
from tests.helpers import make_use_case

ZONES = ["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Auckland", "UTC"]
LENGTHS = ["hour", "day", "week", "month"]
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))
TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2014, 12, 31))


def make_model(
    every: str = "day", zone: str = "America/New_York", start: date = date(2009, 6, 1), **fields: object
) -> PartitionedModel:
    """Return a model with these partitions."""
    return PartitionedModel.model_validate({"timezone": zone, "partitions": {"every": every, "start": start, **fields}})


MODELS = st.builds(make_model, st.sampled_from(LENGTHS), st.sampled_from(ZONES))


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2013-03-09", datetime(2013, 3, 9, 5), datetime(2013, 3, 10, 5)),
        ("2013-03-10", datetime(2013, 3, 10, 5), datetime(2013, 3, 11, 4)),  # 23 hours
        ("2013-07-01", datetime(2013, 7, 1, 4), datetime(2013, 7, 2, 4)),
        ("2013-11-03", datetime(2013, 11, 3, 4), datetime(2013, 11, 4, 5)),  # 25 hours
    ],
)
def test_the_days_of_a_clock_change_have_23_and_25_hours(day: str, start: datetime, end: datetime) -> None:
    model = make_model()
    assert model.day_start(date.fromisoformat(day)) == model.opens_at(day) == start
    assert model.closes_at(day) == end


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_ends_when_the_next_one_starts(zone: str) -> None:
    model = make_model(zone=zone)
    for day in (date(2013, 1, 1) + timedelta(days=n) for n in range(365)):
        start, end = model.day_start(day), model.closes_at(day.isoformat())
        assert end == model.day_start(day + timedelta(days=1))
        assert timedelta(hours=23) <= end - start <= timedelta(hours=25)
        assert start.replace(tzinfo=UTC).astimezone(model.zone).date() == day


@given(MODELS, TIMES)
def test_each_time_lies_in_one_partition(model: PartitionedModel, time: datetime) -> None:
    partition = model.partition_at(time)
    assert model.opens_at(partition) <= time < model.closes_at(partition)
    assert model.partition_at(model.opens_at(partition)) == partition
    assert model.shift(model.shift(partition, 7), -7) == partition
    assert model.index_of(model.shift(partition, 5)) == model.index_of(partition) + 5


@given(MODELS, TIMES, st.integers(0, 60))
def test_keys_sort_in_the_order_of_time_and_a_range_has_no_gaps(
    model: PartitionedModel, time: datetime, count: int
) -> None:
    first = model.partition_at(time)
    partitions = model.partition_range(first, model.shift(first, count))
    assert len(partitions) == count + 1
    assert partitions == sorted(set(partitions))
    assert all(model.closes_at(a) == model.opens_at(b) for a, b in pairwise(partitions))
    widened = model.partition_range(model.shift(first, -3), model.shift(partitions[-1], 2))
    assert model.widen(partitions, 3, 2) == widened


def test_a_range_that_ends_before_its_start_is_empty() -> None:
    assert make_model().partition_range("2013-03-02", "2013-03-01") == []


@given(MODELS, st.dates(date(2010, 1, 1), date(2014, 1, 1)), st.integers(0, 40))
def test_days_are_covered_by_the_partitions_that_touch_them(model: PartitionedModel, first: date, days: int) -> None:
    last = first + timedelta(days=days)
    covering = model.covering_days(first, last)
    assert model.opens_at(covering[0]) < model.day_start(first + timedelta(days=1))
    assert model.closes_at(covering[-1]) >= model.day_start(last + timedelta(days=1))
    starting = model.starting_between(first, last + timedelta(days=1))
    assert [p for p in covering if first <= model.first_day(p)] == starting


@given(MODELS, TIMES)
def test_sql_computes_the_same_partition(model: PartitionedModel, time: datetime) -> None:
    is_hourly = model.partitions.every == "hour"
    sql = f"timestamp '{time}'" if is_hourly else f"date '{model.local_day(time)}'"
    row = duckdb.sql(f"select {model.partition_sql(sql)}").fetchall()[0]
    assert row[0] == model.partition_at(time)


@pytest.mark.parametrize("every", LENGTHS)
@pytest.mark.parametrize("zone", ZONES)
def test_dagster_has_the_same_partitions(every: str, zone: str) -> None:
    model = make_model(every, zone, start=date(2013, 2, 1), end=date(2013, 4, 20))
    partitions = model.partition_range(*model.limits)
    definition = partitions_definition(model)
    now = datetime(2014, 1, 1, tzinfo=UTC)
    assert list(definition.get_partition_keys(now)) == partitions
    windows = [definition.time_window_for_partition_key(partition) for partition in partitions]
    starts = [window.start.astimezone(UTC).replace(tzinfo=None) for window in windows]
    assert starts == [model.opens_at(partition) for partition in partitions]


def test_without_an_end_there_is_no_last_partition() -> None:
    assert make_model().limits == ("2009-06-01", "9999-12-31")
    assert Partitions(start=date(2013, 1, 1)).end is None


def test_the_last_day_ends_with_its_last_hour() -> None:
    model = make_model("hour", start=date(2013, 1, 1), end=date(2013, 1, 1))
    assert model.limits == ("2013-01-01T0500", "2013-01-02T0400")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"every": "month", "start": "2013-03-02"}, "start on the first day of a month; write 2013-03-01"),
        (
            {"start": "2013-03-01", "end": "2013-02-28"},
            r"partitions\.end \(2013-02-28\) is before partitions\.start \(2013-03-01\)",
        ),
        (
            {"every": "week", "start": "2013-03-01", "closed_weekdays": ["sunday"]},
            "partitions of a week have no closed days; remove closed_weekdays",
        ),
        ({"start": "2013-03-01", "closed_weekdays": WEEKDAYS}, "leave at least one weekday open"),
    ],
)
def test_an_impossible_start_or_end_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Partitions.model_validate(fields)


@pytest.mark.parametrize("timezone", ["America/Neu_York", "../secret", ""])
def test_an_unknown_timezone_is_refused_like_any_other_field(tmp_path: Path, timezone: str) -> None:
    with pytest.raises(ValidationError, match=f"'{timezone}' is not an IANA timezone"):
        make_use_case(tmp_path, timezone=timezone)


@given(st.sets(DAYS, max_size=40), st.integers(1, 50))
def test_chunks_hold_every_partition_once_in_order(days: set[date], size: int) -> None:
    partitions = [day.isoformat() for day in days]
    parts = chunks(partitions, size)
    assert [partition for part in parts for partition in part] == sorted(partitions)
    assert all(1 <= len(part) <= size for part in parts)
    assert len(parts) == -(-len(partitions) // size)


def test_closed_days_are_local_days() -> None:
    closed = {"closed_weekdays": ["sunday"], "closed_days": [date(2013, 3, 11)]}
    days = make_model("day", start=date(2013, 3, 1), **closed)
    assert [p for p in days.partition_range("2013-03-08", "2013-03-12") if days.is_on_closed_day(p)] == [
        "2013-03-10",
        "2013-03-11",
    ]
    hours = make_model("hour", start=date(2013, 3, 1), **closed)  # the clock advances in the night to 10 March
    open_hours = [
        p for p in hours.partition_range("2013-03-10T0400", "2013-03-12T0500") if not hours.is_on_closed_day(p)
    ]
    assert open_hours == ["2013-03-10T0400", "2013-03-12T0400", "2013-03-12T0500"]
