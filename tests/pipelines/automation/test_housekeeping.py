"""Housekeeping deletes old logs, keeps what is in force, and marks runs without a process as failed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import AssetMaterializationPlannedData, EngineEventData

from assets.resources import ProjectHome
from desk.tables import FAILURES, SESSIONS, create_tables, open_database
from pipelines.automation import housekeeping
from pipelines.automation.housekeeping import PurgedRuns, fail_dead_runs, purge_old_logs
from pipelines.settings import load_settings, prepare_dagster_home
from sixtyforty.spec import clock
from sixtyforty.storage import security_log
from sixtyforty.storage.security_log import SecurityEvent, open_security_log
from tests.dagster_runs import create_dead_run, idle_job, start_event
from tests.homes import use_home

DAYS = dg.DailyPartitionsDefinition("2013-06-01", end_date="2013-06-10")
DAILY = dg.AssetKey("daily")
LATER = timedelta(hours=1)


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("sound", asset="daily")])
def daily(context) -> Any:  # type: ignore[no-untyped-def]
    """Materialize a day, with a check."""
    context.log.info("a line of the log")
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="sound")])


@pytest.fixture(params=["embedded", "production"])
def instance(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return an instance on either storage."""
    is_production = request.param == "production"
    use_home(monkeypatch, tmp_path, request.getfixturevalue("postgres").database() if is_production else None)
    prepare_dagster_home()
    with dg.DagsterInstance.get() as dagster:
        yield dagster


@pytest.fixture
def run(instance) -> Callable[[str], str]:
    """Return a function that materializes a day and returns the run's id."""
    return lambda day: dg.materialize([daily], instance=instance, partition_key=day).run_id


def count_lines(instance: dg.DagsterInstance, run_id: str) -> int:
    return len(instance.all_logs(run_id))


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return what Dagster's pages show of the asset."""
    latest = instance.get_latest_materialization_event(DAILY)
    log = instance.event_log_storage
    checks = log.get_asset_check_execution_history(dg.AssetCheckKey(DAILY, "sound"), limit=1)
    return {
        "materialized": instance.get_materialized_partitions(DAILY),
        "latest": latest and (latest.run_id, latest.timestamp),
        "check": [(c.run_id, c.status) for c in checks],
        "versions": {r.run_id for r in instance.fetch_materializations(DAILY, limit=1).records},
    }


def test_only_what_is_in_force_is_kept_of_old_runs(instance, run):
    replaced, in_force, newest = run("2013-06-01"), run("2013-06-02"), run("2013-06-01")
    before = shown(instance)
    assert count_lines(instance, in_force) > 5

    assert purge_old_logs(instance, datetime.now(UTC) - LATER) == PurgedRuns(0, 0)  # nothing is old yet
    assert purge_old_logs(instance, datetime.now(UTC) + LATER) == PurgedRuns(1, 2)

    assert instance.get_run_by_id(replaced) is None
    assert {r.run_id for r in instance.get_runs()} == {in_force, newest}
    assert shown(instance) == before
    assert before["materialized"] == {"2013-06-01", "2013-06-02"}
    assert count_lines(instance, replaced) == 0
    assert count_lines(instance, in_force) < 5
    assert purge_old_logs(instance, datetime.now(UTC) + LATER).deleted == 0


def test_the_mark_of_a_partition_that_is_still_rejected_is_kept(instance, run):
    run("2013-06-01")
    mark = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.NOT_STARTED)
    planned = dg.DagsterEvent.build_asset_materialization_planned_event(
        mark.job_name, "daily", AssetMaterializationPlannedData(DAILY, "2013-06-01", None)
    )
    instance.report_dagster_event(planned, mark.run_id)
    instance.report_run_failed(mark, "rejected")
    purge_old_logs(instance, datetime.now(UTC) + LATER)
    assert mark.run_id in {r.run_id for r in instance.get_runs()}
    run("2013-06-01")
    purge_old_logs(instance, datetime.now(UTC) + LATER)
    assert mark.run_id not in {r.run_id for r in instance.get_runs()}


def test_growth_is_bounded_by_the_partitions(instance, run, tmp_path):
    for _ in range(4):
        run("2013-06-01")
        run("2013-06-02")
        purge_old_logs(instance, datetime.now(UTC) + LATER)
    assert len(instance.get_runs()) == 2
    shards = [p for p in tmp_path.rglob("*.db") if p.stem.count("-") == 4]
    assert shards == []


def test_runs_under_way_keep_their_logs(instance):
    under_way = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("a line", under_way)
    before = count_lines(instance, under_way.run_id)
    assert purge_old_logs(instance, datetime.now(UTC) + LATER) == PurgedRuns(0, 0)
    assert count_lines(instance, under_way.run_id) == before > 0


def test_a_run_whose_process_is_gone_is_marked_failed(instance):
    dead = create_dead_run(instance)
    assert fail_dead_runs(instance) == [dead]
    assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
    assert fail_dead_runs(instance) == []


def test_a_running_run_is_not_marked(instance):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        run = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTING)
        instance.report_engine_event("started", run, EngineEventData.in_process(process.pid))
        instance.handle_new_event(start_event(run))
        assert fail_dead_runs(instance) == fail_dead_runs(instance, nothing_can_start=True) == []
        process.communicate(b"\n")
    assert fail_dead_runs(instance) == [run.run_id]


def test_a_run_that_waits_for_its_process_is_dead_only_if_nothing_can_start_it(instance):
    waiting = instance.create_run_for_job(idle_job, status=dg.DagsterRunStatus.STARTING)
    assert fail_dead_runs(instance) == []
    assert fail_dead_runs(instance, nothing_can_start=True) == [waiting.run_id]


def test_old_addresses_are_deleted_although_nobody_uses_the_desk(instance, tmp_path, monkeypatch):
    url = load_settings().database_url
    with open_security_log(url) as log:
        with monkeypatch.context() as patch:
            patch.setattr(security_log, "now", lambda: datetime(2013, 3, 14))
            log.record(SecurityEvent("log-in", "ann", "192.0.2.7"))
        housekeeping.delete_old_addresses()
        with sa.create_engine(url).connect() as connection:
            assert connection.scalar(sa.text("select count(*) from security_addresses")) == 0
        assert log.verify() == 1


def test_the_addresses_of_the_desk_are_deleted_although_nobody_logs_in(instance, tmp_path):
    """Once, an address stayed in the tables of the desk until somebody logged in, however old it was."""
    database = open_database(load_settings().database_url)
    create_tables(database)
    for at, address in ((datetime(2013, 3, 14), "192.0.2.7"), (clock.now(), "192.0.2.8")):
        session = {"token": address, "account": "ann", "opened_at": at, "seen_at": at, "address": address}
        with database.begin() as connection:
            connection.execute(sa.insert(SESSIONS).values(session))
            connection.execute(sa.insert(FAILURES).values(account="ann", address=address, at=at))
    housekeeping.delete_old_addresses()
    with database.connect() as connection:
        kept = [connection.scalars(sa.select(table.c.address)).all() for table in (SESSIONS, FAILURES)]
    database.dispose()
    assert kept == [["192.0.2.8"], ["192.0.2.8"]]


def test_the_job_purges_and_records_run_hours(instance, run, tmp_path):
    run("2013-06-01")
    project_home = ProjectHome(tmp_path, f"sqlite:///{tmp_path / 'd.db'}", str(tmp_path / "remote"))
    result = housekeeping.housekeeping.execute_in_process(instance=instance, resources={"project_home": project_home})
    assert (tmp_path / "data" / "portfolio" / "run_time.json").exists()
    assert "runs deleted: 0" in "".join(e.user_message for e in instance.all_logs(result.run_id))
