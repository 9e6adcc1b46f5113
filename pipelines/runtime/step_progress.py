"""Follow the steps of a run in this process, as progress of the command that runs it.

The steps of a chain take very different times. The time left is therefore estimated from the seconds of the steps in
an earlier run of about as many partitions. Without such a run, only the time left of the current step is estimated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import dagster as dg

from pipelines.runtime.dagster_internals import partition_range
from sixtyforty.progress import Work, begin_work
from sixtyforty.spec.use_case import UseCase

SEARCHED_RUNS = 20  # newest successful runs among which a similar one is looked for
SIMILAR_SIZE = 2  # a similar run has at most this many times as many partitions, and at least this part of them
ENDS = (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_SKIPPED)


@dataclass(frozen=True)
class _FollowedRun:
    """The work of a run, the names of its stages by step key, and the seconds of its steps in an earlier run."""

    work: Work
    stages: Mapping[str, str]
    seconds: Mapping[str, float]

    def count(self, event: dg.DagsterEvent) -> None:
        step = event.step_key or ""
        effort = self.seconds.get(step, 0.0) if self.seconds else 1.0
        if event.event_type == dg.DagsterEventType.STEP_START:
            self.work.enter(self.stages.get(step, step), effort)
        elif event.event_type in ENDS:
            self.work.advance(1, effort)


_followed: ContextVar[_FollowedRun | None] = ContextVar("followed_run", default=None)


@contextmanager
def follow_steps(use_case: str, stages: Mapping[str, str], seconds: Mapping[str, float]) -> Iterator[None]:
    """Show the steps of the run of a use case that starts in the `with` block as progress.

    stages: the name of each stage of the run, by step key. seconds: see `seconds_of_similar_run`.
    """
    effort = sum(seconds.values())
    with begin_work(f"run {use_case}", "step", len(stages), effort=effort, has_estimate=effort > 0) as work:
        token = _followed.set(_FollowedRun(work, stages, seconds))
        try:
            yield
        finally:
            _followed.reset(token)


def count_step(event: dg.DagsterEvent) -> None:
    """Count an event of a step, if this process follows the steps of its run."""
    followed = _followed.get()
    if followed is not None:
        followed.count(event)


def seconds_of_similar_run(
    instance: dg.DagsterInstance, use_case: UseCase, steps: Collection[str], partitions: int
) -> dict[str, float]:
    """Return the seconds of each step in the newest successful run of the same steps on about as many partitions.

    Empty if none of the newest runs is similar. steps: the keys of the steps. partitions: the number of partitions.
    """
    filters = dg.RunsFilter(job_name=use_case.name, statuses=[dg.DagsterRunStatus.SUCCESS])
    for run in instance.get_runs(filters, limit=SEARCHED_RUNS):
        ends = partition_range(run.tags)
        if ends is None or not _is_similar(partitions, len(use_case.covering_days(*map(use_case.first_day, ends)))):
            continue
        stats = instance.get_run_step_stats(run.run_id)
        seconds = {s.step_key: s.end_time - s.start_time for s in stats if s.start_time and s.end_time}
        if seconds.keys() == set(steps):
            return seconds
    return {}


def _is_similar(count: int, other_count: int) -> bool:
    return count <= SIMILAR_SIZE * other_count and other_count <= SIMILAR_SIZE * count
