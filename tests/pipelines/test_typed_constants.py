"""A constant typed into features.sql is refused for days before it was known, on every surface, until it is cured."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets.stage import REFUSED
from pipelines.operations.run import asset_key
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.lifecycle.champions import adopt_champion
from sixtyforty.lifecycle.plan_edit import choose_sample
from sixtyforty.modeling.taint import find_tainted
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
from tests.helpers import SQL, day_range, land_days, merge
from tests.leaky_world import NAME, TYPED_IN, World, days_between, make_world
from tests.pipelines.conftest import RunCli
from tests.pipelines.test_leaky_world import alert_kinds
from tests.replayed_home import CHANGES as REPLAYED
from tests.stage_declarations import STAGES

FIRST, LAST = date(2013, 3, 1), date(2013, 3, 31)
DAYS = [date.fromisoformat(day) for day in day_range(FIRST, LAST)]
CHANGES = {
    **STAGES,
    "replay": {"first_day": "2013-03-18", "retrain": "week", "warm_up_days": 10},
    "gate": {"margin": 0, "max_rejected_share": 0.9},
}
RUN = f"run {NAME} {days_between(FIRST, LAST)}"


def declare(world: World, constant: str, known_since: date) -> None:
    """Declare a constant, as the refusal suggests."""
    entry = {"value": yaml.safe_load(constant), "known_since": known_since, "why": "the timetable of the winter"}
    world.changes = merge(world.changes, {"constants": [entry]})


def leakage_check() -> Any:
    """Return the newest result of the asset check `no_leakage`."""
    key = dg.AssetCheckKey(asset_key(NAME, "features"), "no_leakage")
    with dg.DagsterInstance.get() as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    return record.event.dagster_event.event_specific_data


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli) -> World:
    world = make_world(tmp_path / "world", monkeypatch, **CHANGES)
    land_days(world.open(), DAYS, count=12)
    return world


@pytest.mark.parametrize("form", TYPED_IN)
def test_a_typed_constant_is_refused_everywhere_and_cured(
    form: str, world: World, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant, sql = TYPED_IN[form]
    reason = f"the constant {constant} in features.sql, line 2; undeclared, known since "
    world.write_features(sql)
    finished = run_cli(RUN)
    assert finished.code == 1
    assert f"features of 31 partitions know the future (2013-03-01: {reason}" in finished.err
    assert f"`constants: [{{value: {constant}, known_since: DATE, why: TEXT}}]`" in finished.err
    assert "(12 of 12 units, decided at " in finished.err
    assert re.search(r"^  [\w, ]*\bkpi_impact\b[\w, ]*: ", finished.err, re.M)

    ws = world.open()
    assert len(find_tainted(ws.lake)) == len(DAYS)
    assert (ws.models.versions(), ws.champion_ledger.rows()) == ([], [])
    assert {d.decided_by for d in read_decisions(ws, "2013-03-28", "replay")} == {"current_process"}
    evaluation = leakage_check()
    assert not evaluation.passed and reason in evaluation.metadata[REFUSED].value
    pages = [ws.reports / "impact.html", ws.reports / "model_record.md", ws.reports.parent / "portfolio.html"]
    for command in (f"impact {NAME}", f"stage {NAME}", "portfolio", f"adopt {NAME} --why 'it pays'"):
        refused = run_cli(command)
        assert (refused.code, "know the future" in refused.err + refused.out) == (1, True), command
    assert all("know the future" in page.read_text() for page in pages)
    doctor = {thing["thing"]: thing for thing in run_cli("doctor --json").answer["things"]}
    assert reason in doctor[f"features of {NAME}"]["found"]
    assert reason in alert_kinds(world, monkeypatch)["leakage"]

    if form == "a list of keys":  # which ids will be late can't be known, so the feature is removed
        world.write_features(SQL["features"])
    else:
        declare(world, constant, date(2013, 2, 1))
    finished = run_cli(RUN)
    assert finished.code == 0, finished.err
    assert find_tainted(world.open().lake) == []
    assert world.open().models.versions(), "the cured data train models again"
    assert leakage_check().passed
    assert [run_cli(command).code for command in (f"impact {NAME}", "portfolio")] == [0, 0]
    assert not any("know the future" in page.read_text() for page in (pages[0], pages[2]))
    assert alert_kinds(world, monkeypatch) == {"leakage": "resolved"}


def test_a_plan_names_a_typed_constant_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    world = make_world(tmp_path / "world", monkeypatch, **REPLAYED)
    land_days(world.open(), DAYS, count=12)
    assert run_cli(RUN).code == 0
    sample = choose_sample(world.open().lake.partitions("features"))
    early = [partition for partition in sample if partition < "2013-03-28"]
    constant, sql = TYPED_IN["fitted rates"]
    world.write_features(sql)
    planned = run_cli(f"plan {NAME}")
    assert planned.code == 1
    assert f"know the future ({sample[0]}: the constant {constant} in features.sql, line 2; undeclared" in planned.out
    assert "known_since: DATE" in planned.out and "To apply the edit" not in planned.out
    assert not (world.open().lake.root / "constants").exists()

    declare(world, constant, date(2013, 3, 28))
    planned = run_cli(f"plan {NAME}")
    assert planned.code == 1
    assert "known since 2013-03-28 04:00 UTC (12 of 12 units" in planned.out
    assert 1 < len(early) < len(sample)
    assert f"features of {len(early)} partitions know the future" in planned.out, "the others are later"
    declare(world, constant, date(2013, 2, 1))
    planned = run_cli(f"plan {NAME}")
    assert planned.code == 0, planned.err
    assert "constants: none → " in planned.out
    assert "Leakage: none in a sample" in planned.out


def test_live_decisions_use_an_undeclared_constant_from_the_day_after_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    at_any_time = merge(REPLAYED, {"automation": {"late_after_minutes": 100_000}})
    world = make_world(tmp_path / "world", monkeypatch, **at_any_time)
    land_days(world.open(), DAYS, count=12)
    assert run_cli(RUN).code == 0
    ws, clock = world.open(), tmp_path / "clock"
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(clock))
    clock.write_text("2013-03-29T01:00:00")
    adopt_champion(ws, by="Ada", why="it pays", now=datetime(2013, 3, 29, 1))
    _, sql = TYPED_IN["a storm date"]
    world.write_features(sql.replace("u.load,", "u.load, 0 as late_before,"))

    clock.write_text("2013-03-29T14:30:00")  # after the first decisions of the day
    assert run_cli(f"run {NAME} {days_between(date(2013, 3, 29), date(2013, 3, 29))} --track live").code == 1
    first = read_decisions(ws, "2013-03-29", "live")
    assert {decision.decided_by for decision in first} == {"fallback"}
    assert all("2013-03-20" in decision.reason for decision in first)
    clock.write_text("2013-03-30T23:00:00")
    finished = run_cli(f"run {NAME} {days_between(date(2013, 3, 30), date(2013, 3, 30))} --track live")
    assert finished.code == 1, "no model learns from the 29th, and no figure counts it, until the constant is declared"
    assert not re.search(r"^  [\w, ]*\b(features|decisions)\b[\w, ]*: ", finished.err, re.M), finished.err
    assert {decision.decided_by for decision in read_decisions(ws, "2013-03-30", "live")} == {"model"}
    assert read_decisions(ws, "2013-03-29", "live")[: len(first)] == first
