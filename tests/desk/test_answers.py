"""Answers: accepted, overridden with a reason, rated. Invalid and late ones are refused with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from desk import tables
from sixtyforty.accounting import kpi_audit, kpi_ledger
from sixtyforty.decisions.deciding import take_decisions
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import add_responses, responses_to
from sixtyforty.reports import model_record
from sixtyforty.reports.digest_sections import decider_section
from sixtyforty.spec.kpi_wording import payoff_sentences
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.desk.conftest import (
    CODE_AS_TEXT,
    DAY,
    PREVIOUS_DAY,
    Person,
    RunningDesk,
    answers_of_day,
    decision_text,
    shown_ids,
    visible_text,
)
from tests.helpers import DECLARED, make_use_case, merge, publish_days, put_champion_in_force


def test_accepting_is_one_form(desk: RunningDesk, decider: Person) -> None:
    decision_id = shown_ids(decider.get("/decisions").text)[1]
    done = decider.accept(decision_id, f"/decisions?date={DAY}")
    assert (done.status_code, done.headers["location"]) == (303, f"/decisions?date={DAY}#{decision_id}")
    page = decider.get("/decisions").text
    text = decision_text(page, decision_id)
    assert "Accepted by decider" in text and "Override" not in text
    assert f"1 of {len(read_decisions(desk.ws, DAY, 'replay'))} decisions answered" in visible_text(page)
    answer = answers_of_day(desk.ws, DAY)[decision_id]
    assert (answer.action, answer.reason, answer.role) == ("act", None, "decider")


def test_an_override_needs_a_reason_which_stays_text(desk: RunningDesk, decider: Person) -> None:
    ids = shown_ids(decider.get("/decisions").text)
    for reason in ("", "   ", "x" * 501):
        refused = decider.override(ids[0], "wait", reason)
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text and "Accept" in decision_text(refused.text, ids[0])
    assert answers_of_day(desk.ws, DAY) == {}
    for decision_id, reason in zip(ids, CODE_AS_TEXT, strict=False):
        assert decider.override(decision_id, "wait", reason).status_code == 303
        page = decider.get("/decisions").text
        assert f"Call nobody instead: {reason}" in decision_text(page, decision_id)
        assert not re.search(r"<script>|<img|onerror=[^&]*>$", page, re.MULTILINE)
        assert answers_of_day(desk.ws, DAY)[decision_id].reason == reason


def test_an_answer_shows_what_was_decided_and_what_is_done_until_it_is_withdrawn(
    desk: RunningDesk, decider: Person
) -> None:
    desk.add_accounts("ann", role="decider")
    ann, decision_id = desk.person("ann"), shown_ids(decider.get("/decisions").text)[0]
    decider.override(decision_id, "wait", "the road is closed")
    text = decision_text(decider.get("/decisions").text, decision_id)
    assert "Decided: Call a second fitter in. Done: Call nobody." in text and " Undo " in text
    assert " Undo " not in decision_text(ann.get("/decisions").text, decision_id)
    refused = ann.send("/decisions", decision_id=decision_id, event="withdrawn")
    assert refused.status_code == 422 and "answered by somebody else" in refused.text
    assert decider.send("/decisions", decision_id=decision_id, event="withdrawn").status_code == 303
    text = decision_text(decider.get("/decisions").text, decision_id)
    assert "decider withdrew the answer" in text and " Undo " not in text and "Accept: call a second fitter in" in text
    assert decider.get("/afterwards").text.count("the road is closed") == 0
    assert ann.override(decision_id, "wait", "the fitter is ill").status_code == 303
    text = decision_text(decider.get("/decisions").text, decision_id)
    assert "Overridden by ann" in text and "withdrew" not in text
    assert "the fitter is ill" in ann.get("/afterwards").text
    assert "the fitter is ill" not in decider.get("/afterwards").text


def test_an_invalid_answer_is_refused(desk: RunningDesk, decider: Person) -> None:
    first, second = shown_ids(decider.get("/decisions").text)[:2]
    assert decider.override(first, "act", "no other action").status_code == 422
    assert decider.override(first, "dance", "no such action").status_code == 422
    assert decider.send("/decisions", decision_id=first, event="seen").status_code == 422
    assert decider.send("/decisions", decision_id=first).status_code == 422
    assert decider.accept("replay-2013-03-14-000000000000").status_code == 404
    previous = read_decisions(desk.ws, PREVIOUS_DAY, "replay")[0].decision_id
    assert decider.accept(previous).status_code == 404  # not one of this page's day
    assert answers_of_day(desk.ws, DAY) == answers_of_day(desk.ws, PREVIOUS_DAY) == {}
    refused = decider.override(second, "act", "kept <as> written")
    assert 'value="kept &lt;as&gt; written"' in refused.text


def test_the_second_answer_is_refused_and_names_the_first_person(desk: RunningDesk, decider: Person) -> None:
    desk.add_accounts("ann", role="decider")
    ann, decision_id = desk.person("ann"), shown_ids(decider.get("/decisions").text)[0]
    assert ann.accept(decision_id).status_code == 303
    for late in (decider.accept(decision_id), decider.override(decision_id, "wait", "I was slower")):
        assert late.status_code == 409
        text = decision_text(late.text, decision_id)
        assert "already answered this decision" in text and "Accepted by ann" in text
    assert [r.person for r in responses_to(desk.ws, decision_id) if r.event != "seen"] == ["ann"]


def test_a_simulated_answer_is_marked(desk: RunningDesk, decider: Person) -> None:
    simulated, real = shown_ids(decider.get("/decisions").text)[:2]
    at = datetime(2013, 3, 14, 12)
    response = Response(simulated, "sim_1", "decider", "overridden", "wait", "made up", at=at, simulated=True)
    add_responses(desk.ws, [response])
    decider.accept(real)
    page = decider.get("/decisions").text
    text = decision_text(page, simulated)
    assert "simulated" in text and "2013-03-14 08:00" in text
    assert "simulated" not in decision_text(page, real)
    assert "simulated" in visible_text(desk.person("auditor").get(f"/trace?id={simulated}").text)


def test_people_rate_their_own_answer_once(desk: RunningDesk, decider: Person) -> None:
    desk.add_accounts("ann", role="decider")
    decision_id, ann = shown_ids(decider.get("/decisions").text)[0], desk.person("ann")
    decider.accept(decision_id)
    question = "How useful was this decision?"
    assert question in decision_text(decider.get("/decisions").text, decision_id)
    assert question not in decision_text(ann.get("/decisions").text, decision_id)
    for rating in ("0", "6", "x", "", "²"):
        assert decider.send("/decisions", decision_id=decision_id, event="rated", rating=rating).status_code == 422
    assert decider.send("/decisions", decision_id=decision_id, event="rated", rating="4").status_code == 303
    text = decision_text(decider.get("/decisions").text, decision_id)
    assert "You rated this decision 4 of 5." in text and question not in text
    assert [(r.event, r.rating, r.person) for r in responses_to(desk.ws, decision_id)][-1] == ("rated", 4, "decider")


# Actions that are numbers

STAFFED_DAYS = [date(2013, 3, 1) + timedelta(days=i) for i in range(14)]
AMOUNT = {"description": "fitters on call", "shortage_cost": 60, "excess_cost": 20, "maximum": 9}
CHANGES = {
    "kpi": {"outcome_type": "number", "outcome_name": "fitters needed", "amount": AMOUNT},
    "model": {
        "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
        "params": {"loss": "quantile", "max_iter": 20, "min_samples_leaf": 5, "early_stopping": False},
        "reasons": {"load": "The load is {value:.0%}"},
    },
    "decision_list": {"label": "'Call ' || id", "show": {"slot": "call_hour"}, "sort": "slot"},
}


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A use case that decides how many fitters each call needs: one, or four if the site is busy."""
    home = tmp_path_factory.mktemp("staffed")
    folder = make_use_case(home / "use_case").folder
    (folder / "current_process.sql").write_text("select id, 2 as action from units")
    (folder / "outcomes.sql").write_text(
        "select u.id, 1 + 3 * v.late as late, v.known_at from units u left join visits v using (id)"
    )
    declared = merge(DECLARED, CHANGES)
    del declared["kpi"]["actions"]
    ws = Workspace(UseCase(**declared, folder=folder), home, f"sqlite:///{home / 'desk.db'}")
    publish_days(ws, STAFFED_DAYS, count=60)
    put_champion_in_force(ws, STAFFED_DAYS[-1])
    take_decisions(ws, [DAY], "replay", None)
    kpi_ledger.write_accounts(ws, [DAY], "replay")
    return ws


@pytest.fixture
def staffed_desk(staffed: Workspace) -> Iterator[RunningDesk]:
    tables.create_tables(tables.open_database(staffed.database_url))
    desk = RunningDesk({staffed.use_case.name: staffed})
    desk.add_accounts("decider", "auditor", "owner")
    yield desk
    desk.stop()


def test_numeric_actions_are_paid_by_shortage_and_excess(staffed: Workspace) -> None:
    assert {d.action for d in read_decisions(staffed, DAY, "replay")} <= {"1", "4"}
    (day,) = kpi_ledger.read_daily_values(staffed, "replay")
    # Two fitters for each call: one too many where one is needed, two too few where four are.
    late = sum(int(i * 37 % 100 > 50) for i in range(60))
    assert day.current_process == -20 * (60 - late) - 120 * late
    assert day.model > day.current_process
    assert day.perfect_foresight == 0
    assert kpi_audit.find_differences(staffed, "replay", [DAY]) == []


def test_a_numeric_action_is_overridden_with_another_number(staffed_desk: RunningDesk) -> None:
    decider = staffed_desk.person("decider")
    decision = read_decisions(staffed_desk.ws, DAY, "replay")[0]
    decision_id = decision.decision_id
    page = decider.get("/decisions?show=all").text
    text = decision_text(page, decision_id)
    assert f"{decision.action} fitters on call" in text and "fitters needed" in text.lower()
    assert 'type="number"' in page
    refused = decider.override(decision_id, "2.5", "half a fitter", "/decisions?show=all")
    assert "another whole number from 0 to 9" in visible_text(refused.text)
    decider.override(decision_id, "3", "a trainee comes along", "/decisions?show=all")
    assert answers_of_day(staffed_desk.ws, DAY)[decision_id].action == "3"
    trace = visible_text(staffed_desk.person("auditor").get(f"/trace?id={decision_id}").text)
    assert "2 fitters on call" in trace


def test_numeric_actions_are_in_slot_order_with_the_number_of_the_current_process(staffed_desk: RunningDesk) -> None:
    page = staffed_desk.person("decider").get("/decisions?show=all").text
    lines = [decision_text(page, decision_id) for decision_id in shown_ids(page)]
    slots = [line.split("slot ")[1][:5] for line in lines]
    assert slots == sorted(slots) and len(set(slots)) > 1
    assert all("Differs from the current process: 2" in line for line in lines)
    assert "(current process: 2)" in visible_text(page), "next to the number that a person types"


def test_reports_and_digests_describe_a_numeric_action(staffed: Workspace, staffed_desk: RunningDesk) -> None:
    impact = visible_text(staffed_desk.person("owner").get("/impact").text)
    assert all(sentence in impact for sentence in payoff_sentences(staffed.use_case.kpi))
    assert any("fitters on call: " in line for line in decider_section(staffed, "replay", [DAY]))
    assert "The action is a number: fitters on call." in model_record.render_record(staffed, "replay")
