"""Record how many hours the runs of each use case took, before housekeeping deletes Dagster's records of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from assets.resources import ProjectHome
from sixtyforty.accounting import run_hours

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def record_run_hours(instance: dg.DagsterInstance, project_home: ProjectHome, use_cases: Sequence[str]) -> None:
    """Record in the home how long the runs of some use cases took. Add only runs that ended since the last call."""

    def finished_runs(after: float, until: float) -> Iterator[run_hours.FinishedRun]:
        """Yield the runs that ended between two times (seconds since 1970)."""
        since = datetime.fromtimestamp(after, UTC)
        for record in instance.get_run_records(dg.RunsFilter(statuses=FINISHED, updated_after=since)):
            use_case = _use_case_of(record.dagster_run)
            if use_case in use_cases and record.start_time and record.end_time and after < record.end_time <= until:
                yield run_hours.FinishedRun(use_case, record.start_time, record.end_time)

    run_hours.add_finished_runs(project_home.home, finished_runs, datetime.now(UTC).timestamp())


def _use_case_of(run: dg.DagsterRun) -> str:
    """Return the use case of a run: the job's name or, in a run of chosen assets, the first part of an asset key."""
    if run.job_name.startswith("__") and run.asset_selection:
        return min(run.asset_selection).path[0]
    return run.job_name
