"""The gain at a capacity equals a dispatcher's day by hand, in one portion or several."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.value import capacity
from sixtyforty.value.capacity import capacities
from sixtyforty.value.capacity_gains import gain_by_capacity
from sixtyforty.value.daily_value import DailyValue, sum_values
from tests.sixtyforty.value.kpis import TWO, day_worth

START = pd.Timestamp("2013-03-10 06:00")
UNIT = st.tuples(st.integers(0, 3), st.integers(0, 100), st.booleans(), st.booleans())


def make_rows(units: list[Any]) -> pd.DataFrame:
    """Return decisions to act: hour, expected outcome in percent, outcome, whether the current process acts."""
    rows = pd.DataFrame(units, columns=["hour", "percent", "outcome", "acts"]).sort_values("hour", kind="stable")
    return rows.assign(
        decided_at=START + pd.to_timedelta(rows["hour"], "h"),
        expected=rows["percent"] / 100,
        action="act",
        current_action=np.where(rows["acts"], "act", "wait"),
    ).reset_index(drop=True)


def value(rows: pd.DataFrame, size: int | None = None) -> DailyValue:
    size = size or len(rows)
    parts = [rows.iloc[n : n + size] for n in range(0, len(rows), size)]
    return reduce(add, (sum_values(TWO, p, p["outcome"].to_numpy(float)) for p in parts)).of_partition("2013-03-10")


def test_capacities_stay_below_the_peak() -> None:
    assert list(capacities(10)) == []
    assert list(capacities(709)) == [10, 25, 50, 100, 250, 500]


@given(st.lists(UNIT, min_size=1, max_size=12), st.integers(1, 12))
def test_a_capacity_serves_the_first_times_and_the_best_of_a_time(units: list[Any], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "STEPS", (1, 2, 5))
        rows = make_rows(units)
        day = value(rows, size)
    change = rows["outcome"] * 10.0 - 3.0
    in_order = rows.assign(change=change).sort_values(["hour", "percent"], ascending=[True, False], kind="stable")
    best = rows.assign(change=change).sort_values("percent", ascending=False, kind="stable")
    assert list(day.lost_above) == [str(k) for k in (1, 2, 5, 10) if k < len(rows)]
    for k, lost in day.lost_above.items():
        expected = [order["change"].iloc[int(k) :].sum() for order in (in_order, best)]
        assert lost == pytest.approx(expected)


def test_actions_of_the_current_process_come_first_and_stay() -> None:
    rows = make_rows([(0, 90, n < 9, True) for n in range(14)])
    rows.loc[5:, "expected"] = np.nan
    assert value(rows).lost_above == {"10": [7.0 * 4, 7.0 * 4]}
    assert value(rows.assign(expected=np.nan)).lost_above == {"10": [0.0, 0.0]}


def test_the_gain_by_capacity_names_the_peak_and_the_worst_day() -> None:
    busy = value(make_rows([(n % 4, n, n < 2, n < 8) for n in range(30)]))
    quiet = day_worth("2013-03-11", 10, 5.0, 0.0)
    gains = gain_by_capacity(TWO, "replay", [busy, quiet])
    assert gains
    assert gains.peak == 30
    assert (gains.worst_partition, gains.worst_gain) == ("2013-03-10", 22 * -3.0)
    assert [point.capacity for point in gains.points] == [10, 25]
    gain = busy.model - busy.current_process + 5.0
    lost = busy.lost_above["10"]
    assert gains.points[0].first_come.value == pytest.approx(1000 * (gain - lost[0]) / 40, abs=0.01)
    assert gains.points[0].best_of_day == pytest.approx(1000 * (gain - lost[1]) / 40, abs=0.01)
    assert gains.describe_worst(TWO, "day").startswith("The worst day was 10 March 2013: -")
    assert gain_by_capacity(TWO, "replay", []) is None


def test_days_whose_order_is_not_known_leave_out_the_capacities() -> None:
    days = [DailyValue("2013-03-10", 40, 9.0, 0.0, 0.0, 0.0, 30, 0, 0)]
    gains = gain_by_capacity(TWO, "replay", days)
    assert gains and (gains.peak, list(gains.points)) == (30, [])
