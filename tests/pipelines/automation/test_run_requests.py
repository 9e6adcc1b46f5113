"""Run requests: what a run does is left to it, what failed is tried again, and what is done stays done."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from pipelines.automation import run_requests
from pipelines.automation.run_requests import UNFINISHED, WORK_TAG, find_next_attempt, list_remaining_work
from sixtyforty.spec.clock import now
from sixtyforty.workspace import Workspace
from tests.helpers import land_days
from tests.pipelines.automation.conftest import DAYS
from tests.pipelines.automation.ticks import create_run, evaluate_sensor


@pytest.mark.parametrize("status", [s for s in UNFINISHED if s != dg.DagsterRunStatus.QUEUED])
def test_partitions_that_a_run_works_on_are_left_to_it(
    ws: Workspace, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    create_run(instance, evaluate_sensor(ws, instance, "new_data").request, status)
    tick = evaluate_sensor(ws, instance, "new_data")
    assert not tick.requests
    assert tick.skip_reason == "2013-03-05 to 2013-03-07: waits for the run that is processing these partitions"


def test_a_lost_tick_requests_the_same_work_with_the_same_key(ws: Workspace, instance: dg.DagsterInstance) -> None:
    """A daemon that is killed before it launches the run remembers nothing."""
    first = evaluate_sensor(ws, instance, "new_data").request
    second = evaluate_sensor(ws, instance, "new_data").request
    assert first.run_key == second.run_key


def test_a_failed_run_is_tried_again_after_a_pause_with_another_key(
    ws: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate_sensor(ws, instance, "new_data").request
    create_run(instance, first, dg.DagsterRunStatus.FAILURE)
    tick = evaluate_sensor(ws, instance, "new_data")
    assert not tick.requests
    assert "failed 1 time, next attempt in 1" in tick.skip_reason
    monkeypatch.setattr(run_requests, "FIRST_RETRY_SECONDS", 0)
    retry = evaluate_sensor(ws, instance, "new_data").request
    assert retry.run_key != first.run_key, "Dagster ignores a key that it has seen"
    assert retry.tags[WORK_TAG] == first.tags[WORK_TAG]


def test_the_pause_doubles_with_each_failure_up_to_an_hour(
    ws: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = evaluate_sensor(ws, instance, "new_data").request
    waits = []
    for _ in range(10):
        create_run(instance, request, dg.DagsterRunStatus.FAILURE)
        reason = find_next_attempt(instance, request.tags[WORK_TAG]).wait_reason or ""
        waits.append(int(reason.split()[-2]))
    assert waits == pytest.approx([15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600], abs=5)


def test_finished_work_is_not_requested_again_until_something_new_lands(
    ws: Workspace, instance: dg.DagsterInstance
) -> None:
    """A rejected day stays rejected until another extract lands."""
    assert list_remaining_work(ws, instance, now())
    create_run(instance, evaluate_sensor(ws, instance, "new_data").request, dg.DagsterRunStatus.SUCCESS)
    tick = evaluate_sensor(ws, instance, "new_data")
    assert not tick.requests
    assert "a run has completed this work" in tick.skip_reason
    assert list_remaining_work(ws, instance, now()) == []
    land_days(ws, [DAYS[-1] + timedelta(days=1)])
    assert evaluate_sensor(ws, instance, "new_data").requests
    assert list_remaining_work(ws, instance, now())
