"""Time partitions of a use case, and calculations with their keys, such as which partition contains a time.

A partition is named by its key, which is text. The key of a day, week or month is the ISO date of the local day on
which the partition starts. The key of an hour is the UTC time at which it starts, such as `2013-03-10T1400`. A local
time would be ambiguous: when daylight saving time ends, one hour occurs twice. Keys sort in the order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from sixtyforty.spec.base import DeclaredModel
from sixtyforty.spec.errors import FieldError

SNAPSHOT = "all"  # the partition key of a source without partitions: a reference table
HOUR_FORMAT = "%Y-%m-%dT%H%M"  # the format of the keys of hourly partitions
KEY = r"\d{4}-\d{2}-\d{2}(?:T\d{4})?"
HOUR = timedelta(hours=1)
DAYS_A_MONTH = 365.25 / 12


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class Partitions(DeclaredModel):
    """The use case's time partitions, in its own timezone."""

    every: Literal["hour", "day", "week", "month"] = Field(
        default="day",
        description="Length of a partition. Weeks start on the weekday of `start`, months on the first day.",
    )
    start: date = Field(description="The local day on which the first partition starts.")
    end: date | None = Field(
        default=None, description="A local day in the last partition. If left out, the use case has no end."
    )
    partitions_ahead: int = Field(
        default=2,
        description="Number of partitions, counted from the current one, that accept data before they end. With"
        " the number 2, these are the current and the next partition.",
    )

    closed_weekdays: list[Weekday] = Field(
        default_factory=list,
        description="Weekdays without units, such as [saturday, sunday]. A training window counts as"
        " complete even if it has no data of these days. Only for hourly and daily partitions.",
    )
    closed_days: list[date] = Field(
        default_factory=list, description="Other local days without units, such as public holidays."
    )

    @model_validator(mode="after")
    def _check_closed_days(self) -> Partitions:
        if self.every in ("week", "month"):
            for name in ("closed_weekdays", "closed_days"):
                if getattr(self, name):
                    raise FieldError(name, f"partitions of a {self.every} have no closed days; remove {name}")
        if len(set(self.closed_weekdays)) == len(WEEKDAYS):
            raise FieldError("closed_weekdays", "every weekday is closed; leave at least one weekday open")
        return self

    @model_validator(mode="after")
    def _check_order(self) -> Partitions:
        if self.every == "month" and self.start.day != 1:
            raise FieldError(
                "start",
                f"monthly partitions start on the first day of a month; write {self.start:%Y-%m}-01 instead of"
                f" {self.start}",
            )
        if self.end and self.end < self.start:
            raise FieldError(
                "end", f"partitions.end ({self.end}) is before partitions.start ({self.start}); correct one of them"
            )
        return self


def _require_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        similar = get_close_matches(name, available_timezones(), 3) or ["America/New_York", "Europe/Berlin", "UTC"]
        raise FieldError("", f"'{name}' is not an IANA timezone", name, similar) from None
    return name


class PartitionedModel(DeclaredModel):
    """Base of models with time partitions: their timezone, their partitions, and calculations with partition keys.

    All methods take and return partitions as keys (text). Every `datetime` is in UTC and naive.
    """

    timezone: Annotated[str, AfterValidator(_require_timezone)] = Field(
        description="IANA timezone of all local days and times, such as America/New_York."
    )
    partitions: Partitions = Field(description="The time partitions of the use case.")

    @cached_property
    def zone(self) -> ZoneInfo:
        """The timezone of the partitions."""
        return ZoneInfo(self.timezone)

    @property
    def _is_hourly(self) -> bool:
        return self.partitions.every == "hour"

    @cached_property
    def limits(self) -> tuple[str, str]:
        """The keys of the use case's first and last partition.

        Without a declared end, the second key is not a partition, but a text that sorts after all keys.
        """
        first, end = self.partition_of_day(self.partitions.start), self.partitions.end
        if end is None:
            return first, f"{date.max}T2359" if self._is_hourly else f"{date.max}"
        return first, self._last_partition_of_day(end)

    def day_start(self, day: date) -> datetime:
        """Return the UTC time at which a local day starts."""
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return local.astimezone(UTC).replace(tzinfo=None)

    def local_day(self, time: datetime) -> date:
        """Return the local day of a UTC time."""
        return time.replace(tzinfo=UTC).astimezone(self.zone).date()

    def partition_of_day(self, day: date) -> str:
        """Return the partition that contains the start of a local day."""
        match self.partitions.every:
            case "hour":
                return self.day_start(day).strftime(HOUR_FORMAT)
            case "week":
                return (day - timedelta(days=(day - self.partitions.start).days % 7)).isoformat()
            case "month":
                return day.replace(day=1).isoformat()
            case _:
                return day.isoformat()

    def _last_partition_of_day(self, day: date) -> str:
        if self._is_hourly:
            return self.shift(self.partition_of_day(day + timedelta(days=1)), -1)
        return self.partition_of_day(day)

    def partition_at(self, time: datetime) -> str:
        """Return the partition that contains a UTC time."""
        if self._is_hourly:
            minute_offset = self.day_start(self.partitions.start).minute
            return (time - timedelta(minutes=(time.minute - minute_offset) % 60)).strftime(HOUR_FORMAT)
        return self.partition_of_day(self.local_day(time))

    def first_day(self, partition: str) -> date:
        """Return the local day on which a partition starts."""
        return self.local_day(self.opens_at(partition)) if self._is_hourly else date.fromisoformat(partition)

    def is_on_closed_day(self, partition: str) -> bool:
        """Return whether a partition starts on a local day that is declared as closed, so no units are expected."""
        day, declared = self.first_day(partition), self.partitions
        return day in declared.closed_days or WEEKDAYS[day.weekday()] in declared.closed_weekdays

    def opens_at(self, partition: str) -> datetime:
        """Return the UTC time at which a partition starts."""
        if self._is_hourly:
            return datetime.strptime(partition, HOUR_FORMAT)
        return self.day_start(date.fromisoformat(partition))

    def closes_at(self, partition: str) -> datetime:
        """Return the UTC time at which a partition ends and the next partition starts."""
        return self.opens_at(self.shift(partition, 1))

    def shift(self, partition: str, by: int) -> str:
        """Return the partition that is `by` partitions after another partition, or before it if `by` is negative."""
        match self.partitions.every:
            case "hour":
                return (datetime.strptime(partition, HOUR_FORMAT) + by * HOUR).strftime(HOUR_FORMAT)
            case "month":
                year, month = divmod(self.index_of(partition) + by, 12)
                return date(year, month + 1, 1).isoformat()
            case every:
                return (date.fromisoformat(partition) + timedelta(days=by * (7 if every == "week" else 1))).isoformat()

    def index_of(self, partition: str) -> int:
        """Return the number of a partition; consecutive partitions have consecutive numbers."""
        match self.partitions.every:
            case "hour":
                return (datetime.strptime(partition, HOUR_FORMAT) - datetime.min) // HOUR
            case "week":
                return (date.fromisoformat(partition) - self.partitions.start).days // 7
            case "month":
                day = date.fromisoformat(partition)
                return day.year * 12 + day.month - 1
            case _:
                return date.fromisoformat(partition).toordinal()

    def partition_range(self, first: str, last: str) -> list[str]:
        """Return the partitions from `first` to `last`, both included; none if `last` is before `first`."""
        return [self.shift(first, n) for n in range(self.index_of(last) - self.index_of(first) + 1)]

    def widen(self, partitions: Sequence[str], before: int, after: int) -> list[str]:
        """Extend a range of partitions by `before` partitions before the earliest, and by `after` after the latest.

        partitions: at least one, in any order. Returns all partitions of the extended range, sorted by time.
        """
        return self.partition_range(self.shift(min(partitions), -before), self.shift(max(partitions), after))

    def starting_between(self, first: date, end: date) -> list[str]:
        """Return the partitions that start on the local days from `first` to `end`. The day `end` is excluded."""
        start, stop = self.partition_of_day(first), self.partition_of_day(end)
        if not self._is_hourly:
            start = start if date.fromisoformat(start) >= first else self.shift(start, 1)
            stop = stop if date.fromisoformat(stop) >= end else self.shift(stop, 1)
        return self.partition_range(start, self.shift(stop, -1))

    def covering_days(self, first: date, last: date) -> list[str]:
        """Return the partitions that contain some part of the local days from `first` to `last`, both included."""
        return self.partition_range(self.partition_of_day(first), self._last_partition_of_day(last))

    def partition_sql(self, time: str) -> str:
        """Return a SQL expression for the key of the partition that contains a time.

        time: a SQL expression for this time. In a use case with hourly partitions, it must be a UTC timestamp,
        otherwise a local date.
        """
        match self.partitions.every:
            case "hour":
                offset = f"to_minutes({self.day_start(self.partitions.start).minute})"
                return f"strftime(date_trunc('hour', ({time})::timestamp - {offset}) + {offset}, '{HOUR_FORMAT}')"
            case "week":
                days = f"date_diff('day', date '{self.partitions.start}', ({time})::date)"
                return f"(({time})::date - (({days} % 7 + 7) % 7)::int)::varchar"
            case "month":
                return f"date_trunc('month', ({time})::date)::date::varchar"
            case _:
                return f"({time})::date::varchar"


def chunks(partitions: Sequence[str], size: int = 184) -> list[list[str]]:
    """Sort partitions and split them into lists of at most `size`, so that a long range doesn't fill the memory."""
    ordered = sorted(partitions)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
