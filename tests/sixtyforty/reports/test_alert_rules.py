"""The alert rules: what is wrong in the lake, in texts that hold no data and say what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.decisions.champion_scores import UNSCORED
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.reports.alert_rules import (
    RULES,
    find_decay,
    find_overdue_retrain,
    find_refused_change,
    find_rejected_batches,
    find_revoked_champion,
    find_stop,
    find_unscored,
)
from sixtyforty.reports.alerts import ALERT_KINDS
from sixtyforty.reports.feed_alerts import find_fallback
from sixtyforty.storage.champion_ledger import WithdrawalKind
from sixtyforty.storage.verdicts import RuleResult, Verdict, verdict_facts
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.workspace import Workspace
from tests.accounted_home import append_verdict
from tests.helpers import make_workspace

FIRST = date(2013, 3, 1)
PERSONAL = "Mrs Miller, 5 Elm Street"


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    return make_workspace(
        tmp_path, watch={"retrain_overdue_days": 3, "max_fallback_share": 0.5}, automation={"decay_days": 2}
    )


def days(count: int) -> list[str]:
    return [str(FIRST + timedelta(days=i)) for i in range(count)]


def write_decided_day(ws: Workspace, day: str, **counts: int) -> None:
    facts = {"model": 0, "current_process": 0, "fallback": 0} | counts
    deciders = [name for name, count in counts.items() for _ in range(count)]
    times = [datetime.fromisoformat(day)] * len(deciders)
    rows = pa.table({"decided_at": times, "decided_by": deciders, "reason": ["weather is late"] * len(deciders)})
    ws.lake.write(decisions_dataset("live"), day, rows, facts=facts)


def write_account(ws: Workspace, day: str, model: float, decisions: int = 10) -> None:
    value = DailyValue(day, decisions, model, 0.0, 0.0, 0.0, 0, 0, 0)
    ws.lake.write(kpi_dataset("live"), day, pa.table({"x": [1]}), facts=value.__dict__)


def write_rejection(ws: Workspace, day: str, invalid: int = 3) -> None:
    rules = [
        RuleResult("not_null", "site", "critical", False, invalid, 5, PERSONAL),
        RuleResult("x", "y", "warning", False),
    ]
    verdict = Verdict("calls", day, False, 5, 2, invalid, 0, 0, [f"calls.csv: {PERSONAL}"], rules)
    ws.lake.write("rejected/calls", day, pa.table({"x": [1]}), facts=verdict_facts(verdict))


def test_an_empty_lake_raises_no_alert(ws: Workspace) -> None:
    assert [rule(ws, "live") for rule in RULES.values()] == [[]] * len(RULES)
    assert set(RULES) <= set(ALERT_KINDS)


def test_a_rejected_batch_is_reported_with_counts_and_rules_and_without_data(ws: Workspace) -> None:
    write_rejection(ws, "2013-03-01")
    (alert,) = find_rejected_batches(ws, "live")
    assert alert.text == (
        "calls of 2013-03-01 was rejected: 3 of 5 rows are invalid. Failed rules: not_null (site)."
        " Read the details in Data Docs, then ask the sender for a corrected extract of the same name."
    )
    assert PERSONAL not in alert.text + alert.subject
    write_rejection(ws, "2013-03-01", invalid=2)  # sent again, and rejected again
    (second,) = find_rejected_batches(ws, "live")
    assert second.key != alert.key


@pytest.mark.parametrize(
    ("counts", "is_reported"),
    [({"model": 5, "fallback": 5}, False), ({"model": 4, "fallback": 6}, True), ({"current_process": 9}, False)],
)
def test_fallback_is_reported_for_the_newest_partition(
    ws: Workspace, counts: dict[str, int], is_reported: bool
) -> None:
    write_decided_day(ws, "2013-03-01", fallback=10)
    write_decided_day(ws, "2013-03-02", **counts)
    alerts = find_fallback(ws, "live")
    assert bool(alerts) == is_reported
    if is_reported:
        text = "took 6 of 10 decisions of 2013-03-02, of those due from 00:00 to 00:00 UTC: 6 because weather is late"
        assert f"{text} (limit: 50%)." in alerts[0].text
    assert find_fallback(ws, "replay") == []


def test_a_retrain_is_overdue_when_more_days_arrived_than_allowed(ws: Workspace) -> None:
    for day in days(5):
        ws.lake.write("outcomes", day, pa.table({"x": [1]}))
    assert find_overdue_retrain(ws, "live") == []  # nothing is decided on this track
    write_decided_day(ws, "2013-03-01", model=1)
    (alert,) = find_overdue_retrain(ws, "live")
    assert "4 days of outcomes arrived and no challenger was ever judged (limit: 3 days)." in alert.text
    append_verdict(ws, "2013-03-02", "HOLD", track="live")
    assert find_overdue_retrain(ws, "live") == []
    ws.lake.write("outcomes", "2013-03-06", pa.table({"x": [1]}))
    (alert,) = find_overdue_retrain(ws, "live")
    assert "since the challenger of 2013-03-02" in alert.text


@pytest.mark.parametrize(
    ("amounts", "is_reported"),
    [([-5.0], False), ([-5.0, -5.0], True), ([-50.0, 5.0, 5.0], False), ([50.0, 5.0, -6.0], True), ([0.0, 0.0], False)],
)
def test_decay_is_a_loss_over_the_newest_known_days(ws: Workspace, amounts: list[float], is_reported: bool) -> None:
    for day, amount in zip(days(len(amounts)), amounts, strict=True):
        write_account(ws, day, amount)
    write_account(ws, "2013-04-01", 0.0, decisions=0)  # no outcome is known yet
    alerts = find_decay(ws, "live")
    assert bool(alerts) == is_reported
    if amounts == [-5.0, -5.0]:
        assert alerts[0].text == (
            "From 2013-03-01 to 2013-03-02, the decisions gained -EUR 500 per 1,000 calls over the current process"
            " (limit: EUR 0). Look for a change in the data or in the process."
        )


def test_a_use_case_without_a_gate_is_not_reported_as_stopped(ws: Workspace) -> None:
    append_verdict(ws, "2013-03-02")
    assert find_stop(ws, "live") == []


def test_a_champion_that_can_not_score_is_reported_and_not_as_unsound_data(ws: Workspace) -> None:
    champion = append_verdict(ws, "2013-02-15", track="live").version
    unscored = [{"champion": champion, "reason": "its file is missing", "decisions": 9, "is_newest": True}]
    facts = {"model": 0, "current_process": 0, "fallback": 10, "unscored": unscored}
    reasons = ["weather is late", *[f"{UNSCORED}its file is missing"] * 9]
    times, deciders = [datetime(2013, 3, 1)] * 10, ["fallback"] * 10
    rows = pa.table({"decided_at": times, "decided_by": deciders, "reason": reasons})
    ws.lake.write(decisions_dataset("live"), "2013-03-01", rows, facts=facts)
    assert find_fallback(ws, "live") == [], "one of ten had unsound data"
    (alert,) = find_unscored(ws, "live")
    assert alert.text.startswith(
        f"The champion {champion} can't score: its file is missing. Since 2013-03-01, the current process took"
        " 9 decisions in its place."
    )
    write_decided_day(ws, "2013-03-02", model=10)
    assert find_unscored(ws, "live") == []


def test_a_refused_change_of_the_declaration_is_reported(ws: Workspace) -> None:
    assert find_refused_change(ws, "live") == []
    (alert,) = find_refused_change(replace(ws, refusal="calls_in_time: timezone was 'UTC'."), "live")
    assert alert.text == "calls_in_time: timezone was 'UTC'."


def take_out_of_force(ws: Workspace, version: str, kind: WithdrawalKind) -> None:
    ws.champion_ledger.take_out_of_force(
        version, kind, by="chain", as_of="2013-03-04", effective_from="2013-03-04T00:00:00", reasons=["a leak"]
    )


@pytest.mark.parametrize(
    ("kinds", "reported"),
    [
        ({"b": "revoked"}, ["b"]),
        ({"b": "withdrawn"}, []),
        ({"b": "withdrawn", "a": "revoked"}, ["a"]),
        ({"a": "revoked"}, []),  # b is sound and decides
    ],
)
def test_a_revoked_champion_is_reported_until_a_later_one_is_sound(
    ws: Workspace, kinds: dict[str, WithdrawalKind], reported: list[str]
) -> None:
    for day, version in (("2013-03-01", "a"), ("2013-03-02", "b")):
        append_verdict(ws, day, "PROMOTE", track="live", version=version)
    for version, kind in kinds.items():
        take_out_of_force(ws, version, kind)
    assert [alert.subject for alert in find_revoked_champion(ws, "live")] == reported
