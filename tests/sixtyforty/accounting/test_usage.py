"""Use accounted for by the decision's day: what comes late restates that day alone, and nothing else costs anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from sixtyforty.accounting import usage
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import Response, open_log, record_response
from sixtyforty.modeling import outcomes
from sixtyforty.workspace import Workspace
from tests.helpers import WITH_RESPONSES, accept, make_workspace, publish, snapshot

DAYS = [date(2013, 3, 5) + timedelta(days=i) for i in range(4)]
KEYS = [f"{d}" for d in DAYS]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """Four days, decided and known; the log in either database."""
    found = make_workspace(tmp_path, **WITH_RESPONSES)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").database()
        found = Workspace(found.use_case, found.home, url)
    publish(found, DAYS)
    take_decisions(found, KEYS, "replay", None)
    yield found
    open_log(found)[0].dispose()


def answer(ws: Workspace, day: str, nth: int = 0, event: str = "accepted", at: datetime | None = None) -> str:
    """The nth decision of a day, answered; later, unless said, by ten days."""
    one = read_decisions(ws, day, "replay")[nth]
    change = {"action": "act" if one["action"] == "wait" else "wait", "reason": 'so; "said", he'}
    moment = at or one["decided_at"] + timedelta(days=10)
    said = change if event == "overridden" else {}
    return record_response(ws, Response(one["decision_id"], "ann", "decider", event, at=moment, **said)).decision_id  # type: ignore[arg-type]


def accounted(ws: Workspace) -> dict[str, dict]:
    """Whatever responses there are brought to their accounts."""
    accept(ws, KEYS)
    return {p: e.facts for p, e in usage.write_accounts(ws, KEYS, "replay").items()}


def test_a_day_without_responses_has_no_account_and_costs_nothing(ws: Workspace) -> None:
    assert accounted(ws) == {}
    assert not (ws.lake.root / "raw/responses").exists()
    assert not (ws.lake.root / "acceptance").exists()


def test_a_response_counts_on_the_day_of_its_decision_in_the_week_in_which_it_came(ws: Workspace) -> None:
    answer(ws, KEYS[1], event="overridden")
    found = accounted(ws)
    assert list(found) == [KEYS[1]]
    assert found[KEYS[1]]["weeks"] == {"2013-W11": [0, 1]}
    role = found[KEYS[1]]["roles"]["decider"]
    assert (role["accepted"], role["overridden"], role["known"]) == (0, 1, 1)
    assert role["gain"] == found[KEYS[1]]["gain"] != 0


def test_a_late_response_restates_its_day_alone(ws: Workspace) -> None:
    for day in KEYS:
        answer(ws, day)
    assert len(accounted(ws)) == 4
    before = snapshot(ws.lake.root / "acceptance")
    answer(ws, KEYS[2], nth=1, event="overridden")
    assert accounted(ws)[KEYS[2]]["overridden"] == 1
    after = snapshot(ws.lake.root / "acceptance")
    assert {n.split("/")[1][:10] for n in before.keys() ^ after.keys()} == {KEYS[2]}
    assert {n[7:17] for n in before.keys() & after.keys() if before[n] != after[n]} == {KEYS[2]}
    usage.write_accounts(ws, KEYS, "replay")
    assert snapshot(ws.lake.root / "acceptance") == after


def test_an_outcome_that_is_known_late_restates_who_was_right(ws: Workspace) -> None:
    answer(ws, KEYS[0], event="overridden")
    gain = accounted(ws)[KEYS[0]]["gain"]
    assert gain in (7.0, -7.0, 3.0, -3.0)
    ws.lake.drop("outcomes", KEYS[0])
    without = usage.current_inputs(ws, "replay", KEYS[0])
    role = accounted(ws)[KEYS[0]]["roles"]["decider"]
    assert role == {"accepted": 0, "overridden": 1, "known": 0, "right": 0, "gain": 0.0}
    became = outcomes.build_outcomes(ws.use_case, ws.lake, KEYS)
    ws.lake.write("outcomes", KEYS[0], became.tables[KEYS[0]], inputs=became.inputs[KEYS[0]], code="test")
    assert usage.current_inputs(ws, "replay", KEYS[0]) != without
    assert accounted(ws)[KEYS[0]]["roles"]["decider"] == role | {"known": 1, "right": int(gain > 0), "gain": gain}


def test_where_the_action_changes_the_outcome_nobody_knows_who_was_right(ws: Workspace, monkeypatch) -> None:
    answer(ws, KEYS[0], event="overridden")
    monkeypatch.setattr(usage.arms, "randomized", lambda *_: True)
    found = accounted(ws)[KEYS[0]]
    assert (found["overridden"], found["known"], found["gain"]) == (1, 0, 0.0)
