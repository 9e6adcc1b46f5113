"""Stages with gates, and days that gain or lose, for tests of what follows from them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sixtyforty.value.daily_value import DailyValue
from tests.helpers import day_range

GATE: dict[str, Any] = {"target": 500, "minimum_gain": 100, "stop_date": "2013-07-01"}
STAGES: dict[str, Any] = {
    "stages": {
        "idea_date": "2012-12-01",
        "poc": GATE,
        "pilot": GATE | {"scope": {"site": "north"}},
        "production": GATE | {"stop_date": "2015-07-01"},
    }
}
GOOD, NULL, BAD = 20.0, 0.0, -20.0  # gain of a day of 20 decisions


def make_days(gain: float, first: date = date(2013, 4, 1), count: int = 80) -> list[DailyValue]:
    """Return days of 20 decisions that gain about so much; no two neighbours are equal."""
    keys = day_range(first, first + timedelta(days=count - 1))
    return [
        DailyValue(key, 20, 40.0 + gain + (i * 7 % 11 - 5), 40.0, 10.0, 90.0, 6, 4, 1) for i, key in enumerate(keys)
    ]
