"""The decider's page: a day's decisions with their reasons, in lists and pages that can be searched."""

from __future__ import annotations

import math

from desk.decisions_page import PAGE_SIZE
from sixtyforty.decisions.decision_table import read_decisions
from tests.desk.conftest import DAY, Person, RunningDesk, decision_text, shown_ids, visible_text
from tests.words import assert_plain


def test_a_day_shows_each_action_with_its_reasons_and_expected_outcome(desk: RunningDesk, decider: Person) -> None:
    rows = read_decisions(desk.ws, DAY, "replay")
    page = decider.get("/decisions?show=all").text
    assert_plain(page)
    assert "Fitters in time, Thursday 14 March 2013 replay of past decisions" in visible_text(page)
    assert shown_ids(page) == [r.decision_id for r in rows][:PAGE_SIZE]
    for row in rows[:PAGE_SIZE]:
        text = decision_text(page, row.decision_id)
        assert f"id {row.unit['id']} " in text
        assert ("Call a second fitter in" if row.action == "act" else "Call nobody") in text
        assert ("Differs from the current process" in text) == (row.action != row.current_action)
        assert "the risk:" in text or "unusual" in text
        assert f"{row.expected * 100:.0f}" in text
        assert "Accept" in text and "Override" in text


def test_lists_pages_and_search_leave_nothing_out(desk: RunningDesk, decider: Person) -> None:
    rows = read_decisions(desk.ws, DAY, "replay")
    ids_of_list = {
        "act": [r.decision_id for r in rows if r.action == "act"],
        "differ": [r.decision_id for r in rows if r.action != r.current_action],
        "all": [r.decision_id for r in rows],
    }
    for name, ids in ids_of_list.items():
        page = decider.get(f"/decisions?show={name}").text
        listed = shown_ids(page)
        for number in range(2, math.ceil(len(ids) / PAGE_SIZE) + 1):
            listed += shown_ids(decider.get(f"/decisions?show={name}&page={number}").text)
        assert listed == ids and ids, name
        assert f"{len(ids_of_list['act'])} with action" in visible_text(page)
    assert shown_ids(decider.get("/decisions").text) == ids_of_list["act"]
    whole = decider.get("/decisions?show=all&page=all").text  # for printing
    assert shown_ids(whole) == ids_of_list["all"] and len(rows) > PAGE_SIZE and "List in pages" in whole
    row = rows[-1]
    assert shown_ids(decider.get(f"/decisions?show=all&q={row.unit['id']}").text) == [row.decision_id]
    assert shown_ids(decider.get(f"/decisions?show=all&q={row.decision_id.upper()}").text) == [row.decision_id]
    empty = decider.get("/decisions?show=all&q=%3Cb%3E").text
    assert shown_ids(empty) == []
    assert "No decision in this list matches “<b>”. Try other words" in visible_text(empty)
