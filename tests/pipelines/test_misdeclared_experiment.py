"""A past experiment dealt by other shares than declared is refused on every surface, until the shares are corrected."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.helpers import SQL, day_range, land_days
from tests.leaky_world import NAME, World, days_between, make_world
from tests.pipelines.conftest import RunCli
from tests.stage_declarations import STAGES

FIRST, LAST = date(2013, 3, 1), date(2013, 4, 10)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
OUTCOMES = """select u.id, v.late, v.known_at, case when hash(u.id) % 100 < 22 then 'wait' else 'act' end as got
    from units u left join visits v using (id)"""
DECLARED, DEALT = {"wait": 0.5, "act": 0.5}, {"wait": 0.22, "act": 0.78}
REASON = "differ from those declared in kpi.treatment.shares (overall"
SEEN = "wait 50.0% declared and 2"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> World:
    monkeypatch.setitem(SQL, "outcomes", OUTCOMES)
    world = make_world(
        tmp_path / "world",
        monkeypatch,
        **STAGES,
        kpi={
            "measurement": "randomized",
            "treatment": {"column": "got", "shares": DECLARED, "value_per_outcome": -10},
            "actions": {"act": {"gain": 0}},
        },
        replay={"first_day": "2013-03-18", "retrain": "week", "warm_up_days": 10},
        gate={"margin": 0, "max_rejected_share": 0.9},
    )
    land_days(world.open(), DAYS, count=12)
    return world


def test_a_misdeclared_experiment_is_refused_everywhere_and_cured(world: World, run_cli: RunCli) -> None:
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 1
    for stage in ("backtest", "champion", "kpi_impact"):
        assert re.search(rf"^  [\w, ]*\b{stage}\b[\w, ]*: ", finished.err, re.M), finished.err
    assert REASON in finished.err and SEEN in finished.err
    ws = world.open()
    assert ws.champion_ledger.promotions("replay") == []
    adoption = f"adopt {NAME} --why 'it pays'"
    for command in (f"impact {NAME}", f"impact {NAME} --json", f"stage {NAME}", "portfolio", adoption):
        refused = run_cli(command)
        assert (refused.code, REASON in refused.err + refused.out) == (1, True), command
    pages = [ws.reports / "impact.html", ws.reports / "model_record.md", ws.reports.parent / "portfolio.html"]
    assert all(REASON in page.read_text() for page in pages)

    world.changes["kpi"]["treatment"]["shares"] = DEALT
    finished = run_cli(f"run {NAME} {days_between(FIRST, LAST)}")
    assert finished.code == 0, finished.err
    for command in (f"impact {NAME}", f"stage {NAME}", "portfolio"):
        assert run_cli(command).code == 0, command
    impact, _, portfolio = pages  # the model record keeps the verdicts of the past
    assert REASON not in impact.read_text() + portfolio.read_text()
