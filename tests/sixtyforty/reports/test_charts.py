"""Charts: whatever the amounts, all of the picture is in it."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from pipelines.authoring import catalog
from sixtyforty.reports import charts
from sixtyforty.value.daily_value import DailyValue

KPI = catalog.load_use_case("flight_delays").kpi
UNKNOWN = math.nan


def gathered(most: float, coin: float = -1.0) -> list[DailyValue]:
    """Two days on which the model brings as much."""
    one = {"decisions": 2, "acted": 1, "differ": 1, "fallback": 0}
    money = {
        "model": most,
        "current_process": most / 3,
        "random_choice": coin * most / 2,
        "perfect_foresight": most * 2,
    }
    return [DailyValue(partition=f"2013-04-0{n}", **money, **one) for n in (1, 2)]


@pytest.mark.parametrize("most", [0.0, 3.0, 1.2e6, 2.4e9, 4.9e9, 7e11])
def test_no_amount_is_cut_off(most):
    picture = np.asarray(Image.open(io.BytesIO(charts.cumulative(KPI, gathered(most)))).convert("L"))
    edge = np.concatenate([picture[:, :2].ravel(), picture[:, -2:].ravel(), picture[-2:].ravel()])
    assert picture.min() < 100  # something is drawn
    assert edge.min() == 255


def test_what_nobody_knows_is_left_out():
    days = gathered(1000.0, coin=UNKNOWN)
    assert b"random choice" not in charts.cumulative(KPI, days, "svg")
    assert b"random choice" in charts.cumulative(KPI, gathered(1000.0), "svg")
