"""Summarize how many actions the decisions need a day, and what the gain is if fewer can be taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_date
from sixtyforty.value.capacity import capacities
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.past_experiment import measure_changed
from sixtyforty.value.rounded_interval import RoundedInterval


@dataclass(frozen=True)
class CapacityPoint:
    """The gain per 1,000 decisions if at most `capacity` actions can be taken in a partition.

    `first_come`: in the order of decision times. `best_of_day`: for the best units of the partition, which nobody knows
    in advance if decisions are taken at several times (see `capacity.py`).
    """

    capacity: int
    first_come: RoundedInterval
    best_of_day: float

    def to_dict(self) -> dict[str, Any]:
        """Return the point for JSON."""
        return asdict(self) | {"first_come": self.first_come.to_dict()}


@dataclass(frozen=True)
class CapacityGains:
    """The gain if fewer actions can be taken in a partition, such as a day. Money is in the KPI's currency.

    - peak: the largest number of actions of a partition.
    - worst_partition, worst_gain: the partition with the smallest gain over the current process, and this gain.
    - points: the gain at some capacities below the peak; empty if the order of the actions isn't known.
    """

    peak: int
    worst_partition: str
    worst_gain: float
    points: Sequence[CapacityPoint]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self) | {"points": [point.to_dict() for point in self.points]}

    def describe_worst(self, kpi: Kpi, every: str) -> str:
        """Return a sentence on the partition with the smallest gain. every: its length, such as `day`."""
        gain = format_money(self.worst_gain, kpi.currency, signed=True)
        day = format_date(self.worst_partition)
        return f"The worst {every} was {day}: {gain} compared with the current process."


def gain_by_capacity(kpi: Kpi, track: Track, days: Sequence[DailyValue]) -> CapacityGains | None:
    """Return the gain if fewer actions can be taken, over partitions with known outcomes; None without any.

    A day on which actions can't be ordered, such as one of an earlier release, leaves out all capacities.

    days: sorted by partition. track: determines the intervals (see `measure_ratio`).
    """
    if not days:
        return None
    worst, peak = min(days, key=lambda day: day.model - day.current_process), max(day.acted for day in days)
    return CapacityGains(
        peak=peak,
        worst_partition=worst.partition,
        worst_gain=round(worst.model - worst.current_process, 2),
        points=[_point(kpi, track, days, capacity) for capacity in capacities(peak)] if _is_ordered(days) else [],
    )


def _is_ordered(days: Sequence[DailyValue]) -> bool:
    """Return whether the order of the actions is known on each day that has more actions than the least capacity."""
    least = next(capacities(10**9))
    return all(day.lost_above for day in days if day.acted > least)


def _point(kpi: Kpi, track: Track, days: Sequence[DailyValue], capacity: int) -> CapacityPoint:
    lost = [day.lost_above.get(str(capacity), [0.0, 0.0]) for day in days]
    gains = [day.model - day.current_process for day in days]
    first_come, best = ([gain - paid[n] for gain, paid in zip(gains, lost, strict=True)] for n in (0, 1))
    counts = [day.decisions for day in days]
    interval = measure_changed(kpi, track, days, first_come)
    return CapacityPoint(capacity, RoundedInterval.of(interval), round(1000 * sum(best) / sum(counts), 2))
