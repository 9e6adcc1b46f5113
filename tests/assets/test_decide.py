"""The decision stages: decisions, review queue and delivery."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

import pytest

from assets import decide
from assets.stage import REFUSED
from pipelines.demo.drill.manipulations import cut_tail
from sixtyforty.lifecycle.champions import adopt_champion
from sixtyforty.workspace import Workspace
from tests.assets.conftest import make_run
from tests.helpers import land_days, make_workspace, publish_days, publish_landed_days, put_champion_in_force
from tests.webhook_receiver import SECRET, WEBHOOK, running_receiver

DAYS = [date(2013, 4, day) for day in range(1, 9)]
KEYS = [day.isoformat() for day in DAYS]
DECIDED = KEYS[4:]


def decided_home(folder: Path, **changes: object) -> Workspace:
    ws = make_workspace(folder, **changes)
    publish_days(ws, DAYS)
    put_champion_in_force(ws, DAYS[4])
    return ws


def test_a_replay_decides_each_unit_once(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    first = decide.decide_units(run := make_run(ws, DECIDED))
    assert set(first.published) == set(DECIDED)
    assert first.published[DECIDED[0]].metadata["new decisions"] == 4
    assert first.published[DECIDED[0]].metadata["by the model"] == 4
    counts = "16 new decisions; of all decisions of 4 partitions, 0 by the current process"
    assert run.log.lines == [f"INFO: decisions: taken ({counts})"]
    again = decide.decide_units(make_run(ws, DECIDED))
    assert {p.metadata["new decisions"] for p in again.published.values()} == {0}
    assert {k: p.version for k, p in again.published.items()} == {k: p.version for k, p in first.published.items()}


def test_nothing_is_decided_before_the_first_day_of_the_replay(tmp_path: Path) -> None:
    ws = decided_home(tmp_path, replay={"first_day": "2013-04-07"})
    assert set(decide.decide_units(make_run(ws, KEYS)).published) == {"2013-04-07", "2013-04-08"}


def test_live_decisions_wait_for_an_adoption(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    result = decide.decide_units(run := make_run(ws, DECIDED, track="live", as_of="2013-04-09T00:00:00"))
    assert result.published == {}
    assert run.log.lines[0] == (
        "WARNING: decisions: skipped (calls_in_time is not live). To go live, run `sixtyforty adopt calls_in_time`."
    )


def test_decisions_on_outdated_features_fail_the_check(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    scores, current, _ = decide.decide_units(make_run(ws, DECIDED)).checks
    assert (scores.passed, scores.description) == (True, "the champion in force scores every unit")
    assert (current.passed, current.description) == (True, "no decision uses outdated features")
    land_days(ws, DAYS[4:5], count=5)  # a late call
    from tests.helpers import accept_partitions

    accept_partitions(ws, KEYS[4:5])
    _, outdated, _ = decide.decide_units(make_run(ws, DECIDED)).checks
    assert not outdated.passed
    assert "2013-04-05" in outdated.metadata["partitions"]
    publish_landed_days(ws, KEYS)
    assert decide.decide_units(make_run(ws, DECIDED)).checks[1].passed


def test_a_champion_that_can_not_score_fails_the_check_and_the_decisions_are_taken(tmp_path: Path) -> None:
    ws = decided_home(tmp_path, automation={"late_after_minutes": 100_000})
    adopt_champion(ws, by="Ada", why="it pays", now=ws.use_case.day_start(DAYS[4]))
    version = ws.champion_ledger.promotions("live")[0].version
    model = Path(str(ws.models.folder(version)), "model.skops")
    content = model.read_bytes()
    model.unlink()
    result = decide.decide_units(run := make_run(ws, DECIDED[:1], track="live", as_of="2013-04-06T12:00:00"))
    assert result.published[DECIDED[0]].metadata["new decisions"] == 4
    assert "is missing" in result.published[DECIDED[0]].metadata["why the champion can't score some units"]
    (check,) = [check for check in result.checks if check.name == "champion_scores"]
    assert (check.passed, check.warn, version in check.metadata[REFUSED]) == (False, False, True)
    lines = [line for line in run.log.lines if "fallback" in line]
    first = f"WARNING: fallback calls_in_time {DECIDED[0]}: 1 decision due in the hour from 2013-04-05 "
    assert len(lines) == len({*lines}) == 4, "each call has an hour of its own"
    assert lines[0].startswith(first) and "because the champion can't score: " in lines[0]
    assert lines[0].endswith("is missing (run run-1)")
    again = decide.decide_units(later := make_run(ws, DECIDED[:1], track="live", as_of="2013-04-06T13:00:00"))
    assert not [line for line in later.log.lines if "fallback" in line], "no decision is logged twice"
    assert not again.checks[0].passed, "nothing is new, and the newest decisions are still unscored"
    model.write_bytes(content)
    mended = decide.decide_units(make_run(ws, DECIDED[:1], track="live", as_of="2013-04-06T13:00:00"))
    assert mended.checks[0].passed, "nothing is new, and the champion can score again"
    cured = decide.decide_units(make_run(ws, DECIDED[1:2], track="live", as_of="2013-04-07T12:00:00"))
    assert cured.checks[0].passed


def test_after_a_mended_model_the_unscored_decisions_of_the_same_day_fail_no_run(tmp_path: Path) -> None:
    ws = decided_home(tmp_path, automation={"late_after_minutes": 100_000})
    adopt_champion(ws, by="Ada", why="it pays", now=ws.use_case.day_start(DAYS[4]))
    model = Path(str(ws.models.folder(ws.champion_ledger.promotions("live")[0].version)), "model.skops")
    content = model.read_bytes()
    model.unlink()
    broken = decide.decide_units(make_run(ws, DECIDED[:1], track="live", as_of="2013-04-05T13:30:00"))
    assert not broken.checks[0].passed
    model.write_bytes(content)
    mended = decide.decide_units(make_run(ws, DECIDED[:1], track="live", as_of="2013-04-06T12:00:00"))
    assert mended.published[DECIDED[0]].metadata["by the model"] > 0
    assert mended.checks[0].passed


def test_reviews_are_queued_up_to_the_reviewers_time(tmp_path: Path) -> None:
    review = {"reviewers": {"shift_manager": 1}, "minutes_per_review": 5, "abstain_below": 2}
    ws = decided_home(tmp_path, people={"review": review})
    decide.decide_units(make_run(ws, DECIDED))
    result = decide.queue_decisions(run := make_run(ws, DECIDED))
    assert set(result.published) == set(DECIDED)
    queued = sum(p.metadata["decisions queued"] for p in result.published.values())
    assert all(p.metadata["decisions queued"] <= 1 for p in result.published.values())
    assert run.log.lines[0].startswith(f"INFO: review_queue: filled ({queued} decision")


def test_each_decision_is_delivered_once(tmp_path: Path) -> None:
    ws = decided_home(tmp_path)
    decide.decide_units(make_run(ws, DECIDED))
    first = decide.deliver(run := make_run(ws, DECIDED))
    assert {p.metadata["new decisions"] for p in first.published.values()} == {4}
    assert run.log.lines == ["INFO: delivery: delivered (16 new decisions)"]
    assert Path(first.published[DECIDED[0]].metadata["file"].path).exists()
    assert {p.metadata["new decisions"] for p in decide.deliver(make_run(ws, DECIDED)).published.values()} == {0}


def test_live_decisions_go_to_the_webhook_and_a_failure_stops_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = decided_home(tmp_path)
    ws = Workspace(ws.use_case.model_copy(update={"webhook": WEBHOOK}), ws.home, ws.database_url)
    adopt_champion(ws, by="Ada", why="it pays", now=datetime(2013, 4, 7))
    live = {"track": "live", "as_of": "2013-04-09T00:00:00"}
    decide.decide_units(make_run(ws, DECIDED[-1:], **live))
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    delivered = decide.deliver(run := make_run(ws, DECIDED[-1:], **live))
    assert run.log.lines[-1].startswith("ERROR: webhook: HOOK_URL holds no https address")
    count = sum(int(p.metadata["new decisions"]) for p in delivered.published.values())
    with running_receiver(204) as (url, bodies):
        monkeypatch.setenv("HOOK_URL", url)
        decide.deliver(make_run(ws, DECIDED[-1:], **live))
    assert count and sum(len(json.loads(body)["decisions"]) for body in bodies) == count


def test_a_cut_ledger_fails_the_check_and_the_current_process_decides(tmp_path: Path) -> None:
    ws = decided_home(tmp_path, automation={"late_after_minutes": 100_000})
    adopt_champion(ws, by="Ada", why="it pays", now=ws.use_case.day_start(DAYS[4]))
    decide.decide_units(make_run(ws, DECIDED[:1], track="live", as_of="2013-04-06T12:00:00"))
    cut_tail(ws)
    decided = decide.decide_units(run := make_run(ws, DECIDED[1:2], track="live", as_of="2013-04-07T12:00:00"))
    checks = {check.name: check for check in decided.checks}
    assert decided.published[DECIDED[1]].metadata["by the current process"] == 4
    assert "of champion.jsonl " in checks["ledgers_sound"].metadata[REFUSED]
    assert checks["champion_scores"].passed, "one cause fails one check"
    assert "by the current process (row " in run.log.lines[0]
