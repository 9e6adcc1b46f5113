"""After the clock was set back, sensors go on at once, and no schedule starts twice."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._daemon.sensor import is_under_min_interval

from pipelines.runtime.clock_steps import without_future_ticks
from pipelines.runtime.dagster_internals_daemon import running_schedule, running_sensor
from pipelines.settings import prepare_dagster_home
from tests.homes import use_home

HOUR = 3600.0
SENSOR = SimpleNamespace(min_interval_seconds=30)


def test_a_sensor_is_evaluated_although_its_last_tick_lies_in_the_future(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, a sensor waited for as long as the clock was set back."""
    use_home(monkeypatch, tmp_path)
    prepare_dagster_home()
    future = time.time() + HOUR
    state = running_sensor("new_data", last_tick_timestamp=future, last_tick_start_timestamp=future)
    assert is_under_min_interval(state, SENSOR)  # type: ignore[arg-type]
    with dg.DagsterInstance.get() as instance:
        instance.add_instigator_state(state)
        (listed,) = instance.all_instigator_state()
        read = instance.get_instigator_state(state.instigator_origin_id, state.selector_id)
    assert read is not None
    for current in (listed, read):
        assert not is_under_min_interval(current, SENSOR)  # type: ignore[arg-type]
        assert current.name == "new_data"


def test_a_tick_of_just_now_still_counts() -> None:
    now = time.time()
    state = running_sensor("new_data", last_tick_timestamp=now)
    assert without_future_ticks(state, now) is state


def test_a_schedule_keeps_its_last_tick() -> None:
    schedule = running_schedule("nightly", time.time() + HOUR)
    assert without_future_ticks(schedule, time.time()) is schedule
