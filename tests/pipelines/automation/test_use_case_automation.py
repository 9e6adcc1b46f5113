"""What a use case declares to run without a person, and that it is off at first."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from pipelines.automation.use_case_automation import build_automation
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case


def names(definitions: dg.Definitions) -> set[str]:
    return {s.name for s in [*(definitions.sensors or []), *(definitions.schedules or [])]}


def test_sensors_are_off_and_the_schedule_is_in_local_time(ws: Workspace) -> None:
    definitions = build_automation(ws.use_case)
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
    assert names(build_automation(plain)) == {"calls_in_time_new_data", "calls_in_time_retrain"}
    assert "calls_in_time_nightly" in names(build_automation(ws.use_case))
    subscribed = make_use_case(
        tmp_path / "other", subscriptions=[{"role": "owner", "cadence": "weekly", "to": ["OWNER"]}]
    )
    assert "calls_in_time_digests" in names(build_automation(subscribed))
