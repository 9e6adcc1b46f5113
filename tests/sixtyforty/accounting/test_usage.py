"""Usage is accounted for on the decision's day: what comes late restates that day alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.accounting import usage
from sixtyforty.accounting.usage import AnswerCounts, PartitionUsage
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import open_log, record_response
from sixtyforty.modeling.outcomes import build_outcomes
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import Event, Response
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, accept_partitions, make_workspace, publish_days, read_files

DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(4)]
KEYS = [f"{day}" for day in DAYS]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """Four days of decisions with known outcomes; the response log is in either database."""
    home = make_workspace(tmp_path, **WITH_RESPONSES)
    if request.param == "postgresql":
        home = Workspace(home.use_case, home.home, request.getfixturevalue("postgres").database())
    publish_days(home, DAYS)
    take_decisions(home, KEYS, "replay", None)
    yield home
    open_log(home)[0].dispose()


def answer(ws: Workspace, day: str, nth: int = 0, event: Event = "accepted") -> None:
    """Answer the nth decision of a day, ten days later."""
    decision = read_decisions(ws, day, "replay")[nth]
    response = Response(decision.decision_id, "ann", "decider", event, at=decision.decided_at + timedelta(days=10))
    if event == "overridden":
        action = "act" if decision.action == "wait" else "wait"
        response = Response(**response.__dict__ | {"action": action, "reason": 'so; "quoted", he wrote'})
    record_response(ws, response)


def account(ws: Workspace) -> dict[str, PartitionUsage]:
    """Import all responses and account for them."""
    accept_partitions(ws, KEYS)
    return {p: PartitionUsage.from_entry(e) for p, e in usage.write_accounts(ws, KEYS, "replay").items()}


def test_a_day_without_responses_has_an_account_of_unanswered_decisions(ws: Workspace) -> None:
    accounts = account(ws)
    assert list(accounts) == KEYS
    assert all((a.responses, a.seen, a.decisions) == (0, 0, 4) for a in accounts.values())
    assert not (ws.lake.root / "raw/responses").exists()


def test_without_a_source_of_responses_no_account_is_written(tmp_path: Path) -> None:
    ws = make_workspace(tmp_path)
    publish_days(ws, DAYS)
    take_decisions(ws, KEYS, "replay", None)
    assert usage.write_accounts(ws, KEYS, "replay") == {}


def test_a_response_counts_on_its_decisions_day_in_the_week_of_the_response(ws: Workspace) -> None:
    answer(ws, KEYS[1], event="overridden")
    accounts = account(ws)
    assert [key for key, counted in accounts.items() if counted.responses] == [KEYS[1]]
    assert accounts[KEYS[1]].weeks == {"2013-W11": [0, 1]}
    counts = accounts[KEYS[1]].roles["decider"]
    assert (counts.accepted, counts.overridden, counts.known) == (0, 1, 1)
    assert counts.gain == accounts[KEYS[1]].gain != 0


def test_a_late_response_restates_its_day_alone(ws: Workspace) -> None:
    for day in KEYS:
        answer(ws, day)
    assert len(account(ws)) == 4
    before = read_files(ws.lake.root / "acceptance")
    answer(ws, KEYS[2], nth=1, event="overridden")
    assert account(ws)[KEYS[2]].overridden == 1
    after = read_files(ws.lake.root / "acceptance")
    assert {name.split("/")[1][:10] for name in before.keys() ^ after.keys()} == {KEYS[2]}
    assert {name[7:17] for name in before.keys() & after.keys() if before[name] != after[name]} == {KEYS[2]}
    usage.write_accounts(ws, KEYS, "replay")
    assert read_files(ws.lake.root / "acceptance") == after


def test_an_outcome_that_is_known_late_restates_whether_the_override_gained(ws: Workspace) -> None:
    answer(ws, KEYS[0], event="overridden")
    gain = account(ws)[KEYS[0]].gain
    assert gain in (7.0, -7.0, 3.0, -3.0)
    ws.lake.drop("outcomes", KEYS[0])
    inputs = usage.current_inputs(ws, "replay", KEYS[0])
    assert account(ws)[KEYS[0]].roles["decider"] == AnswerCounts(overridden=1)
    built = build_outcomes(ws.use_case, ws.lake, KEYS)
    ws.lake.write("outcomes", KEYS[0], built.tables[KEYS[0]], inputs=built.inputs[KEYS[0]], code="test")
    assert usage.current_inputs(ws, "replay", KEYS[0]) != inputs
    counts = AnswerCounts(overridden=1, known=1, right=int(gain > 0), gain=gain)
    assert account(ws)[KEYS[0]].roles["decider"] == counts


def test_whether_an_override_gained_is_not_known_if_the_action_changes_the_outcome(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(ws, KEYS[0], event="overridden")
    monkeypatch.setattr(UseCase, "is_randomized", lambda *_: True)
    account_of_day = account(ws)[KEYS[0]]
    assert (account_of_day.overridden, account_of_day.known, account_of_day.gain) == (1, 0, 0.0)


def test_a_response_to_another_track_is_not_counted(ws: Workspace) -> None:
    answer(ws, KEYS[0])
    accept_partitions(ws, KEYS)
    assert usage.write_accounts(ws, KEYS, "live") == {}


def test_the_usage_survives_the_manifest(ws: Workspace) -> None:
    answer(ws, KEYS[0], event="overridden")
    restored = account(ws)[KEYS[0]]
    entry = ws.lake.entry(usage.usage_dataset("replay"), KEYS[0])
    assert entry is not None
    assert entry.facts == restored.to_facts()
    assert datetime.strptime(f"{min(restored.active)}-1", "%G-W%V-%u").year == 2013
