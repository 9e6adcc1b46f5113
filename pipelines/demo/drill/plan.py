"""The plan of a drill: which days it lives, which extracts are late or broken, and when processes are killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipelines.demo import flights


@dataclass(frozen=True)
class Fault:
    """An extract that lands late, or broken and later corrected. Times are naive UTC.

    lands_at: None: at its usual time. corrupt: makes the broken content. corrected_at: when the correct content lands,
    under a name of its own.
    """

    description: str
    extract: str
    lands_at: datetime | None = None
    corrupt: Callable[[bytes], bytes] | None = None
    corrected_at: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """Days to live, the day that is lived hour by hour, the faults, and the times (naive UTC) of the kills."""

    days: list[date]
    hourly: date | None
    faults: list[Fault]
    daemon_kills: list[datetime]
    worker_kills: list[datetime]

    @property
    def start(self) -> datetime:
        """The start of the first day, naive UTC."""
        return midnight(self.days[0])

    def steps(self) -> Iterator[datetime]:
        """Yield the times (naive UTC) to which the clock moves.

        Every three hours, on the hourly day every hour, and last a time at which all partitions are closed.
        """
        for day in self.days:
            hours = [hour.replace(tzinfo=None) + flights.HOUR for hour in flights.hours_of(day)]
            yield from hours if day == self.hourly else hours[2::3]
        yield self.end

    @property
    def end(self) -> datetime:
        """The last time to which the clock moves, naive UTC."""
        return midnight(self.days[-1] + timedelta(days=1)) + timedelta(hours=2)

    def has_fault_in(self, source: str) -> bool:
        """Return whether any fault is in an extract of a source."""
        return any(fault.extract.startswith(source) for fault in self.faults)


def midnight(day: date) -> datetime:
    """Return the naive UTC time at which a local day starts."""
    return flights.hours_of(day)[0].replace(tzinfo=None)


def corrected_name(extract: str) -> str:
    """Return the name under which an extract's correct content lands."""
    return extract.replace(".csv", "_corrected.csv")


def june(day: int, hour: int) -> datetime:
    """Return a time of June 2013, naive UTC. Local clocks are four hours behind."""
    return datetime(2013, 6, day, hour)


def binary_garbage(content: bytes) -> bytes:
    """Return bytes that are no text, as a broken disk would."""
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
