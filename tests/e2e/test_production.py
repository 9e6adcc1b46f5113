"""The production profile on a real PostgreSQL: the same bytes as embedded, whatever the database goes through."""

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

from assets import decisions, features
from pipelines.authoring import catalog
from pipelines.automation import housekeeping
from pipelines.demo import flights
from pipelines.operations.run import run_range
from pipelines.runtime.storage import ProfileStorage
from pipelines.settings import Settings, SettingsError, load_settings
from tests.helpers import read_lake
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


@pytest.fixture
def place(landed, tmp_path, monkeypatch) -> Callable[..., Settings]:
    """Makes a home, on a profile and with the extracts landed, the one that is worked in."""

    def at(name: str, url: str | None = None, production: bool = True) -> Settings:
        chosen = use_home(monkeypatch, tmp_path / name, url)
        if url and not production:
            monkeypatch.setenv("SIXTYFORTY_PROFILE", "embedded")
        zone = chosen.home / "data" / "landing" / "flight_delays"
        zone.parent.mkdir(parents=True, exist_ok=True)
        if not zone.exists():
            zone.symlink_to(landed)
        return load_settings()

    return at


def run(stages: list[str] | None = None) -> None:
    run_range("flight_delays", FIRST, LAST, select=stages or STAGES)


def lake() -> dict[str, bytes]:
    return read_lake(catalog.open_workspace("flight_delays").lake)


@pytest.fixture(scope="module")
def undisturbed(landed, tmp_path_factory) -> dict[str, bytes]:
    """The lake as it comes out on the embedded profile with nothing going wrong."""
    with pytest.MonkeyPatch.context() as patch:
        chosen = use_home(patch, tmp_path_factory.mktemp("embedded"))
        zone = chosen.home / "data" / "landing" / "flight_delays"
        zone.parent.mkdir(parents=True)
        zone.symlink_to(landed)
        run()
        return lake()


def delivered(url: str) -> tuple[int, int]:
    """Rows of the delivery table, and how many decisions they are of."""
    count, ids = rows(url, f"select count(*), count(distinct decision_id) from {TABLE}")[0]
    return count, ids


def decided() -> int:
    return sum(e.rows for e in catalog.open_workspace("flight_delays").lake.entries("decisions/replay").values())


def statuses() -> list[str]:
    with dg.DagsterInstance.get() as instance:
        return [r.status.value for r in instance.get_runs()]


def test_production_gives_the_same_bytes_and_no_secret_stays_anywhere(
    place, postgres, undisturbed, tmp_path, monkeypatch, capfd
):
    url = postgres.database()
    place("home", url)
    monkeypatch.setenv("SIXTYFORTY_LAKE", str(tmp_path / "lake"))
    run()
    assert lake() == undisturbed
    assert (tmp_path / "lake" / "flight_delays" / "features").is_dir()
    assert not (tmp_path / "home" / "data" / "lake").exists()
    assert delivered(url) == (decided(), decided())
    assert decided() > 1000
    assert list((tmp_path / "home").rglob("*.db")) + list((tmp_path / "home").rglob("*.sqlite")) == []
    assert rows(url, "select count(*) from runs")[0][0] == 1

    with dg.DagsterInstance.get() as instance:
        assert instance.get_materialized_partitions(dg.AssetKey(["flight_delays", "delivery"])) == {
            FIRST.isoformat(),
            LAST.isoformat(),
        }
        one = instance.get_runs()[0]
        snapshot = instance.get_job_snapshot(one.job_snapshot_id)  # type: ignore[arg-type]
        told = serialize_value(snapshot) + serialize_value(one) + str(instance.all_logs(one.run_id))
    said = capfd.readouterr()
    assert "decisions delivered" in said.err
    assert PASSWORD not in told + said.out + said.err
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any(p.name == "dagster.yaml" for p in files)
    assert [p for p in files if PASSWORD.encode() in p.read_bytes()] == []


def test_postgresql_restarted_within_a_run(place, postgres, undisturbed, monkeypatch):
    url = postgres.database()
    place("home", url)
    work, times = features.Window, []

    def restarting(*given: Any) -> Any:
        postgres.control("restart")
        times.append(time.monotonic())
        return work(*given)

    monkeypatch.setattr(features, "Window", restarting)
    run()  # kept connections died; the run went on with new ones
    assert times
    assert lake() == undisturbed
    assert delivered(url) == (decided(), decided())
    assert statuses() == ["SUCCESS"]


def test_postgresql_gone_within_a_run(place, postgres, undisturbed, monkeypatch):
    url = postgres.database()
    place("home", url)
    with monkeypatch.context() as patch:

        def stopping(*given: Any) -> Any:
            postgres.control("stop")
            raise RuntimeError("the machine with the database went down")

        patch.setattr(decisions, "decide", stopping)
        with pytest.raises(Exception):  # noqa: B017  Dagster's own, when it can't write what happened
            run()
        postgres.control("start")
    with dg.DagsterInstance.get() as instance, monkeypatch.context() as patch:
        assert housekeeping.fail_dead_runs(instance) == []  # this process still lives
        patch.setattr(housekeeping, "alive", lambda *_: None)
        housekeeping.fail_dead_runs(instance)
    assert statuses() == ["FAILURE"]  # not "started" for ever
    run()
    assert lake() == undisturbed
    assert delivered(url) == (decided(), decided())


def test_a_delivery_database_that_is_down_delays_deliveries_and_loses_none(place, postgres, undisturbed):
    url = postgres.database()
    place("home", url, production=False)
    postgres.control("stop")
    try:
        with pytest.raises(RuntimeError, match="flight_delays__delivery"):
            run()
        kept = lake()
        assert {n: b for n, b in undisturbed.items() if n.startswith("decisions/")} == {
            n: b for n, b in kept.items() if n.startswith("decisions/")
        }
        assert decided() > 1000
    finally:
        postgres.control("start")
    run(["delivery"])
    assert delivered(url) == (decided(), decided())
    first = rows(url, f"select * from {TABLE} order by decision_id")
    run(["delivery", "kpi_impact"])
    assert rows(url, f"select * from {TABLE} order by decision_id") == first
    assert lake() == undisturbed


# Settings


def test_any_spelling_of_postgresql_gets_the_driver_that_is_there(place):
    for scheme in ("postgres", "postgresql", "postgresql+psycopg2"):
        assert place("home", f"{scheme}://me@db/x").database_url == "postgresql+psycopg2://me@db/x"


def test_production_on_another_database_is_refused_without_telling_its_password(place):
    with pytest.raises(SettingsError, match="SIXTYFORTY_DATABASE_URL is no PostgreSQL") as told:
        place("home", f"mysql://me:{PASSWORD}@db/x")
    assert PASSWORD not in str(told.value)


def test_a_profile_shown_hides_the_url(place):
    assert PASSWORD not in repr(place("home", f"postgresql://me:{PASSWORD}@db/x"))


def test_connections_are_kept_and_survive_a_restart(place, postgres: Postgres):
    place("home", postgres.database())
    storage = ProfileStorage.from_config_value(None, {})
    engines = {id(s._engine) for s in (storage.run_storage, storage.event_log_storage, storage.schedule_storage)}
    assert len(engines) == 1
    assert not isinstance(storage.run_storage._engine.pool, sa.NullPool)
    assert storage.run_storage.get_runs() == []
    postgres.control("restart")
    assert storage.run_storage.get_runs() == []
    storage.run_storage._engine.dispose()
