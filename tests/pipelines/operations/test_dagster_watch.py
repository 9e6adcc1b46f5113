"""Alerts about Dagster: failed runs, silent or failing sensors and schedules, and a daemon without a heartbeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.tags import WILL_RETRY_TAG

from pipelines.authoring import catalog
from pipelines.operations.dagster_watch import (
    LONGEST_RETRY_DELAY,
    Automation,
    failed_runs,
    longest_pause,
    silent_automation,
)
from pipelines.runtime.dagster_internals_daemon import (
    record_heartbeats,
    record_tick,
    running_schedule,
    running_sensor,
)
from pipelines.runtime.dagster_internals_events import MARK_TAG
from pipelines.runtime.stored_errors import PROCESS_ENDED
from sixtyforty.storage.damaged_files import DamagedFileError

NOW = time.time()
HOUR = 3600
DAY = 24 * HOUR
USE_CASE = "flight_delays"
SENSOR, SCHEDULE = f"{USE_CASE}_new_data", f"{USE_CASE}_nightly"
DECLARED = Automation(frozenset({SENSOR, SCHEDULE}))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as test_instance:
        yield test_instance


def add_automation(
    instance: dg.DagsterInstance, name: str, last_tick: float, error: Exception | None = None, on: bool = True
) -> None:
    """Record a sensor (every 30 s) or the nightly schedule, with its last tick."""
    is_sensor = name != SCHEDULE
    state = running_sensor(name, last_tick_timestamp=last_tick) if is_sensor else running_schedule(name, last_tick)
    if not on:
        state = state.with_status(InstigatorStatus.STOPPED)
    instance.add_instigator_state(state)
    record_tick(instance, state, last_tick, error)


def add_tick(instance: dg.DagsterInstance, name: str, at: float, error: Exception | None = None) -> None:
    """Record a later tick of a sensor or schedule that is recorded already."""
    (state,) = [state for state in instance.all_instigator_state() if state.name == name]
    record_tick(instance, state, at, error)


def alert_texts(instance: dg.DagsterInstance, automation: Automation = DECLARED, now: float = NOW) -> dict[str, str]:
    """Return the texts of the alerts by subject."""
    alerts = silent_automation(instance, USE_CASE, now, automation, max_silent_intervals=5.0)
    return {alert.subject: alert.text for alert in alerts}


def fail_with_data() -> None:
    raise ValueError("Mrs Miller, 5 Elm Street")


def add_failed_run(
    instance: dg.DagsterInstance, job: str = USE_CASE, fail: Callable[[], None] = fail_with_data, **tags: str
) -> str:
    """Run a job whose step fails; return the run's id."""

    @dg.op(name="raw__weather")
    def broken() -> None:
        fail()

    @dg.job(name=job)
    def failing() -> None:
        broken()

    return failing.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


# Runs


def test_a_failed_run_is_described_by_step_and_partitions_without_data(instance: dg.DagsterInstance) -> None:
    tags = {"dagster/asset_partition_range_start": "2013-06-01", "dagster/asset_partition_range_end": "2013-06-02"}
    run_id = add_failed_run(instance, **tags)
    (alert,) = failed_runs(instance, USE_CASE, time.time())
    assert alert.subject == "flight_delays raw__weather (ValueError)"
    assert alert.text == (
        f"run {run_id[:8]} failed in raw__weather (ValueError), partitions 2013-06-01 to 2013-06-02."
        " The run's page in Dagster shows the error."
    )


def test_a_failed_run_names_the_cause_that_the_storage_found(instance: dg.DagsterInstance) -> None:
    """Once, the alert about a damaged file named only the step and the type of the error."""

    def fail() -> None:
        try:
            raise ValueError("Mrs Miller, 5 Elm Street")
        except ValueError as error:
            raise DamagedFileError("calls.parquet is missing. Put it back.") from error

    add_failed_run(instance, fail=fail)
    (alert,) = failed_runs(instance, USE_CASE, time.time())
    assert alert.text.endswith("failed in raw__weather (DamagedFileError). calls.parquet is missing. Put it back.")


def test_a_killed_run_says_that_its_process_ended(instance: dg.DagsterInstance) -> None:
    @dg.job(name=USE_CASE)
    def killed() -> None:
        pass

    run = instance.create_run_for_job(killed, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, f"{PROCESS_ENDED} {run.run_id} ended.")
    (alert,) = failed_runs(instance, USE_CASE, time.time())
    assert "Its process ended before the run had finished" in alert.text


def test_a_failed_run_of_the_command_line_is_an_alert_at_once(instance: dg.DagsterInstance) -> None:
    """Dagster marks it as one to retry, but its daemon can't start a run of another process again."""
    run_id = add_failed_run(instance, **{WILL_RETRY_TAG: "true"})
    assert [run_id[:8] in alert.text for alert in failed_runs(instance, USE_CASE, time.time())] == [True]


def test_one_cause_is_one_alert_and_a_later_success_resolves_it(instance: dg.DagsterInstance) -> None:
    tags = {"dagster/asset_partition_range_start": "2013-06-01", "dagster/asset_partition_range_end": "2013-06-02"}
    for _ in range(3):
        add_failed_run(instance, **tags)
    (alert,) = failed_runs(instance, USE_CASE, time.time())
    assert "3 runs failed for this cause." in alert.text
    add_run(instance, **tags | {"dagster/asset_partition_range_end": "2013-06-01"})
    assert len(failed_runs(instance, USE_CASE, time.time())) == 1  # it left out a partition
    add_run(instance, **tags | {"dagster/asset_partition_range_start": "2013-05-01"})
    assert failed_runs(instance, USE_CASE, time.time()) == []


def test_a_run_that_should_be_retried_and_is_not_is_an_alert(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = add_failed_run(instance, **{WILL_RETRY_TAG: "true"})
    monkeypatch.setattr(dg.DagsterRun, "remote_job_origin", "a code location", raising=False)
    assert failed_runs(instance, USE_CASE, time.time()) == []
    later = time.time() + LONGEST_RETRY_DELAY + 1
    assert [run_id[:8] in alert.text for alert in failed_runs(instance, USE_CASE, later)] == [True]
    instance.add_run_tags(run_id, {"dagster/auto_retry_run_id": "a retry"})
    assert failed_runs(instance, USE_CASE, later) == []


def test_a_run_that_is_retried_or_old_is_no_alert(instance: dg.DagsterInstance) -> None:
    retried = add_failed_run(instance, **{WILL_RETRY_TAG: "true"})
    instance.add_run_tags(retried, {"dagster/auto_retry_run_id": "a retry"})
    assert failed_runs(instance, USE_CASE, time.time()) == []
    add_failed_run(instance)
    assert failed_runs(instance, USE_CASE, time.time() + 8 * DAY) == []
    assert len(failed_runs(instance, USE_CASE, time.time())) == 1


def test_the_mark_of_a_rejected_partition_is_no_second_alert(instance: dg.DagsterInstance) -> None:
    add_failed_run(instance, **{MARK_TAG: "the run that rejected the partition"})
    assert failed_runs(instance, USE_CASE, time.time()) == []


def test_a_run_alerts_its_own_use_case_or_all(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "list_use_cases", lambda: [USE_CASE, "orders"])
    add_failed_run(instance)
    assert failed_runs(instance, "orders", time.time()) == []
    add_failed_run(instance, job="housekeeping")  # A job of no use case concerns all.
    assert len(failed_runs(instance, "orders", time.time())) == 1


def add_run(instance: dg.DagsterInstance, **tags: str) -> None:
    """Run a job that succeeds."""

    @dg.op
    def working() -> None:
        pass

    @dg.job(name=USE_CASE)
    def succeeding() -> None:
        working()

    succeeding.execute_in_process(instance=instance, tags=tags)


# Sensors, schedules and the daemon


def test_a_daemon_without_a_heartbeat_is_the_only_alert(instance: dg.DagsterInstance) -> None:
    add_automation(instance, SENSOR, NOW - HOUR)
    assert alert_texts(instance).keys() == {"daemon"}
    record_heartbeats(instance, NOW - HOUR)
    assert alert_texts(instance).keys() == {"daemon"}
    record_heartbeats(instance, NOW)
    assert alert_texts(instance).keys() == {SENSOR}


def test_a_silent_sensor_is_an_alert_unless_it_is_no_longer_declared(instance: dg.DagsterInstance) -> None:
    record_heartbeats(instance, NOW)
    add_automation(instance, SENSOR, NOW - 100)
    assert alert_texts(instance) == {}
    undeclared = f"{USE_CASE}_promotion"
    add_automation(instance, undeclared, NOW - 200)
    since = f"{datetime.fromtimestamp(NOW - 200, UTC):%Y-%m-%d %H:%M} UTC"
    assert alert_texts(instance, Automation(None)) == {undeclared: f"{undeclared} has been silent since {since}."}
    assert alert_texts(instance) == {}


def test_ticks_from_before_the_clock_was_set_back_hide_nothing(instance: dg.DagsterInstance) -> None:
    record_heartbeats(instance, NOW)
    add_automation(instance, SENSOR, NOW + HOUR)
    assert alert_texts(instance) == {}
    add_tick(instance, SENSOR, NOW - 10, RuntimeError("x"))
    assert "failed when it last ran (RuntimeError)" in alert_texts(instance)[SENSOR]


def test_a_failing_sensor_is_described_by_the_type_of_its_error_alone(instance: dg.DagsterInstance) -> None:
    record_heartbeats(instance, NOW)
    error = RuntimeError("while looking")
    error.__cause__ = PermissionError("Mrs Miller, 5 Elm Street")
    add_automation(instance, SENSOR, NOW, error)
    assert alert_texts(instance) == {
        SENSOR: f"{SENSOR} failed when it last ran (PermissionError). Its page in Dagster shows the error."
    }


def test_a_sensor_that_is_switched_off_is_no_alert(instance: dg.DagsterInstance) -> None:
    record_heartbeats(instance, NOW)
    add_automation(instance, SENSOR, NOW - HOUR, on=False)
    assert alert_texts(instance) == {}


def test_a_schedule_is_an_alert_after_more_than_its_pause(instance: dg.DagsterInstance) -> None:
    record_heartbeats(instance, NOW)
    add_automation(instance, SCHEDULE, NOW - 26 * HOUR)
    assert alert_texts(instance) == {}
    record_heartbeats(instance, NOW + 5 * HOUR)
    assert list(alert_texts(instance, now=NOW + 5 * HOUR)) == [SCHEDULE]


def test_the_longest_pause_covers_weekends_and_the_shortest_of_several_lines() -> None:
    assert longest_pause("0 * * * *", NOW) == pytest.approx(1.25 * HOUR + 120)
    assert longest_pause("0 2 * * 1-5", NOW) == pytest.approx(1.25 * 72 * HOUR + 120)
    assert longest_pause(["0 2 * * *", "0 14 * * *"], NOW) == pytest.approx(1.25 * DAY + 120)


def test_the_declared_automation_is_read_from_the_definitions() -> None:
    declared = Automation.declared().names
    assert declared is not None and {SENSOR, SCHEDULE} <= declared
