"""A response that doesn't fit is rejected with what to correct, and nothing is recorded."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.response_rules import ResponseError, check_not_simulated_live, check_response
from sixtyforty.decisions.responses import Response, open_log, record_response
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days

DAY = date(2013, 4, 2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Publish a day that the current process decided."""
    ws = make_workspace(tmp_path_factory.mktemp("home"))
    publish_days(ws, [DAY])
    take_decisions(ws, [f"{DAY}"], "replay", None)
    return ws


def decision_with(ws: Workspace, action: str) -> str:
    decisions = read_decisions(ws, f"{DAY}", "replay")
    return next(d.decision_id for d in decisions if d.action == action)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"event": "overridden", "action": "act"}, "has no reason"),
        ({"event": "overridden", "action": "act", "reason": "  "}, "has no reason"),
        ({"event": "overridden", "action": "wait", "reason": "x"}, "override the decision 'wait'. Allowed: act"),
        ({"event": "overridden", "action": "fly", "reason": "x"}, "'fly' can't override the decision"),
        ({"event": "accepted", "action": "act"}, "send the event 'overridden' with a reason"),
        ({"event": "rated"}, "expected a whole number from 1 to 5"),
        ({"event": "rated", "rating": 6}, "The rating is 6"),
        ({"event": "rated", "rating": 0}, "The rating is 0"),
        ({"event": "seen", "rating": 3}, "'seen' can't have a rating"),
        ({"event": "seen", "action": "act"}, "'seen' can't have an action"),
        ({"event": "liked"}, "The response's event 'liked' is unknown. Allowed events: seen"),
        ({"role": "boss"}, "The person's role 'boss' is unknown. Allowed roles: decider"),
        ({"person": " "}, "names no person"),
        ({"reason": "x" * 2001}, "2,001 characters. Shorten it to 2,000"),
        ({"decision_id": "replay-2013-04-02-000000000000"}, "There is no decision"),
        ({"decision_id": "7"}, "is not a decision id"),
    ],
)
def test_a_response_that_does_not_fit_is_rejected_and_not_recorded(
    home: Workspace, tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    ws = Workspace(home.use_case, home.home, f"sqlite:///{tmp_path / 'log.db'}")
    fields = {"decision_id": decision_with(ws, "wait"), "person": "ann", "role": "decider", "event": "accepted"}
    with pytest.raises(ResponseError, match=text):
        record_response(ws, Response(**fields | changes))
    engine, table = open_log(ws)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_a_valid_response_gets_its_id_time_and_action(home: Workspace) -> None:
    complete = check_response(home, Response(decision_with(home, "act"), "ann", "decider", "accepted"))
    assert (complete.action, len(complete.response_id)) == ("act", 32)
    assert complete.at


def test_invisible_characters_become_spaces(home: Workspace) -> None:
    response = Response(decision_with(home, "wait"), "ann", "decider", "overridden", "act", "the\0 road\x1b is\nclosed")
    assert check_response(home, response).reason == "the  road  is\nclosed"


def test_a_live_decision_accepts_no_simulated_response() -> None:
    live = Response("live-2013-04-02-000000000001", "ann", "decider", "seen", at=datetime(2013, 4, 2), simulated=True)
    with pytest.raises(ResponseError, match="is a live decision: it accepts no simulated response"):
        check_not_simulated_live(live)
