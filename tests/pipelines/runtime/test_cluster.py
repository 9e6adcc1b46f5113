"""A cluster for real: Celery workers that share PostgreSQL, an object store and the broker, and nothing else."""

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
from tests.helpers import lake_bytes, s3_environment
from tests.pipelines.operations.test_services import set_up, until
from tests.postgres import Postgres, rows

pytest.importorskip("dagster_celery")
FIRST, LAST = date(2013, 6, 11), date(2013, 6, 14)
CASE = "flight_delays"
TABLE = f"{CASE}_replay_decisions"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The lake as one machine makes it, in a folder, in the order of the waves."""
    with pytest.MonkeyPatch.context() as patch:
        set_up(patch, tmp_path_factory.mktemp("alone"))
        flights.land(catalog.open_workspace(CASE).landing.folder, FIRST, LAST)
        for wave in waves(catalog.load_use_case(CASE)):
            run_range(CASE, FIRST, LAST, select=list(wave.stages))
        return data(lake_bytes(catalog.open_workspace(CASE).lake))


def data(lake: dict[str, bytes]) -> dict[str, bytes]:
    """What it holds but for the arrivals, which tell of time and tags."""
    return {name: found for name, found in lake.items() if not name.startswith("arrivals/")}


class Cluster:
    """Workers, each with a home of its own."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder, self.settings, self.workers = folder, settings, list[subprocess.Popen[bytes]]()

    def start(self, count: int) -> None:
        """More workers, side by side."""
        for _ in range(count):
            name = f"worker{len(self.workers)}"
            words = [
                "-A",
                "pipelines.runtime.celery_worker",
                "worker",
                "-Q",
                "dagster",
                "-c",
                "1",
                "-n",
                f"{name}@%h",
                "-l",
                "INFO",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
            ]
            home = {"SIXTYFORTY_HOME": str(self.folder / name)}
            with (self.folder / f"{name}.log").open("wb") as log:
                self.workers.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "celery", *words],
                        env={**os.environ, **self.settings, **home},
                        stdout=log,
                        stderr=log,
                    )
                )
        for number in range(len(self.workers)):
            until(lambda: b"ready." in (self.folder / f"worker{number}.log").read_bytes())  # noqa: B023

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill -9, its processes as well."""
        for process in [*psutil.Process(worker.pid).children(recursive=True), worker]:
            process.kill()
        worker.wait()

    def kill_at(self, pid: int) -> None:
        """Kills the worker of which this is a process."""
        (at,) = [
            w for w in self.workers if w.poll() is None and pid in {c.pid for c in psutil.Process(w.pid).children()}
        ]
        self.kill(at)

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                self.kill(worker)


@pytest.fixture
def cluster(
    tmp_path: Path, endpoint: str, bucket: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """The settings of a cluster, the extracts landed in its bucket; no worker yet."""
    url = postgres.database()
    set_up(monkeypatch, tmp_path / "head", url)
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
        (catalog.open_workspace(CASE).landing.folder / path.name).write_bytes(path.read_bytes())
    cluster = Cluster(tmp_path, settings)
    yield cluster
    cluster.stop()


def made(url: str) -> tuple[dict[str, bytes], tuple[int, int]]:
    """The lake, and rows and decisions delivered."""
    count, ids = rows(url, f"select count(*), count(distinct decision_id) from {TABLE}")[0]
    return data(lake_bytes(catalog.open_workspace(CASE).lake)), (count, ids)


@pytest.mark.e2e
def test_two_workers_make_what_one_machine_makes_and_one_killed_loses_nothing(
    cluster: Cluster, alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start(2)
    prepare_dagster_home()
    killed, instance = list[str](), dg.DagsterInstance.get()

    def meanwhile() -> None:
        """The first run seen at the features loses its worker; another takes its place."""
        time.sleep(0.2)
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            seen = find_run_process(instance, run.run_id)
            if not killed and seen and "features" in str(run.asset_selection):
                killed.append(run.run_id)
                cluster.kill_at(seen.pid)
                cluster.start(1)

    monkeypatch.setattr("pipelines.operations.parallel_backfill._wait", meanwhile)
    runs = run_in_parallel(CASE, FIRST, LAST, 2)
    assert killed
    assert {r for r in runs if instance.get_run_by_id(r).status != dg.DagsterRunStatus.SUCCESS} == {*killed}
    assert len({find_run_process(instance, r).pid for r in runs}) > 1, "one worker did it all"
    lake, (count, ids) = made(cluster.settings["SIXTYFORTY_DATABASE_URL"])
    assert lake == alone
    assert count == ids > 1000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "needs SIXTYFORTY_DATABASE_URL"),
        ({"SIXTYFORTY_DATABASE_URL": "postgresql://h/d"}, "needs SIXTYFORTY_BROKER_URL"),
        (
            {"SIXTYFORTY_DATABASE_URL": "postgresql://h/d", "SIXTYFORTY_BROKER_URL": "redis://h"},
            "needs a SIXTYFORTY_LAKE that all see",
        ),
    ],
)
def test_a_cluster_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    set_up(monkeypatch, tmp_path)
    monkeypatch.delenv("SIXTYFORTY_BROKER_URL", raising=False)
    monkeypatch.setenv("SIXTYFORTY_PROFILE", "cluster")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load_settings()
