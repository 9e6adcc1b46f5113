"""The nightly training: once a night, never two at once, and only if there is something new."""

from __future__ import annotations

import dagster as dg

from pipelines.automation.run_requests import RETRAIN_STAGES
from sixtyforty.lifecycle.stage_steps import retire_use_case
from sixtyforty.spec.clock import now
from sixtyforty.workspace import Workspace
from tests.helpers import publish_days
from tests.pipelines.automation.conftest import DAYS
from tests.pipelines.automation.ticks import create_run, evaluate_schedule, stages_of


def test_a_night_trains_once_and_never_two_at_once(ws: Workspace, instance: dg.DagsterInstance) -> None:
    publish_days(ws, DAYS, count=20)
    request = evaluate_schedule(ws, instance).request
    assert stages_of(request) == set(RETRAIN_STAGES)
    again = evaluate_schedule(ws, instance).request
    assert again.run_key == request.run_key, "after several missed nights, one training is enough"
    create_run(instance, request, dg.DagsterRunStatus.STARTED)
    assert evaluate_schedule(ws, instance).skip_reason == "a training is running"


def test_a_night_without_data_to_learn_from_is_skipped(ws: Workspace, instance: dg.DagsterInstance) -> None:
    tick = evaluate_schedule(ws, instance)
    assert not tick.requests
    assert "no features with outcomes exist" in tick.skip_reason


def test_a_retired_use_case_is_not_trained(ws: Workspace, instance: dg.DagsterInstance) -> None:
    publish_days(ws, DAYS)
    assert evaluate_schedule(ws, instance).requests
    retire_use_case(ws, "Ada", "it is over", now())
    tick = evaluate_schedule(ws, instance)
    assert not tick.requests
    assert "retired" in tick.skip_reason
