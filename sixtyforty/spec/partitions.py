"""A use case's time: its partitions, by their keys.

Of days, weeks and months the key is the ISO date of the local day they begin on; of hours it is the UTC moment they
begin at, `2013-03-10T1400`: a local clock shows one hour twice a year twice. Keys sort as time does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from sixtyforty.spec.base import DeclaredModel, FieldError

SNAPSHOT = "all"  # the partition key of what isn't partitioned: reference tables
HOURS = "%Y-%m-%dT%H%M"  # keys of hours
KEY = r"\d{4}-\d{2}-\d{2}(?:T\d{4})?"
HOUR = timedelta(hours=1)
DAYS_A_MONTH = 365.25 / 12


class Partitions(DeclaredModel):
    """The use case's time partitions, in its own timezone."""

    every: Literal["hour", "day", "week", "month"] = Field(
        default="day",
        description="The length of a partition. Weeks begin on the weekday of `start`, months on their first day.",
    )
    start: date = Field(description="The local day the first partition begins on.")
    end: date | None = Field(
        default=None, description="A local day of the last partition; none: the use case keeps running."
    )
    partitions_ahead: int = Field(default=2, description="Partitions open before their time, for what is known early.")

    @model_validator(mode="after")
    def _in_order(self) -> Partitions:
        if self.every == "month" and self.start.day != 1:
            raise FieldError("start", f"{self.start}: months begin on their first day: {self.start:%Y-%m}-01")
        if self.end and self.end < self.start:
            raise FieldError("end", f"{self.end} is before partitions.start {self.start}")
        return self


def _zoned(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        like = get_close_matches(name, available_timezones(), 3) or ["America/New_York", "Europe/Berlin", "UTC"]
        raise FieldError("", f"'{name}' is not an IANA timezone", name, like) from None
    return name


class PartitionedModel(DeclaredModel):
    """What has partitions in a timezone, and the arithmetic on their keys. All moments are UTC, naive."""

    timezone: Annotated[str, AfterValidator(_zoned)] = Field(description="IANA timezone of its partitions.")
    partitions: Partitions = Field(description="Its time partitions.")

    @cached_property
    def zone(self) -> ZoneInfo:
        """Timezone of the partitions."""
        return ZoneInfo(self.timezone)

    @cached_property
    def limits(self) -> tuple[str, str]:
        """The first and the last partition; of what keeps running, the last there can be."""
        first, end = self.partitions.start, self.partitions.end
        if end is None:
            return self.partition_of_day(first), f"{date.max}T2359" if self.partitions.every == "hour" else f"{date.max}"
        last = self.shift(self.partition_of_day(end + timedelta(days=1)), -1) if self.partitions.every == "hour" else self.partition_of_day(end)
        return self.partition_of_day(first), last

    def day_start(self, day: date) -> datetime:
        """The moment at which a local day begins."""
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return local.astimezone(UTC).replace(tzinfo=None)

    def local_day(self, moment: datetime) -> date:
        """The local day of a moment."""
        return moment.replace(tzinfo=UTC).astimezone(self.zone).date()

    def partition_of_day(self, day: date) -> str:
        """The partition that holds the beginning of a local day."""
        match self.partitions.every:
            case "hour":
                return self.day_start(day).strftime(HOURS)
            case "week":
                return (day - timedelta(days=(day - self.partitions.start).days % 7)).isoformat()
            case "month":
                return day.replace(day=1).isoformat()
            case _:
                return day.isoformat()

    def partition_at(self, moment: datetime) -> str:
        """The partition that holds a moment."""
        if self.partitions.every == "hour":
            past = self.day_start(self.partitions.start).minute
            return (moment - timedelta(minutes=(moment.minute - past) % 60)).strftime(HOURS)
        return self.partition_of_day(self.local_day(moment))

    def first_day(self, key: str) -> date:
        """The local day a partition begins on."""
        return self.local_day(self.opens_at(key)) if self.partitions.every == "hour" else date.fromisoformat(key)

    def opens_at(self, key: str) -> datetime:
        """The moment at which a partition begins."""
        if self.partitions.every == "hour":
            return datetime.strptime(key, HOURS)
        return self.day_start(date.fromisoformat(key))

    def closes_at(self, key: str) -> datetime:
        """The moment at which a partition is over: the next begins."""
        return self.opens_at(self.shift(key, 1))

    def shift(self, key: str, by: int) -> str:
        """The partition so many after another, or before it."""
        match self.partitions.every:
            case "hour":
                return (datetime.strptime(key, HOURS) + by * HOUR).strftime(HOURS)
            case "month":
                year, month = divmod(self.index_of(key) + by, 12)
                return date(year, month + 1, 1).isoformat()
            case every:
                return (date.fromisoformat(key) + timedelta(days=by * (7 if every == "week" else 1))).isoformat()

    def index_of(self, key: str) -> int:
        """Partitions counted from some fixed one on: neighbours differ by 1."""
        match self.partitions.every:
            case "hour":
                return (datetime.strptime(key, HOURS) - datetime.min) // HOUR
            case "week":
                return (date.fromisoformat(key) - self.partitions.start).days // 7
            case "month":
                day = date.fromisoformat(key)
                return day.year * 12 + day.month - 1
            case _:
                return date.fromisoformat(key).toordinal()

    def partition_range(self, first: str, last: str) -> list[str]:
        """The partitions from first to last, both included; none where the last is before the first."""
        return [self.shift(first, n) for n in range(self.index_of(last) - self.index_of(first) + 1)]

    def widen(self, keys: Sequence[str], before: int, after: int) -> list[str]:
        """The partitions from `before` ones ahead of the first to `after` ones past the last."""
        return self.partition_range(self.shift(min(keys), -before), self.shift(max(keys), after))

    def starting_between(self, first: date, end: date) -> list[str]:
        """The partitions that begin on the local days from `first` on, up to `end`, which is left out."""
        begin, stop = self.partition_of_day(first), self.partition_of_day(end)
        if self.partitions.every != "hour":
            begin = begin if date.fromisoformat(begin) >= first else self.shift(begin, 1)
            stop = stop if date.fromisoformat(stop) >= end else self.shift(stop, 1)
        return self.partition_range(begin, self.shift(stop, -1))

    def covering_days(self, first: date, last: date) -> list[str]:
        """The partitions that hold local days from first to last, both included."""
        after = last + timedelta(days=1)
        return self.partition_range(
            self.partition_of_day(first), self.shift(self.partition_of_day(after), -1) if self.partitions.every == "hour" else self.partition_of_day(last)
        )

    def partition_sql(self, moment: str) -> str:
        """SQL text of the key of the partition that holds a local date or, for hours, a UTC timestamp (both SQL)."""
        match self.partitions.every:
            case "hour":
                past = f"to_minutes({self.day_start(self.partitions.start).minute})"
                return f"strftime(date_trunc('hour', ({moment})::timestamp - {past}) + {past}, '{HOURS}')"
            case "week":
                days = f"date_diff('day', date '{self.partitions.start}', ({moment})::date)"
                return f"(({moment})::date - (({days} % 7 + 7) % 7)::int)::varchar"
            case "month":
                return f"date_trunc('month', ({moment})::date)::date::varchar"
            case _:
                return f"({moment})::date::varchar"


def chunks(partitions: Sequence[str], size: int = 184) -> list[list[str]]:
    """Partitions in runs of at most `size`, in order: what bounds the memory of a long range."""
    ordered = sorted(partitions)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
