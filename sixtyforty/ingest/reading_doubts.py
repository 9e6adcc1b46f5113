"""Say in words how else the texts of a column could be read, for the CHECK comments of a drafted declaration.

Each sentence counts the different texts that a reading applies to. It stands in a comment, so it is one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

FormCounts = tuple[
    tuple[str, int], ...
]  # forms of texts, each with a number of texts; the form of other texts is empty


def describe_forms(noun: str, forms: FormCounts) -> str:
    """Return a sentence on a column whose texts have several forms; empty without forms.

    noun: what the texts should be, such as `date`.
    """
    if not forms:
        return ""
    counted = [f"{count:,} {form}" for form, count in forms if form]
    others = [f"{count:,} not a {noun}" for form, count in forms if not form]
    return (
        f"no form reads all texts as {noun}s. Different texts: {', '.join([*counted, *others])}."
        " Ask the sender for one form"
    )


def describe_other_form(form: str, count: int, source_form: str) -> str:
    """Return a sentence on a column of numbers in another form than the numbers of other columns.

    form, source_form: the forms, as an example such as `1234,5`. count: the number of different texts.
    """
    return (
        f"{count:,} different texts are numbers like {form}, but other columns have numbers like {source_form}."
        " Ask the sender for one form"
    )


def describe_grouping(low: str, high: str, count: int) -> str:
    """Return a sentence on numbers whose points could group digits. low, high: two of the texts, such as `123.456`."""
    plain_low, plain_high = (text.replace(".", "") for text in (low, high))
    return (
        f"all {count:,} different texts have three digits after the point, so it may group digits. {low} to {high} are"
        f' then {plain_low} to {plain_high}. If so, declare `thousands: "."` and `decimal: ","` for the source'
    )


@dataclass(frozen=True)
class TimeUnit:
    """How a number counts time. origin: the UTC time of 0. per_day: the units in a day. sql: converts a column `{}`."""

    name: str
    origin: datetime
    per_day: float
    sql: str

    def number_of(self, day: date) -> float:
        """Return the number of the start of a day."""
        return (datetime.combine(day, datetime.min.time()) - self.origin).days * self.per_day

    def time_of(self, number: float) -> str:
        """Return the time of a number in ISO format, without the time of day at the start of a day."""
        time = self.origin + timedelta(days=number / self.per_day)
        return time.isoformat(" ", "seconds").removesuffix(" 00:00:00")


_EXCEL, _UNIX = datetime(1899, 12, 30), datetime(1970, 1, 1)
TIME_UNITS = (
    TimeUnit("days in Excel", _EXCEL, 1, "timestamp '1899-12-30' + to_microseconds(({}::double * 86400e6)::bigint)"),
    TimeUnit("Unix seconds", _UNIX, 86_400, "(to_timestamp({}::double) at time zone 'UTC')"),
    TimeUnit("Unix milliseconds", _UNIX, 86_400e3, "epoch_ms({}::bigint)"),
    TimeUnit("Unix microseconds", _UNIX, 86_400e6, "make_timestamp({}::bigint)"),
    TimeUnit("Unix nanoseconds", _UNIX, 86_400e9, "make_timestamp({}::bigint // 1000)"),
)


def describe_time_unit(unit: TimeUnit, column: str, counts: tuple[int, int], extremes: Sequence[float]) -> str:
    """Return a sentence on numbers that may be times.

    column: the SQL name. counts: the numbers of different numbers that are times of usual years, and of all. extremes:
    the smallest and the largest of these times, as numbers.
    """
    low, high = (f"{extreme:.15g}" for extreme in extremes)
    first, last = map(unit.time_of, extremes)
    of_all = "all" if counts[0] == counts[1] else f"{counts[0]:,} of"
    return (
        f"numbers, or times: {of_all} {counts[1]:,} different numbers may be {unit.name}. {low} to {high} are then"
        f" {first} to {last}. If so, read them in SQL with {unit.sql.format(column)}"
    )
