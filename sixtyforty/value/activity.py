"""Measure how many actions a way of deciding takes a day, a week or a month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sixtyforty.value.payoff_base import Floats


@dataclass(frozen=True)
class Activity:
    """The number of actions of one way of deciding. An amount counts as that many actions.

    mean, peak: the mean and the largest number in a period. peak_period: the first period with the largest number.
    """

    mean: float
    peak: float
    peak_period: str

    def to_dict(self) -> dict[str, Any]:
        """Return all fields for JSON, the mean with two decimals."""
        return asdict(self) | {"mean": round(self.mean, 2)}


def measure_activity(partitions: Sequence[str], acted: Floats) -> Activity:
    """Return the mean and the peak of the actions. The hours of a day are added up. acted: the actions by partition."""
    by_period: dict[str, float] = {}
    for partition, actions in zip(partitions, acted.tolist(), strict=True):
        by_period[partition[:10]] = by_period.get(partition[:10], 0) + actions
    peak_period = max(by_period, key=lambda period: by_period[period])
    peak = by_period[peak_period]
    return Activity(sum(by_period.values()) / len(by_period), int(peak) if peak.is_integer() else peak, peak_period)
