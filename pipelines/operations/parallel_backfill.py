"""Run the chain over a long range of days as many parallel runs, on the workers of a cluster.

The range is processed in waves, because features of later days read data of earlier days: first the sources, then
features and outcomes, then decisions and their value. A wave divides the partitions into parts that do not depend on
each other. Each part is a run, and a run whose worker dies is replaced. Training is not part of the backfill.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pipelines.operations.run import (
    RunFailedError,
    asset_key,
    list_refusals,
    open_partitions,
    raise_refusals,
    run_config,
)
from pipelines.settings import prepare_dagster_home
from sixtyforty.progress import Work, begin_work
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.partitions import chunks
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase

if TYPE_CHECKING:
    import dagster as dg

ATTEMPTS = 3
POLL_SECONDS = 0.5
IDLE_SECONDS = 120  # If no worker executes a run for this time, the waiting parts are launched again.
DECIDED = ("decisions", "delivery", "kpi_impact")


@dataclass(frozen=True)
class Wave:
    """Stages of a backfill that run together, after earlier waves have ended. `partitioned`: False for snapshots."""

    stages: tuple[str, ...]
    partitioned: bool


def waves(use_case: UseCase) -> Iterator[Wave]:
    """Yield the stages of a use case's chain in groups (waves), in the order in which they must run.

    A draft has only its sources.
    """
    kinds = ("raw", "validated")
    if use_case.snapshots:
        yield Wave(tuple(f"{kind}/{source}" for source in use_case.snapshots for kind in kinds), partitioned=False)
    yield Wave(tuple(f"{kind}/{source}" for source in use_case.partitioned for kind in kinds), partitioned=True)
    if isinstance(use_case, Draft):
        return
    yield Wave(("features", "outcomes"), partitioned=True)
    yield Wave(DECIDED, partitioned=True)


def run_in_parallel(
    use_case: str, first: date, last: date, partitions_per_run: int, track: Track = "replay", as_of: str | None = None
) -> list[str]:
    """Run the chain on the local days `first` to `last`, with `partitions_per_run` partitions per run.

    Return the ids of all runs. as_of: take the decisions that are due at or before this UTC time. None: now.
    Raises RunFailedError if ATTEMPTS runs of the same partitions failed, if a check stopped a stage, or if a day has no
    partition.
    """
    prepare_dagster_home()
    import dagster as dg

    from pipelines.authoring.catalog import load_use_case

    declaration = load_use_case(use_case)
    parts = chunks(open_partitions(declaration, first, last), partitions_per_run)
    run_ids: list[str] = []
    planned = [
        [BackfillPart(use_case, wave.stages, keys, track, as_of) for keys in (parts if wave.partitioned else [[]])]
        for wave in waves(declaration)
    ]
    count, effort = sum(map(len, planned)), sum(part.effort for wave_parts in planned for part in wave_parts)
    with (
        dg.DagsterInstance.get() as instance,
        begin_work(f"backfill {use_case}", "run", count, effort=effort) as work,
    ):
        for wave_parts in planned:
            run_ids += _run_wave(instance, wave_parts, work)
        refusals = list_refusals(instance, run_ids)
    raise_refusals("The runs", refusals)
    return run_ids


@dataclass
class BackfillPart:
    """A part of a backfill for one run: stages, partitions (empty for snapshots), and the ids of its runs so far."""

    use_case: str
    stages: Sequence[str]
    partitions: Sequence[str]
    track: Track
    as_of: str | None
    run_ids: list[str] = field(default_factory=list)

    @property
    def effort(self) -> int:
        """How much there is to do, compared with other parts: partitions times stages."""
        return max(1, len(self.partitions)) * len(self.stages)

    def launch(self, instance: dg.DagsterInstance) -> None:
        """Launch a new run of this part of the backfill on a worker of the cluster."""
        from pipelines.automation.run_requests import TRACK_TAG
        from pipelines.definitions import defs
        from pipelines.runtime.dagster_internals import code_origin, partition_range_tags, runs_of_code_location

        range_tags = partition_range_tags(self.partitions[0], self.partitions[-1]) if self.partitions else {}
        with runs_of_code_location(instance, self.use_case):
            run = instance.create_run_for_job(
                defs().resolve_job_def(self.use_case),
                run_config=run_config(self.track, self.as_of),
                asset_selection={asset_key(self.use_case, stage) for stage in self.stages},
                tags={TRACK_TAG: self.track, **range_tags},
                job_code_origin=code_origin("pipelines.definitions", "defs", self.use_case),
            )
        self.run_ids.append(run.run_id)
        instance.launch_run(run.run_id, workspace=None)  # type: ignore[arg-type]

    def is_done(self, instance: dg.DagsterInstance) -> bool:
        """Return whether the newest run of this part of the backfill succeeded.

        If that run failed or its worker died, launch another.
        """
        import dagster as dg

        from pipelines.runtime.dagster_internals import WorkerStatus

        run = self.newest_run(instance)
        if run.status == dg.DagsterRunStatus.SUCCESS:
            return True
        if instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND:
            instance.report_run_failed(run, f"The worker of run {self.run_ids[-1]} died.")
        elif not run.is_finished:
            return False
        self.retry(instance)
        return False

    def newest_run(self, instance: dg.DagsterInstance) -> dg.DagsterRun:
        """Return the newest run of this part of the backfill."""
        run = instance.get_run_by_id(self.run_ids[-1])
        if run is None:
            raise RunFailedError(f"Run {self.run_ids[-1]} was deleted during the backfill. Start the backfill again.")
        return run

    def retry(self, instance: dg.DagsterInstance) -> None:
        """Launch another run of this part of the backfill. Raises RunFailedError if ATTEMPTS runs have failed."""
        if len(self.run_ids) == ATTEMPTS:
            span = f"{self.partitions[0]} to {self.partitions[-1]}" if self.partitions else "snapshots"
            raise RunFailedError(
                f"{ATTEMPTS} runs of the stages {', '.join(self.stages)} failed ({span})."
                f" See the log of run {self.run_ids[-1]}."
            )
        self.launch(instance)

    def replace_waiting_run(self, instance: dg.DagsterInstance) -> None:
        """Mark the newest run, which no worker has started, as failed, and launch another run."""
        instance.report_run_failed(
            self.newest_run(instance), f"No worker started run {self.run_ids[-1]} in {IDLE_SECONDS} s."
        )
        self.retry(instance)


def _run_wave(instance: dg.DagsterInstance, parts: Sequence[BackfillPart], work: Work) -> list[str]:
    """Run the parts of a wave, and wait until all of them are done. Return the ids of their runs."""
    for part in parts:
        part.launch(instance)
    waiting, busy_at = list(parts), time.monotonic()
    while waiting := [part for part in waiting if not _is_counted(part, instance, work)]:
        if _any_running(instance, waiting):
            busy_at = time.monotonic()
        elif time.monotonic() > busy_at + IDLE_SECONDS:
            for part in waiting:
                part.replace_waiting_run(instance)
            busy_at = time.monotonic()
        _wait()
    return [run_id for part in parts for run_id in part.run_ids]


def _is_counted(part: BackfillPart, instance: dg.DagsterInstance, work: Work) -> bool:
    """Return whether a part is done, and count it then."""
    if not part.is_done(instance):
        return False
    work.advance(1, part.effort)
    return True


def _any_running(instance: dg.DagsterInstance, parts: Sequence[BackfillPart]) -> bool:
    import dagster as dg

    return any(part.newest_run(instance).status == dg.DagsterRunStatus.STARTED for part in parts)


def _wait() -> None:
    time.sleep(POLL_SECONDS)
