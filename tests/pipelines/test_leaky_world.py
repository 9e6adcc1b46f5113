"""A feature that knows the future is refused on every surface, with its reason, until it is cured."""

from __future__ import annotations

import re
import time
from datetime import date
from pathlib import Path

import pytest

from pipelines.operations.dagster_watch import Automation
from pipelines.operations.watch import watch_use_case
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.modeling.taint import find_tainted
from sixtyforty.reports.alerts import AlertReceipt
from tests.helpers import SQL, day_range, land_days
from tests.leaky_world import LEAK, NAME, World, days_between, make_world
from tests.pipelines.conftest import RunCli
from tests.stage_declarations import STAGES

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 10)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
CHANGES = {
    **STAGES,
    "replay": {"first_day": "2013-03-18", "retrain": "week", "warm_up_days": 10},
    "gate": {"margin": 0, "max_rejected_share": 0.9},
}
FEATURES_REASON = "know the future (2013-03-01: late_today ("  # features are built from the first day on
REASON = "know the future (2013-03-18: late_today ("  # decisions begin later


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> World:
    world = make_world(tmp_path / "world", monkeypatch, **CHANGES)
    land_days(world.open(), DAYS, count=12)
    return world


def alert_kinds(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the texts of the alerts about leakage that the watch sends, by kind."""
    receipts = watch_use_case(world.open(), "replay", lambda *_: None, Automation(frozenset()), time.time())
    return {
        r.kind: r.text if isinstance(r, AlertReceipt) else "resolved"
        for r in receipts
        if r.kind in ("leakage", "champion revoked")
    }


def test_a_leak_is_refused_everywhere_and_cured(
    world: World,
    run_cli: RunCli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.write_features(LEAK)
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 1
    assert finished.err.partition("checks stopped some stages")[2].count("know the future (2013-03-01: ") == 1
    assert REASON in finished.err
    for stage in ("features", "training_set", "champion", "kpi_impact"):
        assert re.search(rf"^  [\w, ]*\b{stage}\b[\w, ]*: ", finished.err, re.M), finished.err

    ws = world.open()
    assert [tainted.partition for tainted in find_tainted(ws.lake)] == [day.isoformat() for day in DAYS]
    assert ws.models.versions() == []
    assert ws.champion_ledger.rows() == []
    assert {d.decided_by for d in read_decisions(ws, "2013-04-01", "replay")} == {"current_process"}

    for command in (f"impact {NAME}", f"stage {NAME}", "portfolio", f"stage {NAME} --advance --why now"):
        refused = run_cli(command)
        assert (refused.code, REASON in refused.err + refused.out) == (1, True), command
    adoption = run_cli(f"adopt {NAME} --why 'it pays'")
    assert (adoption.code, FEATURES_REASON in adoption.err) == (1, True), adoption.err
    pages = [ws.reports / "impact.html", ws.reports / "model_record.md", ws.reports.parent / "portfolio.html"]
    assert all(REASON in page.read_text() for page in pages)
    assert "not shown" in pages[-1].read_text()
    doctor = {thing["thing"]: thing for thing in run_cli("doctor --json").answer["things"]}
    assert FEATURES_REASON in doctor[f"features of {NAME}"]["found"]
    assert FEATURES_REASON in alert_kinds(world, monkeypatch)["leakage"]

    world.write_features(SQL["features"])
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err
    ws = world.open()
    assert find_tainted(ws.lake) == []
    assert ws.models.versions(), "the cured data train models again"
    assert {row.kind for row in ws.champion_ledger.rows()} <= {"first", "refresh"}
    for command in (f"impact {NAME}", f"stage {NAME}", "portfolio"):
        assert run_cli(command).code == 0, command
    assert not any("know the future" in page.read_text() for page in (pages[0], pages[2]))  # the record has a history
    assert run_cli("doctor --json").answer["things"]
    assert alert_kinds(world, monkeypatch) == {"leakage": "resolved"}
