"""Processes that come to grief: the small use case's chain, run in one of its own that is killed where it is told.

They are forked from a server that has imported what is heavy, so that one costs a second or two, not ten.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from sixtyforty.spec.use_case import UseCase
from sixtyforty.workspace import Workspace
from tests.helpers import make_use_case

HEAVY = [
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
]
CHANGES = {"partitions": {"start": "2013-03-15", "end": "2013-04-30"}, "model": {"params": {"max_iter": 50}}}
SUITES = {
    "calls": "{type: expect_column_values_to_not_be_null, severity: critical, kwargs: {column: site}, why: nowhere}",
    "visits": "{type: expect_column_values_to_not_be_null, severity: critical, kwargs: {column: late}, why: unsaid}",
    "features": "{type: expect_column_values_to_be_between, severity: critical,"
    " kwargs: {column: load, min_value: 0, max_value: 1}, why: not a load}",
}

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(HEAVY)


def start(work: Callable[..., None], *arguments: Any) -> Any:
    """Starts `work` in a process of its own."""
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process


def ended(process: Any, within: float = 120) -> int:
    """Its exit code, -9 when it was killed."""
    process.join(within)
    assert process.exitcode is not None, "it hangs"
    return int(process.exitcode)


def use_case_of(home: Path) -> UseCase:
    """The small use case, with its suites in the home."""
    folder = home / "suites" / "calls_in_time"
    folder.mkdir(parents=True, exist_ok=True)
    for source, rule in SUITES.items():
        (folder / f"{source}.yaml").write_text(f"about: for the test\nrows:\n  - {rule}\n")
    return make_use_case(home / "use_case", **CHANGES)


def workspace(home: Path) -> Workspace:
    """Its folders and stores."""
    return Workspace(use_case_of(home), home, f"sqlite:///{home / 'data' / 'deliveries.sqlite'}")


def die() -> None:
    """As `kill -9` would have it."""
    os.kill(os.getpid(), signal.SIGKILL)


def _deadly(stage: str, writes: int, modules: Sequence[Any]) -> None:
    """This process will die in the stage: before it makes so many files last, or, if it makes fewer, at its end."""
    import assets.stage

    now, real_stage, real_sync, real_end = [""], assets.stage.stage, os.fsync, assets.stage._materialized
    left = [writes]

    def telling(use_case: UseCase, name: str, run: Callable[..., Any], **options: Any) -> Any:
        def told(step: Any) -> Any:
            now[0] = name
            return run(step)

        return real_stage(use_case, name, told, **options)

    def sync(handle: int) -> None:
        left[0] -= now[0] == stage
        if left[0] <= 0:
            die()
        real_sync(handle)

    def end(*arguments: Any) -> None:
        if now[0] == stage:
            die()
        real_end(*arguments)

    os.fsync, assets.stage._materialized = sync, end
    for module in modules:
        module.stage = telling


def run(home: Path, first: date, last: date, as_of: str, stage: str = "", writes: int = 2) -> None:
    """Runs the chain on these days, as the command line does, in this process; to its death in a stage, if one is."""
    with suppress(KeyError):
        del os.environ["SIXTYFORTY_PROFILE"]
    os.environ["SIXTYFORTY_HOME"] = str(home)
    os.chdir(home)

    import dagster as dg
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    from assets import current_state
    from assets.resources import BusinessTime, Place
    from expectations import suites
    from pipelines.component import STAGES, chain
    from pipelines.settings import prepare

    chosen, suites.HERE = prepare(), home / "suites"
    if stage:
        _deadly(stage, writes, [*STAGES, current_state])
    place = Place(home=home, database_url=chosen.database_url, dvc_remote=chosen.dvc_remote)
    resources = dg.Definitions(resources={"place": place, "clock": BusinessTime(as_of=as_of)})
    use_case = use_case_of(home)
    with dg.DagsterInstance.get() as instance:
        for dead in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            instance.report_run_failed(dead)  # as whoever starts again does: a dead run holds its pool's slot for ever
            instance.event_log_storage.free_concurrency_slots_for_run(dead.run_id)
        done = (
            dg.Definitions.merge(chain(use_case), resources)
            .resolve_job_def(use_case.name)
            .execute_in_process(
                instance=instance,
                run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
                tags={ASSET_PARTITION_RANGE_START_TAG: str(first), ASSET_PARTITION_RANGE_END_TAG: str(last)},
            )
        )
    assert done.success
