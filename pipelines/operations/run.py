"""Running a range of partitions of a use case in this process, as one Dagster run that the UI shows."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import Any

from pipelines.settings import prepare, profile
from sixtyforty.spec.use_case import UseCase


class RunFailed(RuntimeError):
    """The run failed; its log says where."""


def run_range(
    use_case: str,
    first: date,
    last: date,
    as_of: str | None = None,
    track: str = "replay",
    select: list[str] | None = None,
) -> str:
    """Materializes the use case's chain, or the stages `select` names, over the local days first to last.

    Returns the run's id. Raises RunFailed with the failed step's error, or for days that have no partition.
    """
    prepare()
    import dagster as dg
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
    from dagster._core.utils import make_new_run_id

    from pipelines.authoring.catalog import load
    from pipelines.automation.housekeeping import reap
    from pipelines.definitions import defs

    days = open_days(load(use_case), first, last)
    clock: dict[str, Any] = {"track": track} | ({"as_of": as_of} if as_of else {})
    selection = [dg.AssetKey([use_case, *s.split("/")]) for s in select] if select else None
    run_id = make_new_run_id()
    with dg.DagsterInstance.get() as instance, _held(run_id):
        reap(instance)  # a run killed before would hold its place for ever
        result = (
            defs()
            .resolve_job_def(use_case)
            .execute_in_process(
                instance=instance,
                run_id=run_id,
                asset_selection=selection,
                run_config={"resources": {"clock": {"config": clock}}, "loggers": {"console": {}}},
                tags={
                    ASSET_PARTITION_RANGE_START_TAG: days[0],
                    ASSET_PARTITION_RANGE_END_TAG: days[-1],
                    "sixtyforty/track": track,
                },
                raise_on_error=False,
            )
        )
    return _ended(result)


def open_days(case: UseCase, first: date, last: date) -> list[str]:
    """The partitions of local days first to last. Raises RunFailed where there are none, or not yet."""
    from assets.stage import partitions_def

    days, there = case.holding(first, last), partitions_def(case)
    begin, end = there.get_first_partition_key(), there.get_last_partition_key()
    if not days or not begin or not end or days[0] < begin or days[-1] > end:
        raise RunFailed(f"{case.name} has partitions from {begin} to {end}: ask for days among them, the earlier first")
    return days


def run_across() -> str:
    """Materializes what stands across the use cases, from what their chains have left; returns the run's id.

    Raises RunFailed with the failed step's error.
    """
    prepare()
    import dagster as dg

    from pipelines.definitions import defs

    with dg.DagsterInstance.get() as instance:
        job = defs().resolve_job_def("across")
        return _ended(
            job.execute_in_process(instance=instance, run_config={"loggers": {"console": {}}}, raise_on_error=False)
        )


def _ended(result: Any) -> str:
    if not result.success:
        failed = [e for e in result.all_events if e.is_step_failure]
        why = "; ".join(f"{e.step_key}: {_cause(e)}" for e in failed)
        raise RunFailed(f"run {result.run_id} failed: {why or 'see its log in the UI'}")
    return str(result.run_id)


def _held(run_id: str) -> AbstractContextManager[object]:
    """In a cluster, the lock by which others see that the run lives."""
    if profile().name != "cluster":
        return nullcontext()
    from pipelines.runtime.cluster import held

    return held(run_id)


def _cause(event: Any) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error else "unknown"
