"""Let rules judge dates and times: Great Expectations gets them as numbers of microseconds.

Great Expectations cuts a bound such as 2013-03-10 14:00 to its date, and refuses to compare a date with a time. Numbers
of microseconds compare exactly. A date stands for its midnight. A time without a UTC offset is read as UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from expectations.rules import Rule

if TYPE_CHECKING:
    import pandas as pd

# Rules that compare a column with declared values, or its values with each other.
ORDER_RULES = {
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_decreasing",
}
BOUNDS = ("min_value", "max_value")
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


def parse_day_time(declared: Any) -> datetime:
    """Return a declared date or time of a day as naive UTC time. Raises ValueError for anything else."""
    if isinstance(declared, str):
        declared = datetime.fromisoformat(declared.strip())
    if isinstance(declared, datetime):
        return declared.astimezone(UTC).replace(tzinfo=None) if declared.tzinfo else declared
    if isinstance(declared, date):
        return datetime(declared.year, declared.month, declared.day)
    raise ValueError(f"{declared!r} is neither a date nor a time of a day")


def parse_clock_time(declared: Any) -> time:
    """Return a declared clock time. Raises ValueError for anything else.

    YAML reads 10:30 without quotes as the number 630, so only text is accepted.
    """
    if isinstance(declared, str):
        clock_time = time.fromisoformat(declared.strip())
        if clock_time.tzinfo is None:
            return clock_time
    raise ValueError(f"{declared!r} is not a clock time")


def with_comparable_times(frame: pd.DataFrame, rules: Sequence[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules in which dates and times are numbers of microseconds.

    Columns that no rule compares stay as they are. A column of clock times becomes one of durations since midnight, so
    that its values can be compared in conditions and with other columns. Raises ValueError if a rule compares dates or
    times with a value of another kind.
    """
    added: dict[str, pd.Series[Any]] = {}
    comparable = []
    for rule in rules:
        column = rule.kwargs.get("column")
        if rule.type in ORDER_RULES and column in frame and _is_time(frame[column]):
            added.setdefault(f"{column} (microseconds)", _microseconds(frame[column]))
            rule = _in_microseconds(rule, _is_clock_time(frame[column]))
        comparable.append(rule)
    durations = {str(column): _durations(frame[column]) for column in frame if _is_clock_time(frame[column])}
    return frame.assign(**durations, **added) if durations or added else frame, comparable


def _is_time(column: pd.Series[Any]) -> bool:
    return column.dtype.kind == "M" or _is_clock_time(column)


def _is_clock_time(column: pd.Series[Any]) -> bool:
    if column.dtype != object:
        return False
    known = column.dropna()
    return not known.empty and isinstance(known.iloc[0], time)


def _in_microseconds(rule: Rule, is_clock_time: bool) -> Rule:
    arguments = rule.kwargs | {"column": f"{rule.kwargs['column']} (microseconds)"}

    def convert(declared: Any) -> int:
        if is_clock_time:
            return _clock_microseconds(parse_clock_time(declared))
        return (parse_day_time(declared) - EPOCH) // MICROSECOND

    for bound in BOUNDS:
        if arguments.get(bound) is not None:
            arguments[bound] = convert(arguments[bound])
    if arguments.get("value_set") is not None:
        arguments["value_set"] = [convert(each) for each in arguments["value_set"]]
    return rule.model_copy(update={"kwargs": arguments})


def _microseconds(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of dates or times as Python integers: microseconds since 1970 or, for clock times, midnight."""
    import pandas as pd

    if column.dtype.kind == "M":
        utc = column.dt.tz_convert(None) if isinstance(column.dtype, pd.DatetimeTZDtype) else column
        numbers = utc.astype("datetime64[us]").astype("int64").astype(object)
    else:
        numbers = column.map(_clock_microseconds, na_action="ignore").astype(object)
    return numbers.where(column.notna(), None)


def _durations(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.to_timedelta(_microseconds(column), unit="us")


def _clock_microseconds(clock_time: time) -> int:
    since_midnight = datetime.combine(EPOCH.date(), clock_time.replace(tzinfo=None)) - EPOCH
    return since_midnight // MICROSECOND
