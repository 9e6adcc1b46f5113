"""Let rules judge dates and times exactly: Great Expectations gets them as numbers of microseconds or nanoseconds.

Great Expectations cuts a bound such as 2013-03-10 14:00 to its date, and refuses to compare a date with a time. Numbers
of microseconds compare exactly. A date stands for its midnight. A time without a UTC offset is read as UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
PAIR_SET = "expect_column_pair_values_to_be_in_set"
PAIR_COLUMNS = ("column_A", "column_B")
BOUNDS = ("min_value", "max_value")
EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


def parse_day_time(declared: Any) -> datetime:
    """Parse a declared date, or date and time, as a naive UTC time. Raises ValueError for anything else."""
    if isinstance(declared, str):
        _require_microseconds(declared)
        declared = datetime.fromisoformat(declared.strip())
    if isinstance(declared, datetime):
        return declared.astimezone(UTC).replace(tzinfo=None) if declared.tzinfo else declared
    if isinstance(declared, date):
        return datetime(declared.year, declared.month, declared.day)
    raise ValueError(f"{declared!r} is neither a date nor a time such as 2024-03-05 10:30")


def _require_microseconds(declared: str) -> None:
    """Raise ValueError for more than six decimals: Python would leave them out."""
    if re.search(r"[.,]\d{7}", declared):
        raise ValueError(f"{declared!r} has more than six decimals")


def parse_clock_time(declared: Any) -> time:
    """Parse a declared clock time such as `10:30`. Raises ValueError for anything else.

    YAML reads 10:30 without quotes as the number 630, so only text is accepted.
    """
    if isinstance(declared, str):
        _require_microseconds(declared)
        clock_time = time.fromisoformat(declared.strip())
        if clock_time.tzinfo is None:
            return clock_time
    raise ValueError(f"{declared!r} is not a clock time such as '10:30' in quotes")


def with_comparable_times(frame: pd.DataFrame, rules: Sequence[Rule]) -> tuple[pd.DataFrame, list[Rule]]:
    """Return a DataFrame and rules in which dates and times are whole numbers.

    Columns that no rule compares stay as they are. A column of clock times becomes one of durations since midnight, so
    that its values can be compared in conditions and with other columns. Raises ValueError if a rule compares dates or
    times with a value of another kind.
    """
    added: dict[str, pd.Series[Any]] = {}
    comparable = [_in_microseconds(rule, frame, added) for rule in rules]
    durations = {str(column): _durations(frame[column]) for column in frame if _is_clock_time(frame[column])}
    # Without their time zone, the times in UTC can be compared with those of a TIMESTAMP.
    naive = {str(c): frame[c].dt.tz_convert(None) for c in frame if getattr(frame[c].dtype, "tz", None) is not None}
    changed = durations | naive | added
    return frame.assign(**changed) if changed else frame, comparable


def _is_clock_time(column: pd.Series[Any]) -> bool:
    if column.dtype != object:
        return False
    known = column.dropna()
    return not known.empty and isinstance(known.iloc[0], time)


def _in_microseconds(rule: Rule, frame: pd.DataFrame, added: dict[str, pd.Series[Any]]) -> Rule:
    """Rewrite a rule to read columns of microseconds, and add these columns to `added`. Other rules stay unchanged."""
    names = PAIR_COLUMNS if rule.type == PAIR_SET else ("column",) if rule.type in ORDER_RULES else ()
    arguments = dict(rule.kwargs)
    for position, name in enumerate(names):
        column = arguments.get(name)
        convert = _converter(frame[column], arguments) if column in frame else None
        if convert is None:
            continue
        arguments[name] = f"{column} (number)"
        added.setdefault(arguments[name], _microseconds(frame[column]))
        arguments |= {bound: convert(arguments[bound]) for bound in BOUNDS if bound in arguments}
        if arguments.get("value_set") is not None:
            arguments["value_set"] = [convert(each) for each in arguments["value_set"]]
        if rule.type == PAIR_SET:
            pairs = [list(pair) for pair in arguments["value_pairs_set"]]
            for pair in pairs:
                pair[position] = convert(pair[position])
            arguments["value_pairs_set"] = pairs
    return rule.model_copy(update={"kwargs": arguments})


def _converter(column: pd.Series[Any], arguments: Mapping[str, Any]) -> Callable[[Any], int | None] | None:
    """Return the function that converts a rule's declared values to microseconds; None if the column has no times.

    A column without any value doesn't show whether it holds clock times, so the declared values decide.
    """
    if column.dtype.kind == "M":
        return _declared_day_nanoseconds if _has_nanoseconds(column) else _declared_day_microseconds
    is_empty = column.dtype == object and bool(column.isna().all())
    is_clock_time = _declares_clock_times(arguments) if is_empty else _is_clock_time(column)
    return _declared_clock_microseconds if is_clock_time else None


def _declares_clock_times(arguments: Mapping[str, Any]) -> bool:
    declared = [*(arguments.get(bound) for bound in BOUNDS), *(arguments.get("value_set") or ())]
    try:
        clock_times = [parse_clock_time(each) for each in declared if each is not None]
    except ValueError:
        return False
    return bool(clock_times)


def _declared_day_microseconds(declared: Any) -> int | None:
    return None if declared is None else (parse_day_time(declared) - EPOCH) // MICROSECOND


def _declared_day_nanoseconds(declared: Any) -> int | None:
    microseconds = _declared_day_microseconds(declared)
    return None if microseconds is None else microseconds * 1000


def _has_nanoseconds(column: pd.Series[Any]) -> bool:
    return str(column.dtype).startswith("datetime64[ns")


def _declared_clock_microseconds(declared: Any) -> int | None:
    return None if declared is None else _clock_microseconds(parse_clock_time(declared))


def _microseconds(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of dates or times as Python integers: microseconds since 1970 or, for clock times, midnight.

    For a column of nanoseconds, they are nanoseconds.
    """
    import pandas as pd

    if column.dtype.kind == "M":
        utc = column.dt.tz_convert(None) if isinstance(column.dtype, pd.DatetimeTZDtype) else column
        exact = utc if _has_nanoseconds(column) else utc.astype("datetime64[us]")
        numbers = exact.astype("int64").astype(object)
    else:
        numbers = column.map(_clock_microseconds, na_action="ignore").astype(object)
    return numbers.where(column.notna(), None)


def _durations(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.to_timedelta(_microseconds(column), unit="us")


def _clock_microseconds(clock_time: time) -> int:
    since_midnight = datetime.combine(EPOCH.date(), clock_time.replace(tzinfo=None)) - EPOCH
    return since_midnight // MICROSECOND
