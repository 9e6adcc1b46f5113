"""Run a day's work as Dagster's daemon or its pages do, in a process of its own.

`python -P tests/launches.py sensor USE_CASE` executes what the sensor for new data requests, and prints its request.
`python -P tests/launches.py mutation REQUEST` sends the request to Dagster's GraphQL schema, and executes the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import WorkspaceLoadTarget

LAUNCH = """mutation Launch($params: ExecutionParams!) {
    launchRun(executionParams: $params) {
        __typename
        ... on LaunchRunSuccess { run { runId } }
        ... on Error { message }
    }
}"""
MODULE, LOCATION = "pipelines.definitions", "sixtyforty"


class ThisProcess(WorkspaceLoadTarget):
    """A workspace whose code this process loads, so that no code server has to start."""

    def create_origins(self) -> list[InProcessCodeLocationOrigin]:
        """Return the project's code location."""
        folder = str(Path.cwd())
        target = LoadableTargetOrigin(module_name=MODULE, attribute="defs", working_directory=folder)
        return [InProcessCodeLocationOrigin(target, location_name=LOCATION)]


def run_sensor(use_case: str) -> dict[str, Any]:
    """Evaluate the sensor, execute the only run that it requests, and return the request."""
    from pipelines.definitions import defs

    definitions = defs()
    with dg.DagsterInstance.get() as instance:
        sensor = definitions.resolve_sensor_def(f"{use_case}_new_data")
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources=definitions.resources))
        (request,) = tick.run_requests or ()
        run = definitions.resolve_job_def(use_case).execute_in_process(
            instance=instance,
            run_config=request.run_config,
            tags=request.tags,
            asset_selection=request.asset_selection,
        )
        assert run.success
    return {
        "use_case": use_case,
        "config": request.run_config,
        "tags": dict(request.tags),
        "stages": ["/".join(key.path[1:]) for key in request.asset_selection or ()],
    }


def run_mutation(request: dict[str, Any]) -> None:
    """Launch a run by the mutation of Dagster's pages, and execute it as the queue's daemon would."""
    from dagster._core.definitions.reconstruct import ReconstructableRepository
    from dagster._core.execution.api import execute_run
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster_graphql.cli import execute_query

    selector = {
        "repositoryLocationName": LOCATION,
        "repositoryName": "__repository__",
        "jobName": request["use_case"],
        "assetSelection": [{"path": [request["use_case"], *stage.split("/")]} for stage in request["stages"]],
    }
    tags = [{"key": key, "value": text} for key, text in request["tags"].items()]
    params = {"selector": selector, "runConfigData": request["config"], "executionMetadata": {"tags": tags}}
    with dg.DagsterInstance.get() as instance:
        with WorkspaceProcessContext(instance, ThisProcess()) as context:
            answer = execute_query(context, LAUNCH, {"params": params})
        launched = answer["data"]["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", answer
        queued = instance.get_run_by_id(launched["run"]["runId"])
        assert queued and queued.status == dg.DagsterRunStatus.QUEUED
        repository = ReconstructableRepository.for_module(MODULE, "defs", working_directory=str(Path.cwd()))
        job = repository.get_reconstructable_job(request["use_case"])
        execute_run(job, queued.with_status(dg.DagsterRunStatus.NOT_STARTED), instance, raise_on_error=True)


if __name__ == "__main__":
    way, argument = sys.argv[1:]
    if way == "sensor":
        print(json.dumps(run_sensor(argument)))
    else:
        run_mutation(json.loads(argument))
