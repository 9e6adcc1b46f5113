"""What people did: one answer a decision, whoever is first; nothing malformed, nothing twice, nothing lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

import pytest
import sqlalchemy as sa

from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.response_rules import ResponseError
from sixtyforty.decisions.responses import (
    AlreadyAnsweredError,
    Response,
    add_responses,
    answers_by_decision,
    open_log,
    record_response,
    record_seen,
    responses_by_decision,
    responses_to,
)
from sixtyforty.spec.clock import DRILL
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish_days

DAY = date(2013, 4, 2)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Workspace:
    """A home with a day decided by the current process."""
    ws = make_workspace(tmp_path_factory.mktemp("home"))
    publish_days(ws, [DAY])
    take_decisions(ws, [f"{DAY}"], "replay", None)
    return ws


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def ws(request, home, tmp_path) -> Workspace:
    """The same home with a log of its own."""
    if request.param == "sqlite":
        return Workspace(home.use_case, home.home, f"sqlite:///{tmp_path / 'log.db'}")
    return Workspace(home.use_case, home.home, request.getfixturevalue("postgres").database())


def decided(ws: Workspace, action: str = "wait") -> str:
    return next(d["decision_id"] for d in read_decisions(ws, f"{DAY}", "replay") if d["action"] == action)


def test_what_was_answered_is_kept_as_it_was_said(ws):
    one, at = decided(ws), datetime(2013, 4, 2, 9)
    kept = record_response(ws, Response(one, "ann", "decider", "overridden", "act", " the road is closed ", at=at))
    assert (kept.action, kept.reason, kept.at) == ("act", "the road is closed", at)
    record_response(ws, Response(one, "ann", "decider", "rated", rating=4))
    assert [r.event for r in responses_to(ws, one)] == ["overridden", "rated"]
    ids = [d["decision_id"] for d in read_decisions(ws, f"{DAY}", "replay")]
    assert answers_by_decision(ws, ids) == {one: kept}
    assert [r.event for r in responses_by_decision(ws, [*ids, "x" * 40])[one]] == ["overridden", "rated"]
    assert answers_by_decision(ws, [i for i in ids if i != one]) == answers_by_decision(ws, []) == {}


def test_who_accepts_does_what_was_decided(ws):
    assert record_response(ws, Response(decided(ws, "act"), "ann", "decider", "accepted")).action == "act"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"event": "overridden", "action": "act"}, "needs its reason"),
        ({"event": "overridden", "action": "act", "reason": "  "}, "needs its reason"),
        ({"event": "overridden", "action": "wait", "reason": "x"}, "who overrides it does act, not 'wait'"),
        ({"event": "overridden", "action": "fly", "reason": "x"}, "not 'fly'"),
        ({"event": "accepted", "action": "act"}, "overrides, with a reason"),
        ({"event": "rated"}, "gives 1 to 5"),
        ({"event": "rated", "rating": 6}, "rating 6"),
        ({"event": "rated", "rating": 0}, "rating 0"),
        ({"event": "seen", "rating": 3}, "others give none"),
        ({"event": "seen", "action": "act"}, "does nothing"),
        ({"event": "liked"}, "event 'liked'"),
        ({"role": "boss"}, "role 'boss'"),
        ({"person": " "}, "needs the person"),
        ({"reason": "x" * 2001}, "2,001 characters"),
        ({"decision_id": "replay-2013-04-02-000000000000"}, "there is no decision"),
        ({"decision_id": "7"}, "is not a decision id"),
    ],
)
def test_what_is_malformed_is_refused_and_leaves_nothing(home, tmp_path, changes, why):
    ws = Workspace(home.use_case, home.home, f"sqlite:///{tmp_path / 'log.db'}")
    said = {"decision_id": decided(ws), "person": "ann", "role": "decider", "event": "accepted"} | changes
    with pytest.raises(ResponseError, match=why):
        record_response(ws, Response(**said))
    engine, table = open_log(ws)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_of_many_at_once_one_wins_and_the_others_are_told_whose_answer_stands(ws):
    one, people = decided(ws), [f"p{i}" for i in range(8)]

    def answer(person: str) -> Response | AlreadyAnsweredError:
        try:
            return record_response(ws, Response(one, person, "expert", "accepted"))
        except AlreadyAnsweredError as told:
            return told

    with ThreadPoolExecutor(len(people)) as pool:
        said = list(pool.map(answer, people))
    (winner,) = [r for r in said if isinstance(r, Response)]
    assert all(r.answer == winner for r in said if isinstance(r, AlreadyAnsweredError))
    assert responses_to(ws, one) == [winner]


def test_seen_again_is_seen_once(ws):
    ids = [d["decision_id"] for d in read_decisions(ws, f"{DAY}", "replay")]
    assert record_seen(ws, "ann", "decider", ids[:2]) == 2
    assert record_seen(ws, "ann", "decider", ids) == len(ids) - 2
    assert record_seen(ws, "bob", "decider", ids) == len(ids)
    record_response(ws, Response(ids[0], "ann", "decider", "seen"))
    assert [r.person for r in responses_to(ws, ids[0])] == ["ann", "bob"]


def test_what_people_do_with_live_decisions_is_never_simulated(ws):
    live = Response("live-2013-04-02-000000000001", "ann", "decider", "seen", at=datetime(2013, 4, 2), simulated=True)
    for take in (lambda: add_responses(ws, [live]), lambda: record_response(ws, live)):
        with pytest.raises(ResponseError, match="live: what people do with it isn't simulated"):
            take()
    assert responses_to(ws, live.decision_id) == []


def test_what_cannot_be_seen_is_not_kept(ws):
    kept = record_response(
        ws, Response(decided(ws), "ann", "decider", "overridden", "act", "the\0 road\x1b is\nclosed")
    )
    assert kept.reason == "the  road  is\nclosed"


def test_it_is_the_business_own_time(ws, tmp_path, monkeypatch):
    (tmp_path / "clock").write_text("2013-04-02T09:00:00")
    monkeypatch.setenv(DRILL, str(tmp_path / "clock"))
    assert record_response(ws, Response(decided(ws), "ann", "decider", "accepted")).at == datetime(2013, 4, 2, 9)
    record_seen(ws, "bob", "decider", [decided(ws)])
    assert {r.at for r in responses_to(ws, decided(ws))} == {datetime(2013, 4, 2, 9)}


def test_in_bulk_what_is_there_is_left_out(ws):
    rows = [
        Response(
            f"replay-2013-04-02-{i:012x}", "ann", "decider", "accepted", "wait", at=datetime(2013, 4, 2), simulated=True
        )
        for i in range(2500)
    ]
    assert add_responses(ws, rows) == 2500
    assert add_responses(ws, rows[:10]) == 0
    assert add_responses(ws, []) == 0
