"""The plan of a drill: the days to simulate, the late or broken extracts, and the times at which to kill processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipelines.demo import flights


@dataclass(frozen=True)
class Fault:
    """An extract that lands late, or that lands broken and is corrected later. Times are naive UTC.

    lands_at: the landing time; None: the usual time. corrupt: the function that breaks the content.
    corrected_at: the time at which the correct content lands, under another file name.
    """

    description: str
    extract: str
    lands_at: datetime | None = None
    corrupt: Callable[[bytes], bytes] | None = None
    corrected_at: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """The local days to simulate, the faults, and the times (naive UTC) at which processes are killed.

    On the day `hourly`, the clock moves every hour; on the other days every three hours.
    """

    days: list[date]
    hourly: date | None
    faults: list[Fault]
    daemon_kills: list[datetime]
    worker_kills: list[datetime]

    @property
    def start(self) -> datetime:
        """The start of the plan's first local day, as naive UTC."""
        return midnight(self.days[0])

    def steps(self) -> Iterator[datetime]:
        """Yield the times (naive UTC) to which the drill sets its clock, one after the other.

        The clock moves every three hours, and every hour on the day `hourly`. At the last time, all partitions are
        closed.
        """
        for day in self.days:
            hours = [hour.replace(tzinfo=None) + flights.HOUR for hour in flights.hours_of(day)]
            yield from hours if day == self.hourly else hours[2::3]
        yield self.end

    @property
    def end(self) -> datetime:
        """The last time to which the drill sets its clock, as naive UTC: two hours after the end of the last day."""
        return midnight(self.days[-1] + timedelta(days=1)) + timedelta(hours=2)

    def has_fault_in(self, source: str) -> bool:
        """Return whether the plan has a fault in an extract of this source."""
        return any(fault.extract.startswith(source) for fault in self.faults)


def midnight(day: date) -> datetime:
    """Return the naive UTC time at which a local day starts."""
    return flights.hours_of(day)[0].replace(tzinfo=None)


def corrected_name(extract: str) -> str:
    """Return the file name under which the correction of an extract lands."""
    return extract.replace(".csv", "_corrected.csv")


def june(day: int, hour: int) -> datetime:
    """Return a time in June 2013 as naive UTC. The local time in New York is four hours earlier."""
    return datetime(2013, 6, day, hour)


def binary_garbage(content: bytes) -> bytes:
    """Return about as many bytes as `content` has, but none of them text, like a file from a broken disk."""
    return b"\x00\xff" * (len(content) // 2)


WEEK = Plan(
    days=[date(2013, 6, day) for day in range(3, 10)],
    hourly=date(2013, 6, 5),
    faults=[
        Fault("movements of one hour, five hours late", "movements_2013-06-04T16Z.csv", lands_at=june(4, 22)),
        Fault("the next day's timetable, at nine in the morning", "timetable_2013-06-07.csv", lands_at=june(7, 13)),
        Fault("weather of one hour, a day late", "weather_2013-06-06T12Z.csv", lands_at=june(7, 14)),
        Fault(
            "movements of one hour unreadable, corrected the next day",
            "movements_2013-06-06T18Z.csv",
            corrupt=binary_garbage,
            corrected_at=june(7, 15),
        ),
    ],
    daemon_kills=[june(4, 16), june(8, 13)],
    worker_kills=[june(6, 19)],
)
TWO_DAYS = Plan(
    days=[date(2013, 6, 3), date(2013, 6, 4)],
    hourly=None,
    faults=[fault for fault in WEEK.faults if "06-04" in fault.extract],
    daemon_kills=[june(3, 16)],
    worker_kills=[june(4, 13)],
)
