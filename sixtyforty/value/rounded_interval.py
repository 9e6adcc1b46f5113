"""Round an estimate and its confidence interval for pages and JSON, with None for an unknown number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sixtyforty.value.lift import Interval


@dataclass(frozen=True)
class RoundedInterval:
    """An estimate and the ends of its interval, rounded to two decimals. None means unknown.

    problem: see `Interval`.
    """

    value: float | None
    low: float | None
    high: float | None
    problem: str = field(default="", kw_only=True)

    @classmethod
    def of(cls, interval: Interval) -> RoundedInterval:
        """Round an estimate and its interval. NaN becomes None."""
        ends = (round_known(number) for number in (interval.value, interval.low, interval.high))
        return cls(*ends, problem=interval.problem)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> RoundedInterval:
        """Create an interval from the dict that `to_dict` returns."""
        return cls(fields["value"], fields["low"], fields["high"], problem=fields.get("problem", ""))

    def to_dict(self) -> dict[str, Any]:
        """Return the interval for JSON: `value`, `low`, `high` and `problem`."""
        return asdict(self)

    def to_interval(self) -> Interval:
        """Return the rounded estimate and its interval as an Interval, for further computing. None becomes NaN."""
        ends = (math.nan if number is None else number for number in (self.value, self.low, self.high))
        return Interval(*ends, problem=self.problem)

    @property
    def contains_zero(self) -> bool:
        """Whether the interval contains zero. An unknown interval counts as containing zero."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def round_known(number: float | None, digits: int = 2) -> float | None:
    """Round a number; None, NaN and infinity become None."""
    return None if number is None or not math.isfinite(number) else round(number, digits)
