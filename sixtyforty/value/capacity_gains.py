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
from sixtyforty.value.daily_values import NumbersByKey, figures_by_day, gains_by_day, numbers_by_key
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
    gains, acted, lost = gains_by_day(days), figures_by_day(days, "acted"), numbers_by_key(days, "lost_above")
    peak, worst_gain = max(acted), min(gains)
    return CapacityGains(
        peak=peak,
        worst_partition=days[gains.index(worst_gain)].partition,
        worst_gain=round(worst_gain, 2),
        points=[_point(kpi, track, days, gains, lost, n) for n in capacities(peak)] if _is_ordered(acted, lost) else [],
    )


def _is_ordered(acted: Sequence[int], lost: NumbersByKey) -> bool:
    """Return whether the order of the actions is known on each day that has more actions than the least capacity."""
    import numpy as np

    needs_order = np.array(acted) > next(capacities(10**9))
    has_order = np.zeros(len(needs_order), bool)
    for of_capacity in lost.values():
        has_order |= ~np.isnan(of_capacity[:, 0])
    return bool(has_order[needs_order].all())


def _point(
    kpi: Kpi, track: Track, days: Sequence[DailyValue], gains: Sequence[float], lost: NumbersByKey, capacity: int
) -> CapacityPoint:
    import numpy as np

    nothing = np.zeros((len(days), 2))
    first_come, best = (np.array(gains)[:, None] - np.nan_to_num(lost.get(f"{capacity}", nothing))).T
    interval = measure_changed(kpi, track, days, first_come.tolist())
    best_per_1000 = 1000 * sum(best.tolist()) / sum(figures_by_day(days, "decisions"))
    return CapacityPoint(capacity, RoundedInterval.of(interval), round(best_per_1000, 2))
