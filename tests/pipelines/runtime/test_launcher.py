"""A run starts in a process that is warm, and run monitoring is told the truth about it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus

from pipelines.runtime.launcher import WarmLauncher, alive, last_seen
from pipelines.settings import prepare
from tests.pipelines.operations.test_services import died, set_up, until


@dg.op
def look_around(context: dg.OpExecutionContext) -> None:
    """Tells what is there before anything was imported here."""
    there = [
        m
        for m in ("great_expectations", "sklearn.ensemble", "assets.stage", "pipelines.operations.run")
        if m in sys.modules
    ]
    context.log.info(f"pid {os.getpid()} has {' '.join(there)}")


@dg.job(executor_def=dg.in_process_executor)
def curious() -> None:
    """Looks around."""
    look_around()


@dg.op
def sleep() -> None:
    """Takes long."""
    time.sleep(300)


@dg.job(executor_def=dg.in_process_executor)
def slow() -> None:
    """Sleeps."""
    sleep()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    set_up(monkeypatch, tmp_path)
    prepare()
    with dg.DagsterInstance.get() as found:
        yield found


def launched(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dg.DagsterRun:
    origin = dg.reconstructable(job).get_python_origin()
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING, job_code_origin=origin)
    instance.run_launcher.launch_run(LaunchRunContext(run, None))
    return run


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    return instance.get_run_by_id(run.run_id).status.value  # type: ignore[union-attr]


def worker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> psutil.Process:
    """The run's process, once its step has begun."""
    until(lambda: instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START))
    found = alive(*(last_seen(instance, run.run_id) or (0, 0.0)))
    assert found
    return found


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


def test_dagster_yaml_names_it(instance):
    assert isinstance(instance.run_launcher, WarmLauncher)
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_run_has_a_process_of_its_own_which_holds_libraries_and_none_of_our_code(instance):
    run = launched(instance, curious)
    until(lambda: status(instance, run) not in ("STARTING", "STARTED"))
    assert status(instance, run) == "SUCCESS"
    (said,) = [e.user_message for e in instance.all_logs(run.run_id) if "has " in e.user_message]
    assert said.endswith("has great_expectations sklearn.ensemble")
    assert said.split()[1] != str(os.getpid())


def test_a_run_whose_process_was_killed_is_known_to_be_dead(instance):
    run = launched(instance, slow)
    process = worker(instance, run)
    assert health(instance, run) == WorkerStatus.RUNNING
    process.send_signal(signal.SIGKILL)
    until(lambda: status(instance, run) == "FAILURE", 20)
    assert health(instance, run) == WorkerStatus.NOT_FOUND


def test_a_run_whose_process_dies_before_it_has_begun_fails_as_well(instance):
    lost = dg.reconstructable(slow).get_python_origin()
    run = instance.create_run_for_job(slow, status=dg.DagsterRunStatus.STARTING, job_code_origin=lost)
    nowhere = run._replace(run_id="00000000-0000-0000-0000-000000000000")  # its process finds no such run, and ends
    instance.run_launcher.launch_run(LaunchRunContext(nowhere, None))
    process = next(p for p in multiprocessing.active_children() if p.name == nowhere.run_id)
    instance.run_launcher._follow(process, run.run_id)
    assert status(instance, run) == "FAILURE"


def test_a_run_that_has_not_begun_is_not_called_dead(instance):
    waiting = instance.create_run_for_job(slow, status=dg.DagsterRunStatus.STARTING)
    assert health(instance, waiting) == WorkerStatus.RUNNING


def test_a_run_can_be_ended(instance):
    run = launched(instance, slow)
    worker(instance, run)
    assert instance.run_launcher.terminate(run.run_id)
    until(lambda: status(instance, run) == "CANCELED", 60)
    assert not instance.run_launcher.terminate(run.run_id)


def test_a_run_without_code_is_refused(instance):
    run = instance.create_run_for_job(slow, status=dg.DagsterRunStatus.STARTING)
    with pytest.raises(dg.DagsterInvariantViolationError, match="which code"):
        instance.run_launcher.launch_run(LaunchRunContext(run, None))


def test_a_later_process_of_the_same_number_is_not_the_run(instance):
    dead = last_seen(instance, died(instance))
    assert dead is not None and alive(*dead) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert alive(process.pid, dead[1] + 60)
        assert not alive(process.pid, dead[1] - 60)
        process.communicate(b"\n")
