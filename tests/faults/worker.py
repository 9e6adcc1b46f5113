"""Processes that fail: they run the small use case's chain, and are killed in a stage that the test chooses.

They are forked from a server that has imported the heavy libraries and the project, so each starts at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case
from tests.quick_charts import use_quick_charts
from tests.quick_proof import prove_any_gain

if TYPE_CHECKING:
    import dagster as dg

    from assets.stage import Stage, StageResult, StageRun

PRELOADED = [
    "dagster",
    "great_expectations",
    "dvc.repo",
    "sklearn.ensemble",
    "skops.io",
    "scipy.stats",
    "duckdb",
    "pandas",
    "pyarrow.parquet",
    "pyarrow.csv",
    "sqlalchemy",
    "jinja2",
    "matplotlib.figure",
    "matplotlib.text",
    "pipelines.component",
    "tests.faults.worker",
]
CHANGES = {"partitions": {"start": "2013-03-15", "end": "2013-04-30"}, "model": {"params": {"max_iter": 50}}}
SUITES = {
    "calls": "{type: expect_column_values_to_not_be_null, severity: critical, kwargs: {column: site}, why: no site}",
    "visits": "{type: expect_column_values_to_not_be_null, severity: critical, kwargs: {column: late}, why: no end}",
    "features": "{type: expect_column_values_to_be_between, severity: critical,"
    " kwargs: {column: load, min_value: 0, max_value: 1}, why: not a load}",
}
KILLED = -signal.SIGKILL

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(PRELOADED)


def start_process(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Start `work` in a process of its own."""
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process


def wait_for_exit(process: ForkServerProcess, timeout: float = 600) -> int:
    """Return the exit code of a process; KILLED if it was killed. Fails if it doesn't end in time."""
    process.join(timeout)
    assert process.exitcode is not None, f"the process didn't end within {timeout:g} s"
    return int(process.exitcode)


def make_use_case_with_suites(home: Path) -> UseCase:
    """Return the small use case, with its suites in the home."""
    folder = home / "suites" / "calls_in_time"
    folder.mkdir(parents=True, exist_ok=True)
    for source, rule in SUITES.items():
        (folder / f"{source}.yaml").write_text(f"description: for the test\nrows:\n  - {rule}\n")
    return make_use_case(home / "use_case", **CHANGES)


def open_workspace(home: Path) -> Workspace:
    """Return the folders and stores of the small use case in a home."""
    return Workspace(make_use_case_with_suites(home), home, f"sqlite:///{home / 'data' / 'deliveries.sqlite'}")


def kill_this_process() -> None:
    """End this process as `kill -9` does: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Killer:
    """Kills this process in a stage: when it writes its `writes`-th file, or before Dagster records its end."""

    stage: str
    writes: int
    running: str = ""  # the stage that runs now

    def wrap(self, stage: Stage) -> Stage:
        """Return the stage with a function that notes that it runs."""

        def run(stage_run: StageRun) -> StageResult:
            self.running = f"{stage.name}/{stage_run.source}" if stage.each_source else stage.name
            return stage.run(stage_run)

        return replace(stage, run=run)

    def count_writes(self) -> None:
        """Count the files that the stage writes, and kill this process at the last one."""
        sync = os.fsync

        def count_and_sync(descriptor: Any) -> None:
            if self.running == self.stage:
                self.writes -= 1
                if self.writes <= 0:
                    kill_this_process()
            sync(descriptor)

        setattr(os, "fsync", count_and_sync)  # noqa: B010  mypy knows the parameter's name

    def at_the_end(self) -> Any:
        """Return a recorder of events that kills this process before it records the end of the stage."""
        from pipelines.runtime.dagster_internals_events import EventRecorder

        killer = self

        class KillingRecorder(EventRecorder):
            def record_materializations(
                self, context: dg.AssetExecutionContext, materializations: Sequence[dg.AssetMaterialization]
            ) -> None:
                if killer.running == killer.stage:
                    kill_this_process()
                super().record_materializations(context, materializations)

        return KillingRecorder()


def run_chain(home: Path, first: date, last: date, as_of: str, stage: str = "", writes: int = 2) -> None:
    """Run the chain on these days in this process, as the command line does.

    stage: kill this process in that stage, when it writes its `writes`-th file. Empty: nothing is killed.
    """
    patch = pytest.MonkeyPatch()  # for the rest of this process
    prove_any_gain(patch)
    use_quick_charts(patch)
    with suppress(KeyError):
        del os.environ["SIXTYFORTY_PROFILE"]
    os.environ["SIXTYFORTY_HOME"] = str(home)
    os.chdir(home)

    import dagster as dg

    from assets.resources import BusinessClock, ProjectHome
    from assets.stage_table import STAGES
    from expectations import suites
    from pipelines.component import build_chain
    from pipelines.settings import prepare_dagster_home

    settings = prepare_dagster_home()
    suites.HERE = home / "suites"
    use_case = make_use_case_with_suites(home)
    chain = build_chain(use_case)
    if stage:
        killer = Killer(stage, writes)
        killer.count_writes()
        chain = build_chain(use_case, [killer.wrap(each) for each in STAGES], killer.at_the_end())
    project_home = ProjectHome(home=home, database_url=settings.database_url, dvc_remote=settings.dvc_remote)
    resources = dg.Definitions(resources={"project_home": project_home, "clock": BusinessClock(as_of=as_of)})
    _execute(dg.Definitions.merge(chain, resources), use_case.name, first, last)


def _execute(definitions: dg.Definitions, job: str, first: date, last: date) -> None:
    import dagster as dg
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    with dg.DagsterInstance.get() as instance:
        # A killed run keeps its slot in the pool until it is reported, as the watch does.
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            instance.report_run_failed(run)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        execution = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            tags={ASSET_PARTITION_RANGE_START_TAG: str(first), ASSET_PARTITION_RANGE_END_TAG: str(last)},
        )
    assert execution.success
