"""Charts: every amount fits the picture, unknown lines are left out, and the words are plain."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sixtyforty.accounting.forecast import ChampionTerm
from sixtyforty.reports import charts
from sixtyforty.reports.charts import Chart
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import Interval
from tests.helpers import make_use_case
from tests.words import assert_plain

UNKNOWN = math.nan


@pytest.fixture(scope="module")
def kpi(tmp_path_factory: pytest.TempPathFactory):
    return make_use_case(tmp_path_factory.mktemp("use_case"), kpi={"currency": "USD"}).kpi


def make_days(amount: float, random_choice: float = -1.0) -> list[DailyValue]:
    """Return two days on which the decisions bring an amount."""
    counts = {"decisions": 2, "acted": 1, "differ": 1, "fallback": 0}
    money = {
        "model": amount,
        "current_process": amount / 3,
        "random_choice": random_choice * amount / 2,
        "perfect_foresight": amount * 2,
    }
    return [DailyValue(partition=f"2013-04-0{n}", **money, **counts) for n in (1, 2)]


@pytest.mark.parametrize("amount", [0.0, 3.0, 1.2e6, 2.4e8, 2.4e9, 4.9e9, 7e11])
def test_no_amount_is_cut_off(kpi, amount: float) -> None:
    picture = np.asarray(Image.open(io.BytesIO(charts.draw_cumulative_value(kpi, make_days(amount)))).convert("L"))
    edge = np.concatenate([picture[:, :2].ravel(), picture[:, -2:].ravel(), picture[-2:].ravel()])
    assert picture.min() < 100  # something is drawn
    assert edge.min() == 255


def test_an_unknown_line_is_left_out(kpi) -> None:
    days = make_days(1000.0, random_choice=UNKNOWN)
    assert b"random choice" not in charts.draw_cumulative_value(kpi, days, "svg")
    assert b"random choice" in charts.draw_cumulative_value(kpi, make_days(1000.0), "svg")


def test_a_clipped_axis_is_noted(kpi) -> None:
    note = b"The axis is clipped: perfect foresight leaves the chart."
    assert note in charts.draw_cumulative_value(kpi, make_days(1000.0), "svg")
    days = [replace(day, perfect_foresight=day.model) for day in make_days(1000.0)]
    assert b"The axis is clipped" not in charts.draw_cumulative_value(kpi, days, "svg")


def test_equal_figures_give_equal_bytes(kpi) -> None:
    first, second = (charts.draw_cumulative_value(kpi, make_days(10.0), "svg") for _ in range(2))
    assert first == second


def test_legends_and_axes_use_plain_terms(kpi) -> None:
    days = make_days(1000.0)
    value = charts.draw_cumulative_value(kpi, days, "svg").decode()
    for words in ("decisions taken: $2,000", "random choice: ", "USD, cumulative since 2013-04-01"):
        assert words in value
    gain = charts.draw_gain_by_period(kpi, days).decode()
    assert "Gain over the current process, USD" in gain
    forecast = Interval(900.0, 700.0, 1100.0)
    term = ChampionTerm("2013-04-01", 2, ["v1"], "2013-04-01", "2013-04-02", 4, forecast, 800.0)
    forecasts = charts.draw_forecasts(kpi, [term]).decode()
    for words in (
        "prediction interval",
        "forecast",
        "achieved",
        "target: $100",
        "In force since",
        "Gain, USD per 1,000 calls",
    ):
        assert words in forecasts
    for picture in (value, gain, forecasts):
        assert_plain(picture)
        assert not re.search(r'style|="#[0-9a-f]{6}"', picture)  # each color is one of the page's theme


def test_a_chart_is_described_to_people_who_cannot_see_it() -> None:
    chart = Chart(b"<svg>x</svg>", 'Gain "by day"')
    assert 'role="img" aria-label="Gain &quot;by day&quot;"' in chart.__html__()
