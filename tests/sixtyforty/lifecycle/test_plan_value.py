"""The value of a replay before and after an edit, and whether the gain stays significant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.lifecycle.plan_value import LIFT, PlannedFigure, compare_values
from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.lift import estimate_lift
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.unit_groups import GROUPS
from tests.accounted_home import KPI, make_daily_value
from tests.helpers import day_range, make_use_case

MONEY = st.integers(-500, 500).map(float)


@pytest.fixture
def kpi(tmp_path: Path) -> Kpi:
    return make_use_case(tmp_path, kpi=KPI).kpi


def days_that_gain(gains: Sequence[float], first: date = date(2013, 4, 29)) -> list[DailyValue]:
    keys = day_range(first, date.fromordinal(first.toordinal() + len(gains) - 1))
    return [make_daily_value(key, gain) for key, gain in zip(keys, gains, strict=True)]


def test_months_and_total_add_up(kpi: Kpi) -> None:
    now, unchanged, after = (days_that_gain([gain] * 4) for gain in (10.0, 4.0, 6.0))
    edit_value = compare_values(kpi, now, unchanged, after, {"2013-04-30": 3, "2013-05-01": 2})
    april, may = edit_value.periods
    assert (april.period, april.decisions, april.flips, april.now) == ("2013-04", 40, 3, 100.0)
    assert (may.period, may.flips, may.unchanged, may.after) == ("2013-05", 2, 88.0, 92.0)
    assert (edit_value.total.decisions, edit_value.total.flips) == (80, 5)
    assert (edit_value.total.now, edit_value.total.unchanged, edit_value.total.after) == (200.0, 176.0, 184.0)


def test_flips_are_worth_the_difference_under_the_edited_payoffs(kpi: Kpi) -> None:
    unchanged, after = days_that_gain([1.0] * 30), days_that_gain([1.0, 3.0] * 15)
    edit_value = compare_values(kpi, days_that_gain([9.0] * 30), unchanged, after, {})
    expected = estimate_lift([replace(day, candidates={"u": 41.0}) for day in after], "candidate u", block_days=1)
    assert edit_value.flips_per_1000 == RoundedInterval.of(expected)
    assert edit_value.flips_per_1000.value == 50.0
    assert not edit_value.flips_per_1000.contains_zero


def test_the_flips_of_units_that_recur_are_compared_by_groups(kpi: Kpi) -> None:
    unchanged, after = ([add_groups(day) for day in days_that_gain(gains)] for gains in ([1.0] * 30, [1.0, 3.0] * 15))
    flips = compare_values(kpi, unchanged, unchanged, after, {}).flips_per_1000
    plain = [replace(day, unit_groups=None) for day in unchanged]
    narrow = compare_values(kpi, plain, plain, days_that_gain([1.0, 3.0] * 15), {}).flips_per_1000
    assert flips.value == narrow.value
    assert (flips.problem, narrow.problem) == ("", "")
    assert flips.low is not None and narrow.low is not None and flips.low < narrow.low
    unknown = [replace(day, unit_groups={}) for day in unchanged]
    assert compare_values(kpi, unchanged, unknown, after, {}).flips_per_1000.low is None


def add_groups(day: DailyValue) -> DailyValue:
    """Return the day with groups of units, of which the first ten have all of its gain."""
    gain = (day.model - day.current_process) / 10
    groups = {
        "decisions": [day.decisions / GROUPS] * GROUPS,
        "model": [day.current_process / GROUPS + (gain if group < 10 else 0.0) for group in range(GROUPS)],
        "current_process": [day.current_process / GROUPS] * GROUPS,
        "candidate by_load": [day.candidates["by_load"] / GROUPS] * GROUPS,
    }
    return replace(day, unit_groups=groups)


def test_a_gain_that_was_proven_and_no_longer_is_loses_its_significance(kpi: Kpi) -> None:
    now, weak = days_that_gain([8.0, 12.0] * 15), days_that_gain([-9.0, 10.0] * 15)
    edit_value = compare_values(kpi, now, weak, weak, {})
    assert edit_value.lost == [LIFT, "gain over the candidate by_load"]
    assert compare_values(kpi, weak, weak, weak, {}).lost == [], "it was not proven before"
    assert compare_values(kpi, weak, now, now, {}).lost == []


def test_an_unknown_interval_is_not_significant() -> None:
    known, unknown = RoundedInterval(5.0, 1.0, 9.0), RoundedInterval(5.0, None, None)
    assert PlannedFigure(LIFT, known, unknown).loses_significance
    assert not PlannedFigure(LIFT, unknown, known).loses_significance


def test_without_today_s_payoffs_the_flips_have_no_value(kpi: Kpi) -> None:
    days = days_that_gain([5.0] * 4)
    edit_value = compare_values(kpi, days, [], days, {})
    assert (edit_value.total.unchanged, edit_value.flips_per_1000.value) == (None, None)


def test_a_new_candidate_has_no_earlier_value(kpi: Kpi) -> None:
    after = days_that_gain([5.0] * 4)
    now = [replace(day, candidates={}) for day in after]
    assert [figure.name for figure in compare_values(kpi, now, now, after, {}).figures] == [LIFT]


@given(st.lists(MONEY, min_size=8, max_size=60))
def test_an_edit_without_effect_changes_the_value_by_zero(gains: list[float]) -> None:
    days = days_that_gain(gains)
    kpi = Kpi(
        **{"name": "k", "currency": "EUR", "measurement": "exact", "outcome": "late", "outcome_name": "late"},
        unit_plural="calls",
        block_days=1,
        target=1,
        actions={"act": {"description": "act"}, "wait": {"description": "wait"}},
    )
    edit_value = compare_values(kpi, days, days, days, {})
    assert edit_value.flips_per_1000 == RoundedInterval(0.0, 0.0, 0.0)
    assert edit_value.total.now == edit_value.total.unchanged == edit_value.total.after
    assert edit_value.lost == []
