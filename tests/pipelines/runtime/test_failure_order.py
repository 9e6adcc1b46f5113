"""The daemon reads a run's failure only when the run is marked as failed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.runtime.failure_order import LONGEST_DELAY
from pipelines.settings import prepare_dagster_home
from tests.dagster_runs import idle_job
from tests.homes import use_home
from tests.postgres import Postgres

FAILURE = dg.DagsterEventType.RUN_FAILURE


@pytest.fixture(params=["embedded", "production"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's instance with the storage of a profile."""
    use_home(monkeypatch, tmp_path, postgres.database() if request.param == "production" else None)
    prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


def start_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Create a run that has started."""
    return instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTED)


def log_end(
    instance: dg.DagsterInstance, run: dg.DagsterRun, event_type: dg.DagsterEventType = FAILURE, age: float = 0.0
) -> None:
    """Do only the first of the two steps by which Dagster reports the end of a run: log it, but don't mark the run.

    age: how many seconds ago the run ended.
    """
    event = dg.DagsterEvent(event_type.value, run.job_name)
    instance.event_log_storage.store_event(
        dg.EventLogEntry(
            error_info=None,
            level=40,
            user_message="",
            run_id=run.run_id,
            timestamp=time.time() - age,
            job_name=run.job_name,
            dagster_event=event,
        )
    )


def ended_runs(instance: dg.DagsterInstance, event_type: dg.DagsterEventType = FAILURE) -> list[str]:
    """Return the ids of the runs whose failure (or other event) Dagster's daemon reads."""
    events = instance.event_log_storage.get_logs_for_all_runs_by_log_id(
        after_cursor=0, dagster_event_type={event_type}, limit=500
    )
    return [event.run_id for event in events.values()]


def test_a_failure_is_read_when_its_run_is_marked(instance: dg.DagsterInstance) -> None:
    early, unmarked, late = (start_run(instance) for _ in range(3))
    instance.report_run_failed(early)
    log_end(instance, unmarked)
    instance.report_run_failed(late)
    assert ended_runs(instance) == [early.run_id]  # The failure of `late` has to wait, or the cursor would pass it.
    instance.report_run_failed(unmarked)
    assert ended_runs(instance) == [early.run_id, unmarked.run_id, late.run_id, unmarked.run_id]


def test_a_process_that_ended_between_the_steps_does_not_hold_back_later_failures(
    instance: dg.DagsterInstance,
) -> None:
    unmarked, late = start_run(instance), start_run(instance)
    log_end(instance, unmarked, age=LONGEST_DELAY + 1)
    instance.report_run_failed(late)
    assert ended_runs(instance) == [unmarked.run_id, late.run_id]


def test_other_events_are_read_at_once(instance: dg.DagsterInstance) -> None:
    run = start_run(instance)
    log_end(instance, run, dg.DagsterEventType.RUN_SUCCESS)
    assert ended_runs(instance, dg.DagsterEventType.RUN_SUCCESS) == [run.run_id]
