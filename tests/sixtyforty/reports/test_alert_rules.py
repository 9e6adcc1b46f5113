"""What the lake says is wrong, in words that hold no data."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sixtyforty.reports.alert_rules import decay, fallback, overdue, rejected
from sixtyforty.storage.verdicts import RuleResult, Verdict
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace

FIRST = date(2013, 3, 1)
SECRET = "Mrs Miller, 5 Elm Street"


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(
        tmp_path, watch={"retrain_overdue_days": 3, "max_fallback_share": 0.5}, automation={"decay_days": 2}
    )


def days(count: int) -> list[str]:
    return [str(FIRST + timedelta(days=i)) for i in range(count)]


def decided(ws: Workspace, day: str, **by: int) -> None:
    facts = {"model": 0, "current_process": 0, "fallback": 0} | by
    ws.lake.write("decisions/live", day, pa.table({"x": list(range(sum(by.values())))}), facts=facts)


def earned(ws: Workspace, day: str, model: float, decisions: int = 10) -> None:
    one = DailyValue(day, decisions, model, 0.0, 0.0, 0.0, 0, 0, 0)
    ws.lake.write("kpi/live", day, pa.table({"x": [1]}), facts=one.__dict__)


def refuse(ws: Workspace, day: str, bad: int = 3) -> None:
    rules = [RuleResult("not_null", "site", "critical", False, bad, 5, SECRET), RuleResult("x", "y", "warning", False)]
    verdict = Verdict("calls", day, False, 5, 2, bad, 0, 0, [f"calls.csv: {SECRET}"], rules)
    facts = {"verdict": verdict.to_dict(), "verdict_id": verdict.id}
    ws.lake.write("rejected/calls", day, pa.table({"x": [1]}), facts=facts)


def test_nothing_is_wrong_with_an_empty_lake(ws: Workspace) -> None:
    assert [look(ws, "live") for look in (rejected, fallback, overdue, decay)] == [[]] * 4


def test_a_rejected_batch_is_told_with_counts_and_rules_and_no_data(ws: Workspace) -> None:
    refuse(ws, "2013-03-01")
    (alert,) = rejected(ws, "live")
    assert alert.text.startswith("calls of 2013-03-01 was rejected: 3 of 5 rows are bad; rules broken: not_null (site)")
    assert SECRET not in alert.text + alert.subject
    refuse(ws, "2013-03-01", bad=2)  # sent again, and bad again
    (other,) = rejected(ws, "live")
    assert other.key != alert.key


@pytest.mark.parametrize(
    ("by", "told"),
    [({"model": 5, "fallback": 5}, False), ({"model": 4, "fallback": 6}, True), ({"current_process": 9}, False)],
)
def test_fallback_is_told_of_the_newest_partition(ws: Workspace, by: dict[str, int], told: bool) -> None:
    decided(ws, "2013-03-01", fallback=10)
    decided(ws, "2013-03-02", **by)
    found = fallback(ws, "live")
    assert bool(found) == told
    if told:
        assert "60% of 2013-03-02's decisions" in found[0].text
    assert fallback(ws, "replay") == []


def test_a_retrain_is_overdue_when_more_days_have_come_than_may(ws: Workspace) -> None:
    def judged(as_of: str) -> None:
        ws.champion_ledger.append(
            track="live",
            version=f"{as_of}-x",
            verdict="HOLD",
            kind="refresh",
            as_of=as_of,
            effective_from=as_of,
            reasons=[],
        )

    for day in days(5):
        ws.lake.write("outcomes", day, pa.table({"x": [1]}))
    assert overdue(ws, "live") == []  # nothing is decided on this track
    decided(ws, "2013-03-01", model=1)
    (alert,) = overdue(ws, "live")
    assert "4 days of outcomes have come and no challenger was ever judged; 3 may" in alert.text
    judged("2013-03-02")
    assert overdue(ws, "live") == []
    ws.lake.write("outcomes", "2013-03-06", pa.table({"x": [1]}))
    (again,) = overdue(ws, "live")
    assert "since the challenger of 2013-03-02" in again.text


@pytest.mark.parametrize(
    ("money", "told"),
    [([-5.0], False), ([-5.0, -5.0], True), ([-50.0, 5.0, 5.0], False), ([50.0, 5.0, -6.0], True), ([0.0, 0.0], False)],
)
def test_decay_is_a_loss_over_the_newest_known_days(ws: Workspace, money: list[float], told: bool) -> None:
    for day, model in zip(days(len(money)), money, strict=True):
        earned(ws, day, model)
    earned(ws, "2013-04-01", 0.0, decisions=0)  # nothing known of it yet
    found: list[Any] = decay(ws, "live")
    assert bool(found) == told
    if money == [-5.0, -5.0]:
        assert "2013-03-01 to 2013-03-02 the decisions were worth -500 EUR per 1,000 calls against the" in found[0].text
