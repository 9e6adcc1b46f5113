"""What runs by itself: one run a range, none twice, none lost, whatever was killed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._core.test_utils import create_run_for_test

from assets.resources import ProjectHome
from pipelines.automation import sensors
from sixtyforty.lifecycle import catch_up
from sixtyforty.spec.clock import DRILL, now
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict
from tests.helpers import land_days, make_use_case, make_workspace, publish_days
from tests.message_servers import run_message_server

DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(3)]
NIGHTLY = {"automation": {"retrain_cron": "30 3 * * *"}}


@pytest.fixture
def ws(tmp_path, monkeypatch) -> Workspace:
    """Three days landed; it is the day after."""
    clock = tmp_path / "clock"
    clock.write_text("2013-03-08T12:00:00")
    monkeypatch.setenv(DRILL, str(clock))
    found = make_workspace(tmp_path, **NIGHTLY)
    land_days(found, DAYS)
    return found


@pytest.fixture
def instance():
    with dg.DagsterInstance.local_temp() as found:
        yield found


def tick(ws: Workspace, instance: dg.DagsterInstance, kind: str) -> tuple[list[dg.RunRequest], str]:
    """What a sensor or the schedule asks for, or why it asks for nothing."""
    project_home = ProjectHome(home=ws.home, database_url=ws.database_url, dvc_remote=str(ws.home / "remote"))
    defs = sensors.of(ws.use_case)
    if kind == "nightly":
        (schedule,) = defs.schedules or ()
        context = dg.build_schedule_context(instance=instance, resources={"project_home": project_home})
        data = schedule.evaluate_tick(context)  # type: ignore[union-attr]
    else:
        (sensor,) = [s for s in defs.sensors or () if s.name.endswith(kind)]
        context = dg.build_sensor_context(instance=instance, resources={"project_home": project_home})
        data = sensor.evaluate_tick(context)  # type: ignore[union-attr,assignment]
    return list(data.run_requests or []), str(data.skip_message or "")


def ran(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    """The request became a run that is, or ended, so."""
    create_run_for_test(instance, job_name=request.job_name or "", tags=dict(request.tags), status=status)


def test_what_landed_becomes_one_run_of_its_range(ws, instance):
    (request,), _ = tick(ws, instance, "new_data")
    assert request.tags[ASSET_PARTITION_RANGE_START_TAG] == "2013-03-05"
    assert request.tags[ASSET_PARTITION_RANGE_END_TAG] == "2013-03-07"
    assert request.run_config["resources"]["clock"]["config"] == {"track": "live", "as_of": "2013-03-08T12:00:00"}
    stages = {"/".join(k.path[1:]) for k in request.asset_selection or ()}
    assert {"raw/calls", "validated/visits", "features", "decisions", "delivery"} <= stages
    assert "challenger" not in stages


def test_each_tick_looks_at_the_next_stretch_of_a_long_history(ws, instance, monkeypatch):
    monkeypatch.setattr(catch_up, "BLOCK", 1)  # the days before these are empty, and as many blocks
    sensor = next(s for s in sensors.of(ws.use_case).sensors or () if s.name.endswith("new_data"))
    project_home = ProjectHome(home=ws.home, database_url=ws.database_url, dvc_remote=str(ws.home / "remote"))
    count = ws.use_case.index_of("2013-03-09") - ws.use_case.index_of(ws.use_case.limits[0]) + 1  # tomorrow is open
    cursor, found = None, []
    for _ in range(count - 1):
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"project_home": project_home})
        data = sensor.evaluate_tick(context)
        cursor = data.cursor
        found.append([r.tags[ASSET_PARTITION_RANGE_START_TAG] for r in data.run_requests or []])
    assert {start for of in found for start in of} == {"2013-03-05", "2013-03-06"}, "the newest's lookback at each"
    assert 0 < sum("2013-03-05" in of for of in found) < len(found)
    assert cursor == f"{count - 1}"


@pytest.mark.parametrize("status", [s for s in sensors.UNFINISHED if s != dg.DagsterRunStatus.QUEUED])
def test_a_day_that_a_run_is_at_is_left_to_it(ws, instance, status):
    (request,), _ = tick(ws, instance, "new_data")
    ran(instance, request, status)
    again, why = tick(ws, instance, "new_data")
    assert not again
    assert "waits for the run" in why


def test_a_tick_that_was_lost_asks_for_the_same_with_the_same_key(ws, instance):
    """A daemon killed before it launched: nothing is remembered but what lies there."""
    (first,), _ = tick(ws, instance, "new_data")
    (second,), _ = tick(ws, instance, "new_data")
    assert first.run_key == second.run_key


def test_a_failed_run_is_tried_again_after_a_while_with_another_key(ws, instance, monkeypatch):
    (first,), _ = tick(ws, instance, "new_data")
    ran(instance, first, dg.DagsterRunStatus.FAILURE)
    again, why = tick(ws, instance, "new_data")
    assert not again
    assert "failed 1 times" in why
    monkeypatch.setattr(sensors, "BACKOFF", (0, 0))
    (retry,), _ = tick(ws, instance, "new_data")
    assert retry.run_key != first.run_key, "a key that Dagster has seen is dropped for ever"
    assert retry.tags[sensors.WORK] == first.tags[sensors.WORK]


def test_what_a_run_did_and_left_as_it_is_is_not_asked_for_again(ws, instance):
    """A rejected day stays rejected until other bytes come."""
    (request,), _ = tick(ws, instance, "new_data")
    ran(instance, request, dg.DagsterRunStatus.SUCCESS)
    again, why = tick(ws, instance, "new_data")
    assert not again
    assert "was done" in why
    land_days(ws, [DAYS[-1] + timedelta(days=1)])
    assert tick(ws, instance, "new_data")[0]


def trained(ws: Workspace) -> Workspace:
    """Its days published, nothing trained yet."""
    publish_days(ws, DAYS, count=20)
    return ws


def test_the_night_trains_once_and_not_beside_another(ws, instance):
    (request,), _ = tick(trained(ws), instance, "nightly")
    assert {"/".join(k.path[1:]) for k in request.asset_selection or ()} == set(sensors.RETRAIN)
    (missed,), _ = tick(ws, instance, "nightly")
    assert missed.run_key == request.run_key, "of several missed nights one is made good"
    ran(instance, request, dg.DagsterRunStatus.STARTED)
    assert tick(ws, instance, "nightly") == ([], "a retrain is running")


def test_a_night_without_anything_to_learn_from_is_left_out(ws, instance):
    requests, why = tick(ws, instance, "nightly")
    assert not requests
    assert "nothing to learn from" in why


def test_an_approval_is_acted_on(ws, instance):
    row = {
        "track": "live",
        "version": "2013-03-08-0000",
        "kind": "refresh",
        "as_of": "2013-03-08",
        "effective_from": "2013-03-08T12:00:00",
        "reasons": ["seen"],
    }
    assert not tick(ws, instance, "retrain")[0]
    ws.champion_ledger.append(verdict="PENDING", **row)
    assert not tick(ws, instance, "retrain")[0]
    ws.champion_ledger.append(verdict="APPROVE", **row)
    (request,), _ = tick(ws, instance, "retrain")
    assert [k.path[-1] for k in request.asset_selection or ()] == ["champion"]
    ws.champion_ledger.append(verdict="PROMOTE", **row)
    assert not tick(ws, instance, "retrain")[0]


def test_decay_retrains_at_once(ws, instance, monkeypatch):
    trained(ws)
    monkeypatch.setattr("sixtyforty.lifecycle.champions.find_decay", lambda *_: "the lift is gone")
    (request,), _ = tick(ws, instance, "retrain")
    assert request.tags["sixtyforty/why"] == "decay"


def test_digests_are_told_once_by_a_sensor_where_somebody_subscribed(tmp_path, monkeypatch, instance):
    (tmp_path / "clock").write_text("2013-03-08T14:00:00")
    monkeypatch.setenv(DRILL, str(tmp_path / "clock"))
    subscribed = [{"role": "decider", "cadence": "daily", "to": ["DESK_CHAT", "DESK_MAIL"]}]
    ws = make_workspace(tmp_path, subscriptions=subscribed)
    assert tick(ws, instance, "digests") == ([], "every digest that is due was sent, or waits"), "it isn't live yet"
    append_verdict(ws, "2013-03-05", track="live", kind="adopted")
    with run_message_server() as desk:
        monkeypatch.setenv("DESK_CHAT", desk.address)
        _, told = tick(ws, instance, "digests")
        assert told == (
            "daily digest of 2013-03-08 sent to decider:DESK_CHAT;"
            " daily digest of 2013-03-08 not sent to decider:DESK_MAIL: $DESK_MAIL is not set"
        )
        assert tick(ws, instance, "digests") == ([], "every digest that is due was sent, or waits")
        assert len(desk.received) == 1
    assert not [s for s in sensors.of(make_workspace(tmp_path).use_case).sensors or () if "digest" in s.name]


def test_everything_is_off_until_someone_turns_it_on(ws):
    defs = sensors.of(ws.use_case)
    assert {s.default_status for s in defs.sensors or ()} == {dg.DefaultSensorStatus.STOPPED}
    assert [s.execution_timezone for s in defs.schedules or ()] == ["America/New_York"]


def test_the_drills_clock_is_read_anew(ws, tmp_path: Path):
    from sixtyforty.spec.clock import now

    assert now() == datetime(2013, 3, 8, 12)
    (tmp_path / "clock").write_text("2013-03-09T00:00:00")
    assert now() == datetime(2013, 3, 9)


GATE = {"target": 500, "minimum_gain": 100, "stop": "2013-08-15"}


def test_a_gate_is_judged_with_new_data(ws: Workspace, instance: dg.DagsterInstance) -> None:
    case = make_use_case(ws.home / "use_case", stages={"poc": GATE}, **NIGHTLY)
    asked, _ = tick(Workspace(case, ws.home, ws.database_url), instance, "new_data")
    assert asked and all(dg.AssetKey([case.name, "stage_gate"]) in (r.asset_selection or ()) for r in asked)


def test_what_is_retired_is_trained_no_more(ws: Workspace, instance: dg.DagsterInstance) -> None:
    publish_days(ws, DAYS)
    assert tick(ws, instance, "nightly")[0]
    retire(ws, "Ada", "it is over", now())
    assert tick(ws, instance, "nightly") == ([], "retired")
