"""Round an estimate and its confidence interval for pages and JSON, with None for an unknown number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sixtyforty.value.lift import Interval


@dataclass(frozen=True)
class RoundedInterval:
    """An estimate and the ends of its confidence interval, rounded to two decimals. None means unknown."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, interval: Interval) -> RoundedInterval:
        """Round an estimate and its interval. NaN becomes None."""
        return cls(*(round_known(number) for number in (interval.value, interval.low, interval.high)))

    @classmethod
    def from_dict(cls, fields: Mapping[str, float | None]) -> RoundedInterval:
        """Create an interval from the dict that `to_dict` returns."""
        return cls(fields["value"], fields["low"], fields["high"])

    def to_dict(self) -> dict[str, float | None]:
        """Return the interval for JSON: `value`, `low`, `high`."""
        return asdict(self)

    def to_interval(self) -> Interval:
        """Return the rounded estimate and its interval as an Interval, for further computing. None becomes NaN."""
        return Interval(*(math.nan if number is None else number for number in (self.value, self.low, self.high)))

    @property
    def contains_zero(self) -> bool:
        """Whether the interval contains zero. An unknown interval counts as containing zero."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def round_known(number: float | None, digits: int = 2) -> float | None:
    """Round a number; None, NaN and infinity become None."""
    return None if number is None or not math.isfinite(number) else round(number, digits)
