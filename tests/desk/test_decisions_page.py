"""The decider's page: a day's decisions with their reasons, in lists and pages that can be searched."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pyarrow as pa

from desk.decisions_page import PAGE_SIZE
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.workspace import Workspace
from tests.desk.conftest import DAY, Person, RunningDesk, decision_text, shown_ids, visible_text
from tests.helpers import put_champion_in_force
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
        assert ("Differs from the current rule" in text) == (row.action != row.current_action)
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
    row = rows[-1]
    assert shown_ids(decider.get(f"/decisions?show=all&q={row.unit['id']}").text) == [row.decision_id]
    assert shown_ids(decider.get(f"/decisions?show=all&q={row.decision_id.upper()}").text) == [row.decision_id]
    empty = decider.get("/decisions?show=all&q=%3Cb%3E").text
    assert shown_ids(empty) == []
    assert "No decision in this list matches “<b>”. Try other words" in visible_text(empty)


def write_outage(ws: Workspace) -> str:
    """Let the newest live decisions say that the live champion can't score; return the champion."""
    champion = put_champion_in_force(ws, date(2013, 3, 14), "live")
    unscored = [{"champion": champion, "reason": "its file is missing", "decisions": 9, "is_newest": True}]
    facts = {"model": 0, "current_process": 0, "fallback": 9, "unscored": unscored}
    ws.lake.write("decisions/live", DAY, pa.table({"x": list(range(9))}), facts=facts)
    return champion


def test_every_page_says_that_the_champion_can_not_score(desk: RunningDesk, decider: Person, auditor: Person) -> None:
    address = "/decisions?show=all&track=replay"
    assert "can't score" not in visible_text(decider.get(address).text)
    champion = write_outage(desk.ws)
    for person, page in ((decider, address), (auditor, "/portfolio")):
        text = visible_text(person.get(page).text)
        assert f"Fitters in time: The champion {champion} can't score: its file is missing." in text
        assert "The decisions shown here are those of the current process." in text


def test_decisions_of_a_model_whose_file_is_broken_stay_readable(desk: RunningDesk, decider: Person) -> None:
    version = read_decisions(desk.ws, DAY, "replay")[0].champion_version
    Path(str(desk.ws.models.folder(str(version))), "model.skops").write_bytes(b"rubbish")
    page = decider.get("/decisions?show=all&track=replay")
    assert page.status_code == 200
    assert "The model's files can't be read" in visible_text(page.text)
    assert shown_ids(page.text)
