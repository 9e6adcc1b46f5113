"""Let any gain count as proven, for tests of the chain whose histories are too short for the gate's statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval, estimate_lift, estimate_ratio


def prove_any_gain(patch: pytest.MonkeyPatch) -> None:
    """Replace the intervals of the gate by narrow ones, and its number of blocks by enough."""

    def narrow(estimate: Interval) -> Interval:
        return Interval(estimate.value, *sorted((estimate.value / 2, 1.5 * estimate.value)))

    def follow_lift(days: Sequence[DailyValue], **_: Any) -> Interval:
        return narrow(estimate_lift(days))

    def follow_ratio(partitions: Sequence[str], totals: Sequence[float], counts: Sequence[int], *_: Any) -> Interval:
        return narrow(estimate_ratio(partitions, totals, counts))

    patch.setattr("sixtyforty.modeling.gate.follow_lift", follow_lift)
    patch.setattr("sixtyforty.modeling.gate.follow_ratio", follow_ratio)
    patch.setattr("sixtyforty.modeling.gate.count_blocks", lambda *_: 1_000_000)
