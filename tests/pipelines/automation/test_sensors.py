"""The sensors: one run a range of partitions, none twice, and no digest twice."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.automation.run_requests import WHY_LENGTH, WHY_TAG
from pipelines.runtime.dagster_internals import partition_range
from sixtyforty.lifecycle import stale_partitions
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE, now
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict
from tests.helpers import make_use_case, make_workspace, publish_days
from tests.message_servers import run_message_server
from tests.pipelines.automation.conftest import DAYS, NIGHTLY
from tests.pipelines.automation.ticks import evaluate_sensor, stages_of

NO_DIGEST = "waits for the next digest: none is due"
GATE = {"target": 500, "minimum_gain": 100, "stop_date": "2013-08-15"}


def test_new_extracts_become_one_run_of_their_range(ws: Workspace, instance: dg.DagsterInstance) -> None:
    request = evaluate_sensor(ws, instance, "new_data").request
    assert partition_range(request.tags) == ("2013-03-05", "2013-03-07")
    assert request.run_config["resources"]["clock"]["config"] == {"track": "live", "as_of": "2013-03-08T12:00:00"}
    stages = stages_of(request)
    assert {"raw/calls", "validated/visits", "features", "decisions", "delivery", "data_docs"} <= stages
    assert "challenger" not in stages
    own = {name.removeprefix("sixtyforty/"): text for name, text in request.tags.items() if name.startswith("sixty")}
    assert set(own) == {"kind", "track", "work", "why"} and max(map(len, own.values())) <= WHY_LENGTH


def test_a_look_that_finds_nothing_opens_no_storage_of_dagster(tmp_path: Path) -> None:
    """Hundreds of sensors look every few seconds. Without an instance, the context raises an error if one is used."""
    tick = evaluate_sensor(make_workspace(tmp_path), None, "new_data")
    assert tick.skip_reason.startswith("waits for the next extract") and tick.cursor == "1"


def test_each_look_takes_another_stretch_of_a_long_history(
    ws: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale_partitions, "BLOCK", 1)  # each day is a stretch of its own
    looks = ws.use_case.index_of("2013-03-09") - ws.use_case.index_of(ws.use_case.limits[0])
    cursor, starts = None, []
    for _ in range(looks):
        tick = evaluate_sensor(ws, instance, "new_data", cursor)
        cursor = tick.cursor
        ranges = [partition_range(request.tags) for request in tick.requests]
        starts.append({first_and_last[0] for first_and_last in ranges if first_and_last})
    assert set().union(*starts) == {"2013-03-05", "2013-03-06"}, "the newest stretch's lookback is in each look"
    assert 0 < sum("2013-03-05" in look for look in starts) < len(starts)
    assert cursor == f"{looks}"


@pytest.mark.parametrize("cursor", ["2013-03-05", "all", "-3", "1e9", '{"turn": 4}', "9" * 5000, "٣"])
def test_a_cursor_that_was_edited_by_hand_starts_again(
    cursor: str, ws: Workspace, instance: dg.DagsterInstance
) -> None:
    tick = evaluate_sensor(ws, instance, "new_data", cursor)
    assert partition_range(tick.request.tags) == ("2013-03-05", "2013-03-07")
    assert tick.cursor == "1"


def test_new_data_is_judged_by_the_stage_gate(ws: Workspace, instance: dg.DagsterInstance) -> None:
    use_case = make_use_case(ws.home / "use_case", stages={"poc": GATE}, **NIGHTLY)
    tick = evaluate_sensor(Workspace(use_case, ws.home, ws.database_url), instance, "new_data")
    assert tick.requests and all("stage_gate" in stages_of(request) for request in tick.requests)


def test_an_approval_is_promoted_once(ws: Workspace, instance: dg.DagsterInstance) -> None:
    row = {
        "track": "live",
        "version": "2013-03-08-0000",
        "kind": "refresh",
        "as_of": "2013-03-08",
        "effective_from": "2013-03-08T12:00:00",
        "reasons": ["for the test"],
    }
    assert not evaluate_sensor(ws, instance, "retrain").requests
    ws.champion_ledger.append(verdict="PENDING", **row)
    assert not evaluate_sensor(ws, instance, "retrain").requests
    ws.champion_ledger.append(verdict="APPROVE", **row)
    assert stages_of(evaluate_sensor(ws, instance, "retrain").request) == {"champion"}
    ws.champion_ledger.append(verdict="PROMOTE", **row)
    assert evaluate_sensor(ws, instance, "retrain").skip_reason == (
        "waits for an approval or for a low gain: no challenger waits for promotion, and the champion's recent gain is"
        " unknown or not below decay_lift"
    )


def test_a_decayed_lift_trains_at_once(
    ws: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_days(ws, DAYS, count=20)
    monkeypatch.setattr("sixtyforty.lifecycle.champions.find_decay", lambda *_: "the lift is gone")
    assert evaluate_sensor(ws, instance, "retrain").request.tags[WHY_TAG] == "decay"


def test_a_digest_is_sent_once_where_somebody_subscribed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "clock").write_text("2013-03-08T14:00:00")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    subscriptions = [{"role": "decider", "cadence": "daily", "to": ["DESK_CHAT", "DESK_MAIL"]}]
    ws = make_workspace(tmp_path, subscriptions=subscriptions)
    assert evaluate_sensor(ws, instance, "digests").skip_reason == NO_DIGEST, "the use case isn't live yet"
    append_verdict(ws, "2013-03-05", track="live", kind="adopted")
    with run_message_server() as server:
        monkeypatch.setenv("DESK_CHAT", server.address)
        assert evaluate_sensor(ws, instance, "digests").skip_reason == (
            "daily digest of 2013-03-08 sent to decider:DESK_CHAT;"
            " daily digest of 2013-03-08 not sent to decider:DESK_MAIL: $DESK_MAIL is not set"
        )
        assert evaluate_sensor(ws, instance, "digests").skip_reason == NO_DIGEST
        assert len(server.received) == 1


def test_the_clock_file_of_a_drill_is_read_at_each_look(ws: Workspace, tmp_path: Path) -> None:
    assert now() == datetime(2013, 3, 8, 12)
    (tmp_path / "clock").write_text("2013-03-09T00:00:00")
    assert now() == datetime(2013, 3, 9)
