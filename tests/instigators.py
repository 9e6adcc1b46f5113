"""Stored states of sensors, as Dagster's daemon stores them."""

from __future__ import annotations

from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin


def running_sensor(name: str, **data: float) -> InstigatorState:
    """Return the state of a sensor that is switched on. data: fields of SensorInstigatorData, such as the last tick."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="x"), location_name="sixtyforty")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    settings = SensorInstigatorData(min_interval=30, **data)  # type: ignore[arg-type]
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, settings)


def running_schedule(name: str, start_timestamp: float) -> InstigatorState:
    """Return the state of a nightly schedule that is switched on."""
    origin = running_sensor(name).origin
    settings = ScheduleInstigatorData("0 2 * * *", start_timestamp=start_timestamp)
    return InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, settings)
