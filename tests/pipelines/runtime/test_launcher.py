"""A run starts in a warm process, and run monitoring knows whether that process is alive."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import dagster as dg
import psutil
import pytest

from pipelines.runtime.dagster_internals import LaunchRunContext, WorkerStatus
from pipelines.runtime.launcher import RunProcess, WarmLauncher, find_run_process
from pipelines.settings import prepare_dagster_home
from tests.dagster_runs import create_dead_run, wait_for
from tests.homes import use_home


@dg.op
def log_imported_modules(context: dg.OpExecutionContext) -> None:
    """Log which modules the process had imported before the run's code."""
    imported = [
        m
        for m in ("great_expectations", "sklearn.ensemble", "assets.wiring", "pipelines.operations.run")
        if m in sys.modules
    ]
    context.log.info(f"pid {os.getpid()} has {' '.join(imported)}")


@dg.job(executor_def=dg.in_process_executor)
def curious() -> None:
    """Log the imported modules."""
    log_imported_modules()


@dg.op
def sleep() -> None:
    """Take long."""
    time.sleep(300)


@dg.job(executor_def=dg.in_process_executor)
def slow() -> None:
    """Sleep."""
    sleep()


@pytest.fixture(scope="module", autouse=True)
def fresh_fork_server() -> None:
    """Stop the fork server that a test of another module started in its environment. The next run starts a new one."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    use_home(monkeypatch, tmp_path)
    prepare_dagster_home()
    with dg.DagsterInstance.get() as dagster:
        yield dagster


def launched(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dg.DagsterRun:
    origin = dg.reconstructable(job).get_python_origin()
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING, job_code_origin=origin)
    instance.run_launcher.launch_run(LaunchRunContext(run, None))
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    return instance.get_run_by_id(run.run_id).status.value  # type: ignore[union-attr]


def worker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> psutil.Process:
    """Return the run's process, once its step has started."""
    wait_for(lambda: instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START))
    last_seen = find_run_process(instance, run.run_id)
    process = last_seen.find() if last_seen else None
    assert process
    return process


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_dagster_yaml_names_the_launcher(instance):
    assert isinstance(instance.run_launcher, WarmLauncher)
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_run_has_its_own_process_with_libraries_and_the_definitions(instance):
    run = launched(instance, curious)
    wait_for(lambda: status(instance, run) not in ("STARTING", "STARTED"))
    assert status(instance, run) == "SUCCESS"
    (message,) = [e.user_message for e in instance.all_logs(run.run_id) if "has " in e.user_message]
    assert message.endswith("has great_expectations sklearn.ensemble assets.wiring")
    assert message.split()[1] != str(os.getpid())


def test_a_run_whose_process_was_killed_has_failed(instance):
    run = launched(instance, slow)
    process = worker(instance, run)
    assert health(instance, run) == WorkerStatus.RUNNING
    process.send_signal(signal.SIGKILL)
    wait_for(lambda: status(instance, run) == "FAILURE", 20)
    assert health(instance, run) == WorkerStatus.NOT_FOUND


def test_a_run_whose_process_dies_before_it_starts_has_failed_as_well(instance):
    lost = dg.reconstructable(slow).get_python_origin()
    run = instance.create_run_for_job(slow, status=dg.DagsterRunStatus.STARTING, job_code_origin=lost)
    nowhere = run._replace(run_id="00000000-0000-0000-0000-000000000000")  # its process finds no such run and ends
    instance.run_launcher.launch_run(LaunchRunContext(nowhere, None))
    process = next(p for p in multiprocessing.active_children() if p.name == nowhere.run_id)
    instance.run_launcher._report_end(process, run.run_id)
    assert status(instance, run) == "FAILURE"


def test_a_run_that_has_not_started_counts_as_running(instance):
    waiting = instance.create_run_for_job(slow, status=dg.DagsterRunStatus.STARTING)
    assert health(instance, waiting) == WorkerStatus.RUNNING


def test_a_run_can_be_terminated(instance):
    run = launched(instance, slow)
    worker(instance, run)
    assert instance.run_launcher.terminate(run.run_id)
    wait_for(lambda: status(instance, run) == "CANCELED", 60)
    assert not instance.run_launcher.terminate(run.run_id)


def test_a_run_without_code_is_refused(instance):
    run = instance.create_run_for_job(slow, status=dg.DagsterRunStatus.STARTING)
    with pytest.raises(dg.DagsterInvariantViolationError, match="say where its code is"):
        instance.run_launcher.launch_run(LaunchRunContext(run, None))


def test_a_later_process_with_the_same_number_is_not_the_run(instance):
    dead = find_run_process(instance, create_dead_run(instance))
    assert dead is not None and dead.find() is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert RunProcess(process.pid, dead.seen + 60).find()
        assert RunProcess(process.pid, dead.seen - 60).find() is None


def test_a_step_of_the_clock_declares_no_live_run_dead():
    """The start time of a process moves with the clock, so it once seemed younger than the log that names it."""
    run_id = "0f9e8d7c-0123-4567-89ab-0123456789ab"
    text = (
        f"from pipelines.runtime.launcher import name_process; name_process({run_id!r}); print(1, flush=True); input()"
    )
    command = [sys.executable, "-c", text]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        before_the_step = time.time() - 3600
        assert RunProcess(process.pid, before_the_step, run_id=run_id).find()
        assert RunProcess(process.pid, before_the_step, run_id="another").find() is None
        process.communicate("")


def test_a_run_is_ended_by_the_age_of_its_process_and_not_by_the_clock(instance, monkeypatch):
    run = launched(instance, slow)
    process = worker(instance, run)
    wait_for(lambda: status(instance, run) == "STARTED")
    monkeypatch.setattr("pipelines.runtime.launcher.LONGEST_RUN_SECONDS", 300.0)
    now = time.time
    monkeypatch.setattr("pipelines.runtime.launcher.time.time", lambda: now() + 7200)
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: now() + 7190)  # it moves with the clock
    assert health(instance, run) == WorkerStatus.RUNNING
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: now() - 10)
    assert health(instance, run) == WorkerStatus.FAILED
    process.wait(60)
