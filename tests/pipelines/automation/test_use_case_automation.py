"""What a use case declares to run without a person, and that it is off at first."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pipelines.automation.use_case_automation import build_automation
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case


def names(definitions: dg.Definitions) -> set[str]:
    return {s.name for s in [*(definitions.sensors or []), *(definitions.schedules or [])]}


def test_sensors_are_off_and_the_schedule_is_in_local_time(ws: Workspace) -> None:
    definitions = build_automation(ws.use_case, 1)
    sensors = [sensor for sensor in definitions.sensors or () if isinstance(sensor, dg.SensorDefinition)]
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.STOPPED}
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.execution_timezone, schedule.default_status) == (
        "America/New_York",
        dg.DefaultScheduleStatus.STOPPED,
    )


def test_only_what_is_declared_exists(tmp_path: Path, ws: Workspace) -> None:
    plain = make_use_case(tmp_path / "plain", automation={"retrain_cron": None})
    assert names(build_automation(plain, 1)) == {"calls_in_time_new_data", "calls_in_time_retrain"}
    assert "calls_in_time_nightly" in names(build_automation(ws.use_case, 1))
    subscribed = make_use_case(
        tmp_path / "other", subscriptions=[{"role": "owner", "cadence": "weekly", "to": ["OWNER"]}]
    )
    assert "calls_in_time_digests" in names(build_automation(subscribed, 1))


@pytest.mark.parametrize(("use_cases", "new_data", "retrain"), [(1, 1, 30), (5, 1, 30), (6, 2, 30), (300, 60, 300)])
def test_the_sensors_of_many_use_cases_look_less_often_each(
    ws: Workspace, use_cases: int, new_data: int, retrain: int
) -> None:
    sensors = build_automation(ws.use_case, use_cases).sensors or ()
    intervals = {s.name: s.minimum_interval_seconds for s in sensors if isinstance(s, dg.SensorDefinition)}
    assert intervals["calls_in_time_new_data"] == new_data
    assert intervals["calls_in_time_retrain"] == retrain
