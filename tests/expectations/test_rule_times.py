"""Rules compare dates, times and clock times to the microsecond, and in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.rule_times import EPOCH, MICROSECOND, parse_clock_time, parse_day_time, with_comparable_times
from expectations.rules import Rule

BETWEEN = "expect_column_values_to_be_between"


def make_rule(rule_type: str = BETWEEN, **arguments: Any) -> Rule:
    return Rule(type=rule_type, severity="critical", kwargs=arguments, why="for the test")


@pytest.mark.parametrize(
    ("declared", "parsed"),
    [
        (date(2024, 3, 10), datetime(2024, 3, 10)),
        ("2024-03-10", datetime(2024, 3, 10)),
        ("2024-03-10 14:00", datetime(2024, 3, 10, 14)),
        ("2024-03-10T14:00+02:00", datetime(2024, 3, 10, 12)),
        (datetime(2024, 3, 10, 14, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 3, 10, 12)),
        (datetime(2024, 3, 10, 14, 0, 0, 1), datetime(2024, 3, 10, 14, 0, 0, 1)),
    ],
)
def test_a_declared_date_or_time_is_read_as_utc(declared: Any, parsed: datetime) -> None:
    assert parse_day_time(declared) == parsed


@pytest.mark.parametrize("declared", [630, 10.5, True, "noon", "2024-02-30", None])
def test_anything_else_is_no_date(declared: Any) -> None:
    with pytest.raises(ValueError):
        parse_day_time(declared)


@pytest.mark.parametrize("declared", ["2024-03-10 12:00:00.0000001", "2024-03-10T12:00:00.123456789Z"])
def test_a_declared_time_has_six_decimals_at_most(declared: str) -> None:
    with pytest.raises(ValueError, match="more than six decimals"):
        parse_day_time(declared)
    with pytest.raises(ValueError, match="more than six decimals"):
        parse_clock_time(declared.rstrip("Z")[11:])


def test_a_clock_time_must_be_text() -> None:
    assert parse_clock_time("08:30") == time(8, 30)
    for declared in (630, "25:00", "08:30+01:00"):
        with pytest.raises(ValueError):
            parse_clock_time(declared)


@given(st.lists(st.datetimes(), min_size=1), st.datetimes())
def test_microseconds_keep_every_difference(times: list[datetime], bound: datetime) -> None:
    frame = pd.DataFrame({"at": pd.Series([*times, None], dtype="datetime64[us]")})
    converted, (rule,) = with_comparable_times(frame, [make_rule(column="at", max_value=bound)])
    numbers = converted[rule.kwargs["column"]].tolist()
    assert numbers == [*((each - EPOCH) // MICROSECOND for each in times), None]
    assert [number <= rule.kwargs["max_value"] for number in numbers[:-1]] == [each <= bound for each in times]


def test_a_column_with_a_time_zone_is_compared_in_utc() -> None:
    aware = pd.Series([datetime(2024, 3, 10, 12, tzinfo=UTC)]).dt.tz_convert("Europe/Berlin")
    converted, (rule,) = with_comparable_times(
        pd.DataFrame({"at": aware}), [make_rule(column="at", min_value="2024-03-10 12:00")]
    )
    assert converted[rule.kwargs["column"]].tolist() == [rule.kwargs["min_value"]]


def test_clock_times_become_durations_for_conditions_and_pairs() -> None:
    frame = pd.DataFrame({"opens": [time(8), None], "id": [1, 2]})
    rule = make_rule("expect_column_values_to_be_in_set", column="opens", value_set=["08:00"])
    converted, (in_set, other) = with_comparable_times(frame, [rule, make_rule(column="id", min_value=0)])
    assert converted["opens"].tolist()[0] == pd.Timedelta(hours=8)
    assert converted[in_set.kwargs["column"]].tolist() == [in_set.kwargs["value_set"][0], None]
    assert other.kwargs == {"column": "id", "min_value": 0}


def test_a_column_without_any_clock_time_is_compared_with_clock_times() -> None:
    frame = pd.DataFrame({"opens": pd.Series([None, None], dtype=object)})
    between = make_rule(column="opens", min_value="08:00", max_value="18:30")
    converted, (rule,) = with_comparable_times(frame, [between])
    assert converted[rule.kwargs["column"]].tolist() == [None, None]
    assert rule.kwargs["max_value"] - rule.kwargs["min_value"] == timedelta(hours=10.5) // MICROSECOND
    texts = make_rule("expect_column_values_to_be_in_set", column="opens", value_set=["a", "08:00"])
    assert with_comparable_times(frame, [texts])[1] == [texts]


def test_null_may_be_declared_as_a_member_of_a_set() -> None:
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-03-10", None]), "opens": [time(8), None]})
    for column, declared in (("day", "2024-03-10"), ("opens", "08:00")):
        in_set = make_rule("expect_column_values_to_be_in_set", column=column, value_set=[declared, None])
        converted, (rule,) = with_comparable_times(frame, [in_set])
        assert converted[rule.kwargs["column"]].tolist() == rule.kwargs["value_set"]


def test_pairs_with_dates_and_times_are_compared_with_declared_pairs() -> None:
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-03-10"]), "opens": [time(8)], "id": [7]})
    for first, second, pair in (("day", "id", ["2024-03-10", 7]), ("id", "opens", [7, "08:00"])):
        declared = make_rule(
            "expect_column_pair_values_to_be_in_set", column_A=first, column_B=second, value_pairs_set=[pair]
        )
        converted, (rule,) = with_comparable_times(frame, [declared])
        columns = [rule.kwargs["column_A"], rule.kwargs["column_B"]]
        assert converted[columns].to_numpy(object).tolist() == rule.kwargs["value_pairs_set"]


def test_a_bound_of_another_kind_is_an_error() -> None:
    frame = pd.DataFrame({"day": pd.to_datetime(["2024-03-10"])})
    with pytest.raises(ValueError, match="630 is neither a date nor a time"):
        with_comparable_times(frame, [make_rule(column="day", min_value=630)])


@pytest.mark.parametrize("nanoseconds", [-1, 0, 1])
def test_nanoseconds_are_compared_with_a_bound(nanoseconds: int) -> None:
    column = pd.Series(pd.to_datetime([1_700_000_000_000_000_000 + nanoseconds, None]), dtype="datetime64[ns]")
    rule = make_rule(column="t", max_value="2023-11-14 22:13:20")
    frame, (comparable,) = with_comparable_times(pd.DataFrame({"t": column}), [rule])
    number = frame[comparable.kwargs["column"]].iloc[0]
    assert number - comparable.kwargs["max_value"] == nanoseconds
