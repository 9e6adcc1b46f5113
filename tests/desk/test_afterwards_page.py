"""What happened afterwards: only one's own answers, their outcomes, and who was right."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from desk.afterwards_page import judge_winner
from desk.decision_day import show_decision
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.decision_trace import TracedOutcome
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.desk.conftest import PREVIOUS_DAY, RunningDesk, visible_text
from tests.words import assert_plain

KNOWN = datetime(2013, 3, 14)


@pytest.mark.parametrize(
    ("values", "winner", "difference"),
    [
        ({"value": 7.0, "value_current_process": 0.0}, "you", 7.0),
        ({"value": -3.0, "value_current_process": 0.0}, "the current process", 3.0),
        ({"value": 7.0, "value_current_process": 0.0, "value_done": 0.0}, "the decision", 7.0),
        ({"value": -3.0, "value_current_process": 0.0, "value_done": 0.0}, "you", 3.0),
        ({"value": 0.0, "value_current_process": 0.0}, "nobody", 0.0),
        ({"value": 7.0}, "unknown", 0.0),
    ],
)
def test_the_better_action_was_right(home: Workspace, values: dict[str, float], winner: str, difference: float) -> None:
    stored = read_decisions(home, PREVIOUS_DAY, "replay")[0]
    answer = Response(stored.decision_id, "ann", "decider", "accepted", stored.action, at=stored.decided_at)
    shown = show_decision(home.use_case, stored, ["id"], [answer], "ann")
    outcome = TracedOutcome("late", 1.0, KNOWN, **values)
    assert judge_winner(shown, outcome) == (winner, difference)
    assert judge_winner(shown, replace(outcome, known_at=None)) == ("open", 0.0)


def test_a_person_sees_the_outcomes_of_the_own_answers_only(desk: RunningDesk) -> None:
    decider = desk.person("decider")
    assert "You have answered no decision yet." in visible_text(decider.get("/afterwards").text)
    acting = [d for d in read_decisions(desk.ws, PREVIOUS_DAY, "replay") if d.action == "act"]
    address = f"/decisions?show=all&date={PREVIOUS_DAY}"
    decider.accept(acting[0].decision_id, address)
    decider.override(acting[1].decision_id, "wait", "no road", address)
    desk.add_accounts("ann", role="decider")
    desk.person("ann").accept(acting[2].decision_id, address)
    page = decider.get("/afterwards").text
    assert_plain(page)
    text = visible_text(page)
    assert "Your last 2 answers" in text and "no road" in text
    assert "Who was right: " in text and " 0 times" not in text and " 0 outcomes" not in text
    assert f"id {acting[0].unit['id']} " in text and f"id {acting[2].unit['id']} " not in text
