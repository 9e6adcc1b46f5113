"""The plan of a drill: its steps, faults and kills."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from pipelines.demo.drill.plan import TWO_DAYS, WEEK, Plan, binary_garbage, corrected_name, june, midnight


def test_the_clock_moves_every_three_hours_and_hourly_on_one_day() -> None:
    steps = list(WEEK.steps())
    assert steps == sorted(steps)
    by_day = {day: [s for s in steps if midnight(day) < s <= midnight(day + timedelta(1))] for day in WEEK.days}
    assert {len(times) for day, times in by_day.items() if day != WEEK.hourly} == {8}
    assert len(by_day[WEEK.hourly or date.min]) == 24
    assert steps[-1] == WEEK.end == midnight(date(2013, 6, 10)) + timedelta(hours=2)
    assert WEEK.start == midnight(date(2013, 6, 3)) == datetime(2013, 6, 3, 4)


@pytest.mark.parametrize("plan", [WEEK, TWO_DAYS])
def test_every_kill_and_late_extract_is_within_the_plan(plan: Plan) -> None:
    times = [*plan.daemon_kills, *plan.worker_kills]
    times += [time for fault in plan.faults for time in (fault.lands_at, fault.corrected_at) if time]
    assert times
    assert all(plan.start < time < plan.end for time in times)


def test_the_week_has_a_fault_in_each_daily_source() -> None:
    assert all(WEEK.has_fault_in(source) for source in ("movements", "timetable", "weather"))
    assert TWO_DAYS.has_fault_in("movements") and not TWO_DAYS.has_fault_in("timetable")


def test_garbage_is_no_text_and_its_correction_has_another_name() -> None:
    with pytest.raises(UnicodeDecodeError):
        binary_garbage(b"a,b\n1,2\n").decode()
    assert corrected_name("movements_2013-06-06T18Z.csv") == "movements_2013-06-06T18Z_corrected.csv"
    assert june(6, 19) == datetime(2013, 6, 6, 19)
