"""Run Dagster's daemon, or write its records, with private Dagster names. See `dagster_internals` for all others.

Purpose: the drill of faults and the tests write what a daemon would have written, so that no daemon must run. If
Dagster moves these classes: run a daemon (`pipelines/demo/drill/home.py`) instead.
"""

from __future__ import annotations

import dagster as dg
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
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo


def run_daemon_command() -> None:
    """Run `dagster-daemon` with the arguments of this process. If Dagster moves its function: start the program."""
    from dagster._daemon.cli import main

    main()


def run_dagster_command() -> None:
    """Run `dagster` with the arguments of this process. If Dagster moves its function: start the program."""
    from dagster._cli import main

    main()


def record_heartbeats(instance: dg.DagsterInstance, at: float) -> None:
    """Record a heartbeat of each required daemon. `at`: seconds since 1970, UTC."""
    for kind in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, kind, None, None))


def running_sensor(name: str, **data: float) -> InstigatorState:
    """Return the state of a sensor that is switched on. data: fields of SensorInstigatorData, such as the last tick."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="x"), location_name="sixtyforty")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    settings = SensorInstigatorData(min_interval=30, **data)  # type: ignore[arg-type]
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, settings)


def running_schedule(name: str, start_timestamp: float) -> InstigatorState:
    """Return the state of a nightly schedule that is switched on."""
    settings = ScheduleInstigatorData("0 2 * * *", start_timestamp=start_timestamp)
    return InstigatorState(running_sensor(name).origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, settings)


def record_tick(
    instance: dg.DagsterInstance, state: InstigatorState, at: float, error: Exception | None = None
) -> None:
    """Record an evaluation of a sensor or schedule: skipped, or failed with an error. `at`: seconds since 1970."""
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            state.name,
            state.instigator_type,
            TickStatus.FAILURE if error else TickStatus.SKIPPED,
            at,
            selector_id=state.selector_id,
            error=as_stored(error),
        )
    )


def as_stored(error: BaseException | None) -> SerializableErrorInfo | None:
    """Return an error as Dagster stores it with a tick, with its causes."""
    if error is None:
        return None
    return SerializableErrorInfo(str(error), [], type(error).__name__, as_stored(error.__cause__))
