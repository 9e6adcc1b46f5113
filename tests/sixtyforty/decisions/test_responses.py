"""One answer for each decision, from whoever is first; nothing is recorded twice, and nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.response_rules import ResponseError
from sixtyforty.decisions.responses import (
    AlreadyAnsweredError,
    Response,
    add_responses,
    answered_by_person,
    answers_by_decision,
    record_response,
    record_seen,
    responses_by_decision,
    responses_to,
)
from sixtyforty.spec.clock import CLOCK_FILE_VARIABLE
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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def ws(request: pytest.FixtureRequest, home: Workspace, tmp_path: Path) -> Workspace:
    """Return the same home with a log of its own."""
    if request.param == "sqlite":
        return Workspace(home.use_case, home.home, f"sqlite:///{tmp_path / 'log.db'}")
    return Workspace(home.use_case, home.home, request.getfixturevalue("postgres").database())


def decision_ids(ws: Workspace) -> list[str]:
    return [d.decision_id for d in read_decisions(ws, f"{DAY}", "replay")]


def decision_with(ws: Workspace, action: str) -> str:
    return next(d.decision_id for d in read_decisions(ws, f"{DAY}", "replay") if d.action == action)


def test_an_answer_is_recorded_as_it_was_given(ws: Workspace) -> None:
    decision_id, time = decision_with(ws, "wait"), datetime(2013, 4, 2, 9)
    answer = record_response(
        ws, Response(decision_id, "ann", "decider", "overridden", "act", " the road is closed ", at=time)
    )
    assert (answer.action, answer.reason, answer.at) == ("act", "the road is closed", time)
    record_response(ws, Response(decision_id, "ann", "decider", "rated", rating=4))
    assert [response.event for response in responses_to(ws, decision_id)] == ["overridden", "rated"]
    ids = decision_ids(ws)
    assert answers_by_decision(ws, ids) == {decision_id: answer}
    responses = responses_by_decision(ws, [*ids, "x" * 40])
    assert [response.event for response in responses[decision_id]] == ["overridden", "rated"]
    assert answers_by_decision(ws, [i for i in ids if i != decision_id]) == answers_by_decision(ws, []) == {}


def test_an_acceptance_has_the_decided_action(ws: Workspace) -> None:
    assert record_response(ws, Response(decision_with(ws, "act"), "ann", "decider", "accepted")).action == "act"


def answer_at_once(ws: Workspace, decision_id: str, people: int) -> Response:
    """Let several people answer at the same time. Return the recorded answer, of which all others have learned."""

    def answer(number: int) -> Response | AlreadyAnsweredError:
        try:
            return record_response(ws, Response(decision_id, f"p{number}", "expert", "accepted"))
        except AlreadyAnsweredError as error:
            return error

    with ThreadPoolExecutor(people) as pool:
        answers = list(pool.map(answer, range(people)))
    (winner,) = [a for a in answers if isinstance(a, Response)]
    assert all(a.answer == winner for a in answers if isinstance(a, AlreadyAnsweredError))
    return winner


def test_of_many_answers_at_once_one_is_recorded_and_the_others_learn_which(ws: Workspace) -> None:
    decision_id = decision_with(ws, "wait")
    winner = answer_at_once(ws, decision_id, people=8)
    assert responses_to(ws, decision_id) == [winner]


def test_of_many_answers_after_a_withdrawal_one_is_recorded(ws: Workspace) -> None:
    decision_id = decision_with(ws, "wait")
    record_response(ws, Response(decision_id, "ann", "decider", "accepted"))
    record_response(ws, Response(decision_id, "ann", "decider", "withdrawn"))
    assert answers_by_decision(ws, [decision_id]) == {}
    winner = answer_at_once(ws, decision_id, people=4)
    assert answers_by_decision(ws, [decision_id]) == {decision_id: winner}
    assert answered_by_person(ws, winner.person, "replay", 5) == [decision_id]


def test_a_response_with_a_recorded_id_is_refused(ws: Workspace) -> None:
    first, second = decision_ids(ws)[:2]
    response = Response(first, "ann", "decider", "accepted", response_id="r1")
    record_response(ws, response)
    record_response(ws, Response(second, "ann", "decider", "accepted"))
    record_response(ws, Response(second, "ann", "decider", "withdrawn"))
    with pytest.raises(sa.exc.IntegrityError):
        record_response(ws, replace(response, decision_id=second))


def test_a_person_sees_a_decision_once(ws: Workspace) -> None:
    ids = decision_ids(ws)
    assert record_seen(ws, "ann", "decider", ids[:2]) == 2
    assert record_seen(ws, "ann", "decider", ids) == len(ids) - 2
    assert record_seen(ws, "bob", "decider", ids) == len(ids)
    record_response(ws, Response(ids[0], "ann", "decider", "seen"))
    assert [response.person for response in responses_to(ws, ids[0])] == ["ann", "bob"]


def test_responses_to_live_decisions_are_never_simulated(ws: Workspace) -> None:
    live = Response("live-2013-04-02-000000000001", "ann", "decider", "seen", at=datetime(2013, 4, 2), simulated=True)
    with pytest.raises(ResponseError, match="accepts no simulated response"):
        add_responses(ws, [live])
    with pytest.raises(ResponseError, match="accepts no simulated response"):
        record_response(ws, live)
    assert responses_to(ws, live.decision_id) == []


def test_a_response_has_the_business_time(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clock").write_text("2013-04-02T09:00:00")
    monkeypatch.setenv(CLOCK_FILE_VARIABLE, str(tmp_path / "clock"))
    decision_id = decision_with(ws, "wait")
    assert record_response(ws, Response(decision_id, "ann", "decider", "accepted")).at == datetime(2013, 4, 2, 9)
    record_seen(ws, "bob", "decider", [decision_id])
    assert {response.at for response in responses_to(ws, decision_id)} == {datetime(2013, 4, 2, 9)}


def test_responses_in_bulk_are_added_once(ws: Workspace) -> None:
    responses = [
        Response(
            f"replay-2013-04-02-{i:012x}", "ann", "decider", "accepted", "wait", at=datetime(2013, 4, 2), simulated=True
        )
        for i in range(2500)
    ]
    assert add_responses(ws, responses) == 2500
    assert add_responses(ws, responses[:10]) == 0
    assert add_responses(ws, []) == 0
