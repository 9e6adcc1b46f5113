"""Evaluate the sensors and the schedule of a use case, as Dagster's daemon does."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
from dagster._core.test_utils import create_run_for_test

from assets.resources import ProjectHome
from pipelines.automation.use_case_automation import build_automation
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class Tick:
    """The runs that a sensor or schedule requested, why it requested none, and its next cursor."""

    requests: list[dg.RunRequest]
    skip_reason: str = ""
    cursor: str | None = None

    @property
    def request(self) -> dg.RunRequest:
        """The only request."""
        (request,) = self.requests
        return request


def home_of(ws: Workspace) -> ProjectHome:
    return ProjectHome(home=ws.home, database_url=ws.database_url, dvc_remote=str(ws.home / "remote"))


def evaluate_sensor(ws: Workspace, instance: dg.DagsterInstance | None, name: str, cursor: str | None = None) -> Tick:
    """Evaluate the sensor whose name ends so."""
    sensors = [s for s in build_automation(ws.use_case, 1).sensors or () if s.name.endswith(f"_{name}")]
    (sensor,) = sensors
    assert isinstance(sensor, dg.SensorDefinition)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"project_home": home_of(ws)})
    tick = sensor.evaluate_tick(context)
    return Tick(list(tick.run_requests or []), str(tick.skip_message or ""), tick.cursor)


def evaluate_schedule(ws: Workspace, instance: dg.DagsterInstance) -> Tick:
    """Evaluate the nightly training."""
    (schedule,) = build_automation(ws.use_case, 1).schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance=instance, resources={"project_home": home_of(ws)}))
    return Tick(list(tick.run_requests or []), str(tick.skip_message or ""))


def create_run(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """Create the requested run, with a status."""
    create_run_for_test(instance, job_name=request.job_name or "", tags=dict(request.tags), status=status)


def stages_of(request: dg.RunRequest) -> set[str]:
    """Return the stages that a request selects."""
    return {"/".join(key.path[1:]) for key in request.asset_selection or ()}
