"""The checks of a drill compare bytes, and show each result on a line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipelines.demo import flights
from pipelines.demo.drill import checks
from pipelines.demo.drill.checks import DecisionCounts, as_table, check_bytes, check_decisions
from pipelines.demo.drill.home import DrillHome, create_home
from pipelines.demo.drill.live_days import DrillResult
from pipelines.demo.drill.plan import TWO_DAYS, Plan
from tests.pipelines.demo.drill.conftest import make_delivered

PLAN = Plan(days=[date(2013, 6, 4)], hourly=None, faults=TWO_DAYS.faults, daemon_kills=[], worker_kills=[])
HELD = DecisionCounts(due=100, taken=100, distinct=100, missing=0, late=0, dead_feed=3, by_model=97, fallback_astray=0)


def home_with_files(folder: Path, content: str) -> DrillHome:
    """Return a home with one file in each data stage, on the day before the plan's."""
    home = create_home(folder, {})
    for stage in checks.STAGES:
        path = folder / "data" / "lake" / flights.USE_CASE / stage / "2013-06-03.json"
        path.parent.mkdir(parents=True)
        path.write_text(content)
        path.with_name("2013-05-01.json").write_text(str(folder))  # Too old to be compared.
    return home


def test_equal_bytes_pass_and_different_ones_are_named(tmp_path: Path) -> None:
    home = home_with_files(tmp_path / "lived", "1")
    same, other = home_with_files(tmp_path / "same", "1"), home_with_files(tmp_path / "other", "2")
    results = check_bytes(home, same, PLAN)
    assert [result.subject for result in results] == list(checks.STAGES)
    assert {(result.outcome, result.ok) for result in results} == {("1 file, byte-equal to a backfill", True)}
    for result in check_bytes(home, other, PLAN):
        assert not result.ok
        assert "2013-06-03.json" in result.outcome


def test_a_stage_without_files_fails_unless_it_may_be_empty(tmp_path: Path) -> None:
    empty, other = create_home(tmp_path / "empty", {}), create_home(tmp_path / "other", {})
    results = {result.subject: result.ok for result in check_bytes(empty, other, PLAN)}
    assert {stage for stage, ok in results.items() if ok} == set(checks.MAY_BE_EMPTY)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, set()),
        ({"taken": 99, "distinct": 99, "missing": 1}, {"each departure decided exactly once"}),
        ({"distinct": 99}, {"each departure decided exactly once"}),
        ({"by_model": 0}, {"decided by the model"}),
        ({"late": 5}, {"timetable too late, decided by the fallback"}),
        ({"dead_feed": 0}, {"dead feed, decided by the fallback"}),
        ({"fallback_astray": 1}, {"dead feed, decided by the fallback"}),
    ],
)
def test_decisions_are_checked(
    changes: dict[str, int], failed: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = DecisionCounts(**(vars(HELD) | changes))
    delivered = {f"decision {number}": make_delivered("standby") for number in range(counts.taken)}
    monkeypatch.setattr(checks, "_count_decisions", lambda home, plan: counts)
    monkeypatch.setattr(checks, "delivered_decisions", lambda home: delivered)
    results = check_decisions(create_home(tmp_path, {}), PLAN, delivered)
    assert {result.subject for result in results if not result.ok} == failed


def test_a_changed_delivery_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered = {f"decision {number}": make_delivered("standby") for number in range(HELD.taken)}
    current = delivered | {"decision 0": make_delivered("none")}
    monkeypatch.setattr(checks, "_count_decisions", lambda home, plan: HELD)
    monkeypatch.setattr(checks, "delivered_decisions", lambda home: current)
    results = check_decisions(create_home(tmp_path, {}), PLAN, delivered)
    assert [result.subject for result in results if not result.ok] == ["delivered, and unchanged since"]


def test_the_table_has_a_line_for_each_result() -> None:
    table = as_table([DrillResult("raw", "3 files"), DrillResult("features", "2 files differ", ok=False)])
    assert table.splitlines() == ["ok   raw       3 files", "NOT  features  2 files differ"]
