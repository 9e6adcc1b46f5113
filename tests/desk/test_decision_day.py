"""The decisions of a day: what a person sees of each, and what stays hidden."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from desk.decision_day import DecisionDay, ShownDecision, format_clock_time, format_fact, local_time, show_decision
from desk.page_request import Problem
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import responses_to
from sixtyforty.workspace import Workspace
from tests.desk.conftest import DAY, PREVIOUS_DAY, Person, RunningDesk, shown_ids, visible_text


def shown(home: Workspace, **changes: object) -> ShownDecision:
    """Return the first decision of the day as a person sees it, with some fields changed."""
    decision = replace(read_decisions(home, DAY, "replay")[0], **changes)  # type: ignore[arg-type]
    return show_decision(home.use_case, decision, ["id"], [], "ann")


def test_the_expected_outcome_of_a_held_out_unit_stays_hidden(home: Workspace) -> None:
    expected = read_decisions(home, DAY, "replay")[0].expected
    by_decider = {d: shown(home, decided_by=d).expected for d in ("model", "review", "holdout", "shadow")}
    assert by_decider == {"model": expected, "review": expected, "holdout": None, "shadow": None}


def test_a_decision_offers_the_other_actions(home: Workspace) -> None:
    decision = shown(home, action="act", current_action="wait")
    assert (decision.other_actions, decision.differs, decision.is_active) == (["wait"], True, True)
    idle = shown(home, action="wait", current_action="wait")
    assert (idle.other_actions, idle.differs, idle.is_active) == (["act"], False, False)


def test_a_day_knows_its_neighbours_and_its_decisions(home: Workspace) -> None:
    decision = shown(home)
    day = DecisionDay(DAY, [PREVIOUS_DAY, DAY], {}, [decision])
    assert (day.neighbour(-1), day.neighbour(1)) == (PREVIOUS_DAY, None)
    assert day.date == date(2013, 3, 14)
    assert day.decision(decision.id) is decision
    with pytest.raises(Problem, match="Nothing was saved"):
        day.decision("another")


def test_times_are_in_the_use_cases_zone_with_the_day_where_it_differs(home: Workspace) -> None:
    noon = local_time(home.use_case, datetime(2013, 3, 14, 12, 5))
    assert format_clock_time(noon, date(2013, 3, 14)) == "08:05"
    assert format_clock_time(noon, date(2013, 3, 15)) == "08:05 on 14 March"


def test_facts_are_formatted_for_people() -> None:
    facts = [None, True, 3, 12.50, "JFK", datetime(2013, 3, 14, 5, 15), date(2013, 3, 14)]
    shown_as = ["–", "yes", "3", "12.5", "JFK", "05:15", "2013-03-14"]
    assert [format_fact(fact, date(2013, 3, 14)) for fact in facts] == shown_as


def test_another_day_is_one_link_away(desk: RunningDesk, decider: Person) -> None:
    page = decider.get("/decisions").text
    assert f"/decisions?date={PREVIOUS_DAY}" in page.replace("&amp;", "&")
    page = decider.get(f"/decisions?date={PREVIOUS_DAY}").text
    assert "Wednesday 13 March 2013" in visible_text(page)
    assert set(shown_ids(page)) <= {d.decision_id for d in read_decisions(desk.ws, PREVIOUS_DAY, "replay")}


def test_a_decision_counts_as_seen_once_by_the_person_to_whom_it_was_shown(
    desk: RunningDesk, decider: Person, expert: Person
) -> None:
    for _ in range(2):
        ids = shown_ids(decider.get("/decisions?show=all").text)
    expert.get("/review")
    events = [[(r.event, r.person) for r in responses_to(desk.ws, i)] for i in ids]
    assert events == [[("seen", "decider")]] * len(ids)
    on_next_page = read_decisions(desk.ws, DAY, "replay")[50].decision_id
    assert responses_to(desk.ws, on_next_page) == []
