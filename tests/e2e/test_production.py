"""The production profile on a real PostgreSQL: the same bytes as embedded, even if the database restarts or stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster_shared.serdes import serialize_value

from assets import data, decide
from pipelines.authoring import catalog
from pipelines.automation import housekeeping
from pipelines.demo import flights
from pipelines.operations.run import RunFailedError, run_range
from pipelines.runtime.launcher import RunProcess
from pipelines.runtime.storage import ProfileStorage
from tests.helpers import read_lake, without_seen_at
from tests.homes import use_home
from tests.postgres import PASSWORD, Postgres, rows

FIRST, LAST = date(2013, 6, 11), date(2013, 6, 12)
DAILY = ["timetable", "movements", "weather"]
STAGES = [f"{kind}/{s}" for s in [*DAILY, "planes", "airports", "airlines"] for kind in ("raw", "validated")]
STAGES += ["features", "outcomes", "decisions", "delivery", "kpi_impact"]
TABLE = "flight_delays_replay_decisions"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landed")
    flights.land(folder, FIRST, LAST)
    return folder


def link_landing_zone(home: Path, landed: Path) -> None:
    """Make a home read the extracts that another folder holds."""
    zone = home / "data" / "landing" / "flight_delays"
    zone.parent.mkdir(parents=True, exist_ok=True)
    zone.symlink_to(landed)


@pytest.fixture
def enter_home(landed, tmp_path, monkeypatch) -> Callable[..., None]:
    """Return a function that makes a home with landed extracts, and uses it with a database."""

    def enter(url: str, profile: str = "production") -> None:
        settings = use_home(monkeypatch, tmp_path / "home", url)
        monkeypatch.setenv("SIXTYFORTY_PROFILE", profile)
        link_landing_zone(settings.home, landed)

    return enter


def run(stages: list[str] | None = None) -> None:
    run_range("flight_delays", FIRST, LAST, select=stages or STAGES)


def lake_files() -> dict[str, bytes]:
    return without_seen_at(read_lake(catalog.open_workspace("flight_delays").lake))


@pytest.fixture(scope="module")
def undisturbed(landed, tmp_path_factory) -> dict[str, bytes]:
    """Return the lake that the embedded profile makes when nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch:
        link_landing_zone(use_home(patch, tmp_path_factory.mktemp("embedded")).home, landed)
        run()
        return lake_files()


def count_deliveries(url: str) -> tuple[int, int]:
    """Return the rows of the delivery table, and how many decisions they deliver."""
    count, ids = rows(url, f"select count(*), count(distinct decision_id) from {TABLE}")[0]
    return count, ids


def count_decisions() -> int:
    return sum(e.rows for e in catalog.open_workspace("flight_delays").lake.entries("decisions/replay").values())


def only_decisions(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.startswith("decisions/")}


def run_statuses() -> list[str]:
    with dg.DagsterInstance.get() as instance:
        return [r.status.value for r in instance.get_runs()]


def test_production_gives_the_same_bytes_and_stores_no_secret(
    enter_home, postgres, undisturbed, tmp_path, monkeypatch, capfd
):
    url = postgres.database()
    enter_home(url)
    monkeypatch.setenv("SIXTYFORTY_LAKE", str(tmp_path / "lake"))
    run()
    assert lake_files() == undisturbed
    assert (tmp_path / "lake" / "flight_delays" / "features").is_dir()
    assert not (tmp_path / "home" / "data" / "lake").exists()
    assert count_deliveries(url) == (count_decisions(), count_decisions())
    assert count_decisions() > 1000
    assert list((tmp_path / "home").rglob("*.db")) + list((tmp_path / "home").rglob("*.sqlite")) == []
    assert rows(url, "select count(*) from runs")[0][0] == 1

    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey(["flight_delays", "delivery"])) == {
            FIRST.isoformat(),
            LAST.isoformat(),
        }
        recorded = instance.get_runs()[0]
        snapshot = instance.get_job_snapshot(recorded.job_snapshot_id)  # type: ignore[arg-type]
        stored = serialize_value(snapshot) + serialize_value(recorded) + str(instance.all_logs(recorded.run_id))
    console = capfd.readouterr()
    assert "delivery: delivered (" in console.err
    assert PASSWORD not in stored + console.out + console.err
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.name == "dagster.yaml" for p in files)
    assert [p for p in files if PASSWORD.encode() in p.read_bytes()] == []


def test_a_run_survives_a_restart_of_postgresql(enter_home, postgres, undisturbed, monkeypatch):
    url = postgres.database()
    enter_home(url)
    open_window, restarts = data.FeatureWindow, []

    def restart_first(*arguments: Any) -> Any:
        postgres.control("restart")
        restarts.append(time.monotonic())
        return open_window(*arguments)

    monkeypatch.setattr(data, "FeatureWindow", restart_first)
    run()  # open connections died; the run continued with new ones
    assert restarts
    assert lake_files() == undisturbed
    assert count_deliveries(url) == (count_decisions(), count_decisions())
    assert run_statuses() == ["SUCCESS"]


def test_a_run_that_loses_postgresql_fails_and_loses_nothing(enter_home, postgres, undisturbed, monkeypatch):
    url = postgres.database()
    enter_home(url)
    with monkeypatch.context() as patch:

        def stop_database(*_: Any, **__: Any) -> Any:
            postgres.control("stop")
            raise RuntimeError("the machine with the database went down")

        patch.setattr(decide, "take_decisions", stop_database)
        with pytest.raises(Exception):  # noqa: B017  Dagster raises its own error when it can't record events
            run()
        postgres.control("start")
    with dg.DagsterInstance.get() as instance, monkeypatch.context() as patch:
        assert housekeeping.fail_dead_runs(instance) == []  # this process is still running
        patch.setattr(RunProcess, "find", lambda _: None)
        housekeeping.fail_dead_runs(instance)
    assert run_statuses() == ["FAILURE"]  # not STARTED for ever
    run()
    assert lake_files() == undisturbed
    assert count_deliveries(url) == (count_decisions(), count_decisions())


def test_deliveries_wait_for_a_database_that_is_down(enter_home, postgres, undisturbed):
    url = postgres.database()
    enter_home(url, profile="embedded")
    postgres.control("stop")
    try:
        with pytest.raises(RunFailedError, match="flight_delays__delivery"):
            run()
        assert only_decisions(lake_files()) == only_decisions(undisturbed)
        assert count_decisions() > 1000
    finally:
        postgres.control("start")
    run(["delivery"])
    assert count_deliveries(url) == (count_decisions(), count_decisions())
    first = rows(url, f"select * from {TABLE} order by decision_id")
    run(["delivery", "kpi_impact"])
    assert rows(url, f"select * from {TABLE} order by decision_id") == first
    assert lake_files() == undisturbed


def test_connections_stay_open_and_survive_a_restart(enter_home, postgres: Postgres):
    enter_home(postgres.database())
    storage = ProfileStorage.from_config_value(None, {})
    engines = {id(s._engine) for s in (storage.run_storage, storage.event_log_storage, storage.schedule_storage)}
    assert len(engines) == 1
    assert not isinstance(storage.run_storage._engine.pool, sa.NullPool)
    assert storage.run_storage.get_runs() == []
    postgres.control("restart")
    assert storage.run_storage.get_runs() == []
    storage.run_storage._engine.dispose()
