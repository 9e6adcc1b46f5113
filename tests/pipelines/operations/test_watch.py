"""The watch sees what Dagster tells nobody: failed runs, what is silent, a dead daemon, and the lake's troubles."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo

from pipelines.authoring import catalog
from pipelines.cli import main
from pipelines.operations import watch
from pipelines.operations.watch import Clockwork, failed_runs, look, patience, silent
from pipelines.settings import ROOT
from sixtyforty.workspace import Workspace

NOW = time.time()
USE_CASE = "flight_delays"
SENSOR, SCHEDULE = f"{USE_CASE}_new_data", f"{USE_CASE}_nightly"
BOTH = Clockwork(frozenset({SENSOR, SCHEDULE}))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as found:
        yield found


def beat(instance: dg.DagsterInstance, at: float = NOW) -> None:
    """Each daemon's heartbeat."""
    for kind in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, kind, None, None))


def clock(
    instance: dg.DagsterInstance, name: str, last: float, error: Exception | None = None, on: bool = True
) -> None:
    """A sensor (each 30 s) or the nightly schedule, and its last tick."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="x"), location_name="sixtyforty")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    sensor = name != SCHEDULE
    data: Any = (
        SensorInstigatorData(last_tick_timestamp=last, min_interval=30)
        if sensor
        else ScheduleInstigatorData("0 2 * * *", start_timestamp=last)
    )
    kind = InstigatorType.SENSOR if sensor else InstigatorType.SCHEDULE
    state = InstigatorState(origin, kind, InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED, data)
    instance.add_instigator_state(state)
    status = TickStatus.FAILURE if error else TickStatus.SKIPPED
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            name,
            kind,
            status,
            last,
            selector_id=state.selector_id,
            error=told_by_dagster(error),
        )
    )


def told_by_dagster(error: BaseException | None) -> SerializableErrorInfo | None:
    """An error as a tick keeps it, with its causes."""
    if error is None:
        return None
    return SerializableErrorInfo(str(error), [], type(error).__name__, told_by_dagster(error.__cause__))


def told(instance: dg.DagsterInstance, ticking: Clockwork = BOTH) -> dict[str, str]:
    return {a.subject: a.text for a in silent(instance, USE_CASE, NOW, ticking, 5.0)}


def run(instance: dg.DagsterInstance, job: str = USE_CASE, **tags: str) -> str:
    """A failed run."""

    @dg.op(name="raw__weather")
    def broken() -> None:
        raise ValueError("Mrs Miller, 5 Elm Street")

    @dg.job(name=job)
    def failing() -> None:
        broken()

    return failing.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


# Runs


def test_a_failed_run_is_told_with_its_step_and_days_and_no_data(instance: dg.DagsterInstance) -> None:
    days = {"dagster/asset_partition_range_start": "2013-06-01", "dagster/asset_partition_range_end": "2013-06-02"}
    run_id = run(instance, **days)
    (alert,) = failed_runs(instance, USE_CASE, time.time())
    assert alert.subject == run_id
    assert alert.text == (
        f"run {run_id[:8]} failed in raw__weather, days 2013-06-01 to 2013-06-02. Its page in Dagster says why."
    )


def test_a_run_that_will_be_tried_again_or_is_long_ago_is_not_told(instance: dg.DagsterInstance) -> None:
    run(instance, **{WILL_RETRY_TAG: "true"})
    assert failed_runs(instance, USE_CASE, time.time()) == []
    run(instance)
    assert failed_runs(instance, USE_CASE, time.time() + 8 * 86400) == []
    assert len(failed_runs(instance, USE_CASE, time.time())) == 1


def test_a_run_of_another_use_case_is_theirs(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch.catalog, "names", lambda: [USE_CASE, "orders"])
    run(instance)
    assert failed_runs(instance, "orders", time.time()) == []
    run(instance, job="housekeeping")  # nobody's: everybody's
    assert len(failed_runs(instance, "orders", time.time())) == 1


# Sensors, schedules and the daemon


def test_a_daemon_without_a_heartbeat_is_told_instead_of_all_it_should_do(instance: dg.DagsterInstance) -> None:
    clock(instance, SENSOR, NOW - 3600)
    assert told(instance).keys() == {"daemon"}
    beat(instance, NOW - 3600)
    assert told(instance).keys() == {"daemon"}
    beat(instance)
    assert told(instance).keys() == {SENSOR}


def test_a_silent_sensor_is_told_and_one_that_ticks_is_not(instance: dg.DagsterInstance) -> None:
    beat(instance)
    clock(instance, SENSOR, NOW - 100)
    assert told(instance) == {}
    clock(instance, f"{USE_CASE}_promotion", NOW - 200)
    since = f"{datetime.fromtimestamp(NOW - 200, UTC):%Y-%m-%d %H:%M} UTC"
    assert told(instance, Clockwork(None)) == {
        f"{USE_CASE}_promotion": f"{USE_CASE}_promotion has been silent since {since}."
    }
    assert told(instance) == {}  # it is declared no more


def test_a_sensor_that_failed_is_told_with_the_kind_of_error_alone(instance: dg.DagsterInstance) -> None:
    beat(instance)
    outer = RuntimeError("while looking")
    outer.__cause__ = PermissionError("Mrs Miller, 5 Elm Street")
    clock(instance, SENSOR, NOW, outer)
    assert told(instance) == {
        SENSOR: f"{SENSOR} failed at its last look (PermissionError). Its page in Dagster says why."
    }


def test_what_was_switched_off_is_silent_for_good_reason(instance: dg.DagsterInstance) -> None:
    beat(instance)
    clock(instance, SENSOR, NOW - 3600, on=False)
    assert told(instance) == {}


def test_a_schedule_is_silent_when_more_than_its_pause_has_passed(instance: dg.DagsterInstance) -> None:
    beat(instance)
    clock(instance, SCHEDULE, NOW - 26 * 3600)
    assert told(instance) == {}
    beat(instance, NOW + 5 * 3600)
    assert [a.subject for a in silent(instance, USE_CASE, NOW + 5 * 3600, BOTH, 5.0)] == [SCHEDULE]


def test_patience_covers_weekends_and_the_shortest_of_several_pauses() -> None:
    hour = 3600
    assert patience("0 * * * *", NOW) == pytest.approx(1.25 * hour + 120)
    assert patience("0 2 * * 1-5", NOW) == pytest.approx(1.25 * 72 * hour + 120)
    assert patience(["0 2 * * *", "0 14 * * *"], NOW) == pytest.approx(1.25 * 24 * hour + 120)


# The whole look


def test_one_look_that_fails_is_told_and_stops_no_other(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    (workspace.ledger.path.parent).mkdir(parents=True)
    sent: list[str] = []

    def send(_: str, title: str, text: str) -> str | None:
        sent.append(text)
        return None

    rows = look(workspace, "live", send, BOTH, NOW)
    assert [(r["kind"], r["subject"]) for r in rows] == [("not ticking", "Dagster")]
    assert "can't be looked at" in rows[0]["text"]
    assert look(workspace, "live", send, BOTH, NOW) == []


@pytest.mark.e2e
def test_a_dead_daemon_is_told_from_outside_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said = []
    for _ in range(2):
        command = [sys.executable, "-m", "pipelines.cli", "watch", "--once", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path)
        said.append(json.loads(done.stdout)["receipts"])
    assert [(r["use_case"], r["subject"]) for r in said[0]] == [(name, "daemon") for name in catalog.names()]
    assert said[1] == []
    kept = (tmp_path / "data" / "alerts" / f"{USE_CASE}.jsonl").read_text()
    assert "no heartbeat" in kept


def test_the_words_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["watch", "--help"])
    assert "--every" in capsys.readouterr().out
