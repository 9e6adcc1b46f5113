"""What people did: one answer a decision, whoever is first; nothing malformed, nothing twice, nothing lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime

import pytest
import sqlalchemy as sa

from sixtyforty.decisions.deciding import decide, decisions_of
from sixtyforty.decisions.responses import (
    Answered,
    Response,
    ResponseError,
    answers,
    log,
    of,
    of_these,
    put,
    record,
    saw,
)
from sixtyforty.spec.clock import DRILL
from sixtyforty.workspace import Workspace
from tests.helpers import make_workspace, publish

DAY = date(2013, 4, 2)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Workspace:
    """A home with a day decided by the current process."""
    ws = make_workspace(tmp_path_factory.mktemp("home"))
    publish(ws, [DAY])
    decide(ws, [f"{DAY}"], "replay", None)
    return ws


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def ws(request, home, tmp_path) -> Workspace:
    """The same home with a log of its own."""
    if request.param == "sqlite":
        return Workspace(home.use_case, home.home, f"sqlite:///{tmp_path / 'log.db'}")
    return Workspace(home.use_case, home.home, request.getfixturevalue("postgres").database())


def decided(ws: Workspace, action: str = "wait") -> str:
    return next(d["decision_id"] for d in decisions_of(ws, f"{DAY}", "replay") if d["action"] == action)


def test_what_was_answered_is_kept_as_it_was_said(ws):
    one, at = decided(ws), datetime(2013, 4, 2, 9)
    kept = record(ws, Response(one, "ann", "decider", "overridden", "act", " the road is closed ", at=at))
    assert (kept.action, kept.reason, kept.at) == ("act", "the road is closed", at)
    record(ws, Response(one, "ann", "decider", "rated", rating=4))
    assert [r.event for r in of(ws, one)] == ["overridden", "rated"]
    ids = [d["decision_id"] for d in decisions_of(ws, f"{DAY}", "replay")]
    assert answers(ws, ids) == {one: kept}
    assert [r.event for r in of_these(ws, [*ids, "x" * 40])[one]] == ["overridden", "rated"]
    assert answers(ws, [i for i in ids if i != one]) == answers(ws, []) == {}


def test_who_accepts_does_what_was_decided(ws):
    assert record(ws, Response(decided(ws, "act"), "ann", "decider", "accepted")).action == "act"


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
        record(ws, Response(**said))
    engine, table = log(ws)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_of_many_at_once_one_wins_and_the_others_are_told_whose_answer_stands(ws):
    one, people = decided(ws), [f"p{i}" for i in range(8)]

    def answer(person: str) -> Response | Answered:
        try:
            return record(ws, Response(one, person, "expert", "accepted"))
        except Answered as told:
            return told

    with ThreadPoolExecutor(len(people)) as pool:
        said = list(pool.map(answer, people))
    (winner,) = [r for r in said if isinstance(r, Response)]
    assert all(r.answer == winner for r in said if isinstance(r, Answered))
    assert of(ws, one) == [winner]


def test_seen_again_is_seen_once(ws):
    ids = [d["decision_id"] for d in decisions_of(ws, f"{DAY}", "replay")]
    assert saw(ws, "ann", "decider", ids[:2]) == 2
    assert saw(ws, "ann", "decider", ids) == len(ids) - 2
    assert saw(ws, "bob", "decider", ids) == len(ids)
    record(ws, Response(ids[0], "ann", "decider", "seen"))
    assert [r.person for r in of(ws, ids[0])] == ["ann", "bob"]


def test_what_people_do_with_live_decisions_is_never_simulated(ws):
    live = Response("live-2013-04-02-000000000001", "ann", "decider", "seen", at=datetime(2013, 4, 2), simulated=True)
    for take in (lambda: put(ws, [live]), lambda: record(ws, live)):
        with pytest.raises(ResponseError, match="live: what people do with it isn't simulated"):
            take()
    assert of(ws, live.decision_id) == []


def test_what_cannot_be_seen_is_not_kept(ws):
    kept = record(ws, Response(decided(ws), "ann", "decider", "overridden", "act", "the\0 road\x1b is\nclosed"))
    assert kept.reason == "the  road  is\nclosed"


def test_it_is_the_business_own_time(ws, tmp_path, monkeypatch):
    (tmp_path / "clock").write_text("2013-04-02T09:00:00")
    monkeypatch.setenv(DRILL, str(tmp_path / "clock"))
    assert record(ws, Response(decided(ws), "ann", "decider", "accepted")).at == datetime(2013, 4, 2, 9)
    saw(ws, "bob", "decider", [decided(ws)])
    assert {r.at for r in of(ws, decided(ws))} == {datetime(2013, 4, 2, 9)}


def test_in_bulk_what_is_there_is_left_out(ws):
    rows = [
        Response(
            f"replay-2013-04-02-{i:012x}", "ann", "decider", "accepted", "wait", at=datetime(2013, 4, 2), simulated=True
        )
        for i in range(2500)
    ]
    assert put(ws, rows) == 2500
    assert put(ws, rows[:10]) == 0
    assert put(ws, []) == 0
