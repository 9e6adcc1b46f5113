"""A real cluster: Celery workers that share only PostgreSQL, an object store and the broker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import psutil
import pytest

from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.operations.parallel_backfill import run_in_parallel, waves
from pipelines.operations.run import run_range
from pipelines.runtime.launcher import find_run_process
from pipelines.settings import SettingsError, load_settings, prepare_dagster_home
from tests.dagster_runs import wait_for
from tests.helpers import read_lake, s3_environment
from tests.homes import use_home
from tests.postgres import Postgres, rows

pytest.importorskip("dagster_celery")
FIRST, LAST = date(2013, 6, 11), date(2013, 6, 14)
USE_CASE = "flight_delays"
TABLE = f"{USE_CASE}_replay_decisions"


@pytest.fixture(scope="module")
def single_machine_lake(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the lake as one machine makes it, in a folder, in the order of the waves."""
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, tmp_path_factory.mktemp("alone"))
        flights.land(catalog.open_workspace(USE_CASE).landing.folder, FIRST, LAST)
        for wave in waves(catalog.load_use_case(USE_CASE)):
            run_range(USE_CASE, FIRST, LAST, select=list(wave.stages))
        return without_arrivals(read_lake(catalog.open_workspace(USE_CASE).lake))


def without_arrivals(lake: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of a lake except the arrivals, which hold times and tags."""
    return {name: content for name, content in lake.items() if not name.startswith("arrivals/")}


class Cluster:
    """Celery workers, each with its own home."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder, self.settings, self.workers = folder, settings, list[subprocess.Popen[bytes]]()

    def start(self, count: int) -> None:
        """Start more workers, and wait until each is ready.

        One starts after the other: the first creates the broker's tables, and two at once would collide.
        """
        for _ in range(count):
            name = f"worker{len(self.workers)}"
            options = ["-n", f"{name}@%h", "--without-gossip", "--without-mingle", "--without-heartbeat"]
            command = ["-A", "pipelines.runtime.celery_worker", "worker", "-Q", "dagster", "-c", "1", "-l", "INFO"]
            log_file = self.folder / f"{name}.log"
            with log_file.open("wb") as log:
                worker = subprocess.Popen(
                    [sys.executable, "-m", "celery", *command, *options],
                    env={**os.environ, **self.settings, "SIXTYFORTY_HOME": str(self.folder / name)},
                    stdout=log,
                    stderr=log,
                )
            self.workers.append(worker)
            wait_for(lambda log_file=log_file: b"ready." in log_file.read_bytes())

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker and its processes with SIGKILL."""
        for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
            process.kill()
        worker.wait()

    def kill_worker_of(self, pid: int) -> None:
        """Kill the worker that started a process."""
        (worker,) = [
            w for w in self.workers if w.poll() is None and pid in {c.pid for c in psutil.Process(w.pid).children()}
        ]
        self.kill(worker)

    def stop(self) -> None:
        """Kill the workers that are still running."""
        for worker in self.workers:
            if worker.poll() is None:
                self.kill(worker)


@pytest.fixture
def cluster(
    tmp_path: Path, endpoint: str, bucket: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """Use the settings of a cluster, with the extracts landed in its bucket. No worker runs yet."""
    url = postgres.database()
    use_home(monkeypatch, tmp_path / "head", url)
    settings = {
        "SIXTYFORTY_PROFILE": "cluster",
        "SIXTYFORTY_DATABASE_URL": url,
        "SIXTYFORTY_LAKE": f"s3://{bucket}/lake",
        "SIXTYFORTY_BROKER_URL": f"sqla+{url}",
        "OMP_NUM_THREADS": "1",
        **s3_environment(endpoint),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for path in flights.land(tmp_path / "landed", FIRST, LAST):
        (catalog.open_workspace(USE_CASE).landing.folder / path.name).write_bytes(path.read_bytes())
    cluster = Cluster(tmp_path, settings)
    yield cluster
    cluster.stop()


def lake_and_deliveries(url: str) -> tuple[dict[str, bytes], tuple[int, int]]:
    """Return the lake, and how many rows and decisions were delivered."""
    count, ids = rows(url, f"select count(*), count(distinct decision_id) from {TABLE}")[0]
    return without_arrivals(read_lake(catalog.open_workspace(USE_CASE).lake)), (count, ids)


@pytest.mark.e2e
def test_two_workers_make_what_one_machine_makes_and_a_killed_one_loses_nothing(
    cluster: Cluster, single_machine_lake: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start(2)
    prepare_dagster_home()
    killed, instance = list[str](), dg.DagsterInstance.get()

    def kill_one_worker() -> None:
        """Kill the worker of the first run that builds features, and start another worker."""
        time.sleep(0.2)
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            process = find_run_process(instance, run.run_id)
            if not killed and process and "features" in str(run.asset_selection):
                killed.append(run.run_id)
                cluster.kill_worker_of(process.pid)
                cluster.start(1)

    monkeypatch.setattr("pipelines.operations.parallel_backfill._wait", kill_one_worker)
    runs = run_in_parallel(USE_CASE, FIRST, LAST, 2)
    assert killed
    assert {r for r in runs if instance.get_run_by_id(r).status != dg.DagsterRunStatus.SUCCESS} == {*killed}
    assert len({find_run_process(instance, r).pid for r in runs}) > 1, "one worker executed all runs"
    lake, (count, ids) = lake_and_deliveries(cluster.settings["SIXTYFORTY_DATABASE_URL"])
    assert lake == single_machine_lake
    assert count == ids > 1000


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "SIXTYFORTY_DATABASE_URL is not set"),
        ({"SIXTYFORTY_DATABASE_URL": "postgresql://h/d"}, "SIXTYFORTY_BROKER_URL is not set"),
        (
            {"SIXTYFORTY_DATABASE_URL": "postgresql://h/d", "SIXTYFORTY_BROKER_URL": "redis://h"},
            "SIXTYFORTY_LAKE is a folder",
        ),
    ],
)
def test_a_cluster_names_the_missing_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    use_home(monkeypatch, tmp_path)
    monkeypatch.delenv("SIXTYFORTY_BROKER_URL", raising=False)
    monkeypatch.setenv("SIXTYFORTY_PROFILE", "cluster")
    for name, setting in variables.items():
        monkeypatch.setenv(name, setting)
    with pytest.raises(SettingsError, match=message):
        load_settings()
