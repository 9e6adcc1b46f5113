"""A long range as many runs at once, on the workers of a cluster.

The chain goes over the range in waves, as later days' features read earlier days' data: what has landed, then features
and outcomes, then decisions and what becomes of them. Within a wave portions of partitions don't depend on one another.
Each is a run; one whose worker dies is run again. The retrain isn't spread: it is one run of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from pipelines.operations.run import RunFailed, open_days
from pipelines.settings import prepare
from sixtyforty.spec.partitions import chunks
from sixtyforty.spec.use_case import UseCase

ATTEMPTS = 3
POLL = 0.5  # seconds
PATIENCE = 120  # seconds in which no worker is at anything, before what is left is given out again
DECIDED = ("decisions", "delivery", "kpi_impact")


def waves(case: UseCase) -> Iterator[tuple[list[str], bool]]:
    """The stages that go over the range together, in order, and whether they have partitions."""
    both = ("raw", "validated")
    if case.snapshots:
        yield [f"{step}/{s}" for s in case.snapshots for step in both], False
    yield [f"{step}/{s}" for s in case.partitioned for step in both], True
    yield ["features", "outcomes"], True
    yield [*DECIDED], True


def spread(
    use_case: str, first: date, last: date, size: int, track: str = "replay", as_of: str | None = None
) -> list[str]:
    """Runs the chain on the local days first to last, `size` partitions a run; returns the ids of all runs.

    Raises RunFailed naming a portion that failed ATTEMPTS times, or for days that have no partition.
    """
    prepare()
    import dagster as dg

    from pipelines.authoring.catalog import load

    case, clock = load(use_case), {"track": track} | ({"as_of": as_of} if as_of else {})
    portions, found = chunks(open_days(case, first, last), size), list[str]()
    with dg.DagsterInstance.get() as instance:
        for stages, parts in waves(case):
            work = [_Work(use_case, stages, portion, clock) for portion in (portions if parts else [[]])]
            found += _all_done(instance, work)
    return found


class _Work:
    """Stages to run on a portion of partitions (none: they have none), and the run that is at it."""

    def __init__(self, use_case: str, stages: Sequence[str], portion: list[str], clock: dict[str, str]) -> None:
        self.use_case, self.stages, self.portion, self.clock = use_case, stages, portion, clock
        self.runs: list[str] = []

    def launch(self, instance: Any) -> None:
        """Gives it to the workers as a new run."""
        import dagster as dg
        from dagster._core.definitions.reconstruct import ReconstructableRepository
        from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

        from pipelines.definitions import defs

        ends = (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
        days = dict(zip(ends, (self.portion[0], self.portion[-1]), strict=True)) if self.portion else {}
        code = ReconstructableRepository.for_module("pipelines.definitions", "defs")
        run = instance.create_run_for_job(
            defs().resolve_job_def(self.use_case),
            run_config={"resources": {"clock": {"config": self.clock}}, "loggers": {"console": {}}},
            asset_selection={dg.AssetKey([self.use_case, *s.split("/")]) for s in self.stages},
            tags={"sixtyforty/track": self.clock["track"], **days},
            job_code_origin=code.get_reconstructable_job(self.use_case).get_python_origin(),
        )
        self.runs.append(run.run_id)
        instance.launch_run(run.run_id, workspace=None)

    def done(self, instance: Any) -> bool:
        """Whether it is; a run that failed is followed by another, and one whose worker is gone has failed."""
        from dagster import DagsterRunStatus
        from dagster._core.launcher.base import WorkerStatus

        run = instance.get_run_by_id(self.runs[-1])
        if run.status == DagsterRunStatus.SUCCESS:
            return True
        if instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND:
            instance.report_run_failed(run, "The worker of this run died.")
        elif not run.is_finished:
            return False
        self.again(instance)
        return False

    def again(self, instance: Any) -> None:
        """Another run. Raises RunFailed after so many."""
        if len(self.runs) == ATTEMPTS:
            where = f"{self.portion[0]} to {self.portion[-1]}" if self.portion else "reference tables"
            raise RunFailed(f"{', '.join(self.stages)}, {where}: failed {ATTEMPTS} times, last in run {self.runs[-1]}")
        self.launch(instance)

    def abandon(self, instance: Any) -> None:
        """Gives up on a run that no worker has begun: whoever took it died before it could."""
        instance.report_run_failed(instance.get_run_by_id(self.runs[-1]), f"No worker began it in {PATIENCE} s.")
        self.again(instance)


def _all_done(instance: Any, work: Sequence[_Work]) -> list[str]:
    for one in work:
        one.launch(instance)
    left, busy = list(work), time.monotonic()
    while left := [one for one in left if not one.done(instance)]:
        if _running(instance, left):
            busy = time.monotonic()
        elif time.monotonic() > busy + PATIENCE:
            for one in left:
                one.abandon(instance)
            busy = time.monotonic()
        _wait()
    return [run_id for one in work for run_id in one.runs]


def _running(instance: Any, work: Sequence[_Work]) -> bool:
    from dagster import DagsterRunStatus

    return any(instance.get_run_by_id(one.runs[-1]).status == DagsterRunStatus.STARTED for one in work)


def _wait() -> None:
    time.sleep(POLL)
