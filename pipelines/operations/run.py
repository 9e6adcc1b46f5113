"""Run the chain on a range of partitions in this process, as one Dagster run that Dagster's pages show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.runtime.interruption import report_interruption
from pipelines.runtime.stored_errors import OWN_MODULES, find_cause
from pipelines.settings import load_settings, prepare_dagster_home
from sixtyforty.spec.errors import SixtyfortyError, closest_match
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase

if TYPE_CHECKING:
    import dagster as dg

CONSOLE: dict[str, Any] = {"console": {}}
NO_RETRY = {"dagster/max_retries": "0"}  # The daemon can't start a run of another process again.


class RunFailedError(SixtyfortyError):
    """A run failed or cannot start, or a check stopped a stage. The message names the stages and the reasons."""


def run_range(
    use_case: str,
    first: date,
    last: date,
    as_of: str | None = None,
    track: Track = "replay",
    select: list[str] | None = None,
    rebuild_replay: bool = False,
) -> str:
    """Run the stages of a use case on the local days `first` to `last` in one run. Return the run's id.

    as_of: take the decisions that are due at or before this UTC time. None: now.
    select: stages to run, such as "raw/weather", which must exist (see `require_stages`). None: all stages.
    rebuild_replay: recalculate the replay of these days with today's declaration.
    Raises RunFailedError if a stage fails, if a check stops a stage (for leakage, say), or if a day has no partition,
    and InterruptedRunError after SIGTERM or Ctrl-C.
    """
    prepare_dagster_home()
    import dagster as dg

    from pipelines.authoring.catalog import load_use_case
    from pipelines.automation.housekeeping import fail_dead_runs
    from pipelines.automation.run_requests import TRACK_TAG
    from pipelines.definitions import defs
    from pipelines.runtime.dagster_internals import new_run_id, partition_range_tags, runs_of_code_location
    from pipelines.runtime.launcher import name_process
    from pipelines.runtime.step_progress import follow_steps, seconds_of_similar_run

    declaration = load_use_case(use_case)
    partitions = open_partitions(declaration, first, last)
    run_id, job = new_run_id(), defs().resolve_job_def(use_case)
    advice = "Complete partitions are kept. Start the same command again to go on."
    with report_interruption(f"Run {run_id}", advice), dg.DagsterInstance.get() as instance, _run_lock(run_id):
        # A run that was killed earlier still occupies a slot in its concurrency pool, until it is marked as failed.
        fail_dead_runs(instance)
        name_process(run_id)
        stages = _stages_by_step(job, use_case, select)
        seconds = seconds_of_similar_run(instance, declaration, stages, len(partitions))
        with runs_of_code_location(instance, use_case), follow_steps(use_case, stages, seconds):
            run = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                asset_selection=[asset_key(use_case, stage) for stage in select] if select else None,
                run_config=run_config(track, as_of, partitions[0] if rebuild_replay else None),
                tags={**partition_range_tags(partitions[0], partitions[-1]), TRACK_TAG: track, **NO_RETRY},
                raise_on_error=False,
            )
        return _finished_run_id(run, list_refusals(instance, [run_id]))


def _stages_by_step(job: dg.JobDefinition, use_case: str, select: list[str] | None) -> dict[str, str]:
    """Return the names of the stages of a run by step key. select: the selected stages. None: all stages."""
    keys = job.asset_layer.selected_asset_keys if select is None else {asset_key(use_case, stage) for stage in select}
    return {key.to_python_identifier(): "/".join(key.path[1:]) for key in keys}


def require_stages(use_case: str, select: Sequence[str]) -> None:
    """Raise RunFailedError if a selected chain stage doesn't exist. The message suggests the closest name."""
    from pipelines.definitions import defs

    stages = ["/".join(key.path[1:]) for key in defs().resolve_job_def(use_case).asset_layer.selected_asset_keys]
    for stage in select:
        if stage not in stages:
            meant = closest_match(stage, stages)
            hint = f"Did you mean {meant}?" if meant else f"Its chain stages: {', '.join(sorted(stages))}."
            raise RunFailedError(f"{use_case} has no chain stage '{stage}'. {hint}")


def run_config(track: Track, as_of: str | None, rebuild_from: str | None = None) -> dict[str, Any]:
    """Return a run's Dagster configuration: track, logger, and the UTC time up to which the run takes due decisions.

    rebuild_from: first partition of the replay to recalculate. None: no partition is recalculated.
    """
    clock = {"track": track} | ({"as_of": as_of} if as_of else {})
    clock |= {"rebuild_replay_from": rebuild_from} if rebuild_from else {}
    return {"resources": {"clock": {"config": clock}}, "loggers": CONSOLE}


def asset_key(use_case: str, stage: str) -> dg.AssetKey:
    """Return the key of the asset of a use case's stage, such as "raw/weather"."""
    import dagster as dg

    return dg.AssetKey([use_case, *stage.split("/")])


def open_partitions(use_case: UseCase, first: date, last: date) -> list[str]:
    """Return the partitions that cover the local days `first` to `last`.

    Raises RunFailedError if a day is before the first partition, or after the last one that exists so far. Also raises
    it if `first` is after `last`.
    """
    from assets.wiring import partitions_definition

    partitions, definition = use_case.covering_days(first, last), partitions_definition(use_case)
    start, end = definition.get_first_partition_key(), definition.get_last_partition_key()
    if not partitions or not start or not end or partitions[0] < start or partitions[-1] > end:
        raise RunFailedError(
            f"{use_case.name} has partitions from {start} to {end}, you asked for {first} to {last}. "
            "Choose days in that range, the earlier one first."
        )
    return partitions


def run_portfolio() -> str:
    """Run the job that compares all use cases and writes the portfolio. Return the run's id.

    Raises RunFailedError with the error of the asset that failed.
    """
    prepare_dagster_home()
    import dagster as dg

    from pipelines.automation.portfolio_job import JOB_NAME
    from pipelines.definitions import defs
    from pipelines.runtime.dagster_internals import runs_of_code_location

    job = defs().resolve_job_def(JOB_NAME)
    with dg.DagsterInstance.get() as instance, runs_of_code_location(instance, JOB_NAME):
        run = job.execute_in_process(instance=instance, run_config={"loggers": CONSOLE}, raise_on_error=False)
    return _finished_run_id(run)


def _finished_run_id(run: dg.ExecuteInProcessResult, refusals: Sequence[str] = ()) -> str:
    if not run.success:
        failures = [event for event in run.all_events if event.is_step_failure]
        reasons = "; ".join(f"{event.step_key}: {_root_cause(event)}" for event in failures)
        raise RunFailedError(f"Run {run.run_id} failed: {reasons or 'see the page of the run in Dagster'}")
    raise_refusals(f"Run {run.run_id}", refusals)
    return str(run.run_id)


def raise_refusals(runs: str, refusals: Sequence[str]) -> None:
    """Raise RunFailedError with the reasons if checks stopped stages of some runs.

    runs: the subject of the message, such as `The runs`. refusals: see `list_refusals`.
    """
    if refusals:
        reasons = "\n  ".join(refusals)
        raise RunFailedError(f"{runs} finished, but checks stopped some stages:\n  {reasons}")


def list_refusals(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> list[str]:
    """Return a text for each reason why checks stopped stages of some runs. Each text names the stages and the reason.

    A list of tainted partitions that occurs in several reasons is shown only in the first of them.
    """
    import dagster as dg

    from assets.stage import REFUSED
    from sixtyforty.modeling.taint import shorten_repeats

    logs = (instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION) for run_id in run_ids)
    evaluations = [e.dagster_event.asset_check_evaluation_data for log in logs for e in log if e.dagster_event]
    failed = [evaluation for evaluation in evaluations if not evaluation.passed and REFUSED in evaluation.metadata]
    stages_by_reason: dict[str, set[str]] = {}
    for evaluation in failed:
        stages = stages_by_reason.setdefault(str(evaluation.metadata[REFUSED].value), set())
        stages.add("/".join(evaluation.asset_key.path[1:]))
    return shorten_repeats(
        sorted(f"{', '.join(sorted(names))}: {reason}" for reason, names in stages_by_reason.items())
    )


def _run_lock(run_id: str) -> AbstractContextManager[object]:
    """Return the lock that a run holds, so that other machines of a cluster see that the run is alive.

    Outside of a cluster, return a context that locks nothing.
    """
    if load_settings().profile != "cluster":
        return nullcontext()
    from pipelines.runtime.cluster import run_lock

    return run_lock(run_id)


def _root_cause(event: dg.DagsterEvent) -> str:
    error = find_cause(event.step_failure_data.error)
    if error is None:
        return "unknown"
    name, _, text = error.message.strip().partition(": ")
    return text if name.startswith(OWN_MODULES) and text else error.message.strip()
