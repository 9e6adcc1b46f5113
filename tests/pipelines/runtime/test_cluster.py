"""A real cluster: Celery workers that share only PostgreSQL, an object store and the broker.

The broker is a Redis server where `redis-server` is installed, and PostgreSQL elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from bench.cluster_workers import Worker
from bench.redis_server import PROGRAM, Redis
from pipelines.authoring import catalog
from pipelines.demo import flights
from pipelines.operations.parallel_backfill import run_in_parallel, waves
from pipelines.operations.run import run_range
from pipelines.runtime.launcher import find_run_process
from pipelines.settings import SettingsError, load_settings, prepare_dagster_home
from tests.helpers import read_lake, s3_environment
from tests.homes import use_home
from tests.postgres import Postgres, rows

pytest.importorskip("dagster_celery")
FIRST, LAST = date(2013, 6, 13), date(2013, 6, 14)
USE_CASE = "flight_delays"
TABLE = f"{USE_CASE}_replay_decisions"
REFUSED_REQUESTS = 12  # that the object store answers with an error: more than the retries of one request


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


class ObjectStore:
    """An S3-compatible server of one test, which can refuse requests."""

    def __init__(self) -> None:
        """Start the server on a free port."""
        server = pytest.importorskip("moto.server")
        self._server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.endpoint = "http://{}:{}".format(*self._server.get_host_and_port())
        self._answer, self._server._server.app = self._server._server.app, self._refuse_or_answer
        self._to_refuse = self.refused = 0

    def refuse(self, count: int) -> None:
        """Answer the next requests with the error 503."""
        self._to_refuse = count

    def _refuse_or_answer(self, environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self._to_refuse <= 0:
            return self._answer(environment, start_response)
        self._to_refuse -= 1
        self.refused += 1
        start_response("503 Service Unavailable", [("Content-Length", "0")])
        return [b""]

    def stop(self) -> None:
        """Stop the server."""
        self._server.stop()


class Cluster:
    """Celery workers, each with its own home."""

    def __init__(self, folder: Path, settings: dict[str, str], redis: Redis | None, store: ObjectStore) -> None:
        self.folder, self.settings, self.redis, self.store = folder, settings, redis, store
        self.workers = list[Worker]()

    def start(self, count: int) -> None:
        """Start more workers, and wait until each is ready.

        One starts after the other: the first creates the tables of a broker in PostgreSQL, and two at once
        would collide.
        """
        for _ in range(count):
            self.workers.append(Worker(self.folder, f"worker{len(self.workers)}", self.settings))

    def kill_worker_of(self, pid: int) -> None:
        """Kill the worker that started a process."""
        (worker,) = [
            w for w in self.workers if w.is_running and pid in {c.pid for c in psutil.Process(w.process.pid).children()}
        ]
        worker.kill()

    def restart_broker(self) -> None:
        """Kill Redis without notice, and start it again a second later. Without Redis, do nothing."""
        if self.redis:
            self.redis.kill()
            time.sleep(1)
            self.redis.start()

    def stop(self) -> None:
        """Kill the workers and Redis."""
        if self.redis:
            self.redis.kill()
        for worker in self.workers:
            if worker.is_running:
                worker.kill()


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    """Return an object store for one test."""
    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def endpoint(store: ObjectStore) -> str:
    """Return the URL of the object store, in which the fixture `bucket` creates a bucket."""
    return store.endpoint


@pytest.fixture
def cluster(
    tmp_path: Path, store: ObjectStore, bucket: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """Use the settings of a cluster, with the extracts landed in its bucket. No worker runs yet."""
    url, redis = postgres.database(), Redis(tmp_path / "redis") if PROGRAM else None
    use_home(monkeypatch, tmp_path / "head", url)
    settings = {
        "SIXTYFORTY_PROFILE": "cluster",
        "SIXTYFORTY_DATABASE_URL": url,
        "SIXTYFORTY_LAKE": f"s3://{bucket}/lake",
        "SIXTYFORTY_BROKER_URL": redis.url if redis else f"sqla+{url}",
        "OMP_NUM_THREADS": "1",
        **s3_environment(store.endpoint),
    }
    for name, setting in settings.items():
        monkeypatch.setenv(name, setting)
    for path in flights.land(tmp_path / "landed", FIRST, LAST):
        (catalog.open_workspace(USE_CASE).landing.folder / path.name).write_bytes(path.read_bytes())
    cluster = Cluster(tmp_path, settings, redis, store)
    yield cluster
    cluster.stop()


def lake_and_deliveries(url: str) -> tuple[dict[str, bytes], tuple[int, int]]:
    """Return the lake, and how many rows and decisions were delivered."""
    count, ids = rows(url, f"select count(*), count(distinct decision_id) from {TABLE}")[0]
    return without_arrivals(read_lake(catalog.open_workspace(USE_CASE).lake)), (count, ids)


@dataclass
class Faults:
    """The faults of a backfill: S3 errors, the death of a worker, and a restart of the broker, each once.

    killed: the ids of the runs that lost their worker. restarted_in: the ids of the runs that were active when the
    broker was restarted.
    """

    cluster: Cluster
    instance: dg.DagsterInstance
    killed: list[str] = field(default_factory=list)
    restarted_in: list[str] = field(default_factory=list)

    def wait(self) -> None:
        """Wait as a backfill waits, then plant the next fault if its time has come."""
        time.sleep(0.2)
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            stages, process = str(run.asset_selection), find_run_process(self.instance, run.run_id)
            if not self.cluster.store.refused and "raw" in stages:
                self.cluster.store.refuse(REFUSED_REQUESTS)
            elif not self.killed and process and "features" in stages:
                self.killed.append(run.run_id)
                self.cluster.kill_worker_of(process.pid)
                self.cluster.start(1)
            elif not self.restarted_in and "decisions" in stages:
                self.restarted_in.append(run.run_id)
                self.cluster.restart_broker()


@pytest.mark.e2e
def test_a_killed_worker_a_restarted_broker_and_s3_errors_lose_nothing_and_double_nothing(
    cluster: Cluster, single_machine_lake: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start(2)
    prepare_dagster_home()
    instance = dg.DagsterInstance.get()
    faults = Faults(cluster, instance)
    monkeypatch.setattr("pipelines.operations.parallel_backfill._wait", faults.wait)
    runs = run_in_parallel(USE_CASE, FIRST, LAST, 1)
    assert faults.killed and faults.restarted_in and cluster.store.refused == REFUSED_REQUESTS
    failed = {r for r in runs if instance.get_run_by_id(r).status != dg.DagsterRunStatus.SUCCESS}
    assert {*faults.killed} <= failed
    assert all("raw" in str(instance.get_run_by_id(r).asset_selection) for r in failed - {*faults.killed})
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
