"""A declared list of decisions: label, facts, order, filters, new decisions, and the feeds that were missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import pytest
import sqlalchemy as sa

from desk import decision_day
from desk.tables import SESSIONS
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.missing_feeds import MissingFeed
from sixtyforty.spec.decision_list import DecisionList
from sixtyforty.workspace import Workspace
from tests.desk.conftest import (
    DAY,
    PASSWORD,
    RunningDesk,
    Tabs,
    answers_of_day,
    decision_text,
    shown_ids,
    visible_text,
)
from tests.helpers import calls_on

ADDRESS = "/decisions?show=all"
DECISION_LIST = DecisionList(
    label="'Call ' || id",
    show={"due": "call_hour", "site": "site", "place": "'General Edward Lawrence Logan International (BOS)'"},
    sort="due",
    filter=["site", "due"],
    override_reasons=["the road is closed", "a fitter is there"],
)


@pytest.fixture
def decision_list() -> DecisionList:
    return DECISION_LIST


def hour_of(ws: Workspace) -> dict[str, int]:
    """Return the UTC hour of each decision's call, by decision id."""
    hours = {number: int(time[11:13]) for number, _, time, _ in calls_on(datetime(2013, 3, 14).date(), 60)}
    return {d.decision_id: hours[d.unit["id"]] for d in read_decisions(ws, DAY, "replay")}  # type: ignore[index]


def test_a_line_shows_label_and_facts_and_the_next_due_comes_first(
    desk: RunningDesk, freeze_clock: Callable[[datetime], None]
) -> None:
    hours = hour_of(desk.ws)
    freeze_clock(datetime(2013, 3, 14, 13, 30))
    decider = desk.person("decider")
    page = decider.get(ADDRESS).text
    order = [hours[i] for i in shown_ids(page)]
    assert order == [14] * 15 + [15] * 15 + [12] * 15 + [13] * 5
    first = decision_text(page, shown_ids(page)[0])
    assert "Call " in first and "due 10:00" in first and "site " in first
    assert {hours[i] for i in shown_ids(decider.get("/decisions?show=next").text)} == {14}


def test_the_list_is_filtered_by_a_fact_an_hour_and_missing_answers(desk: RunningDesk) -> None:
    decider = desk.person("decider")
    page = decider.get(f"{ADDRESS}&only_site=north&only_due=2013-03-14T09").text
    ids = shown_ids(page)
    assert ids and {hour_of(desk.ws)[i] for i in ids} == {13}
    assert all("site north" in decision_text(page, i) for i in ids)
    decider.accept(ids[0])
    assert ids[0] not in shown_ids(decider.get(f"{ADDRESS}&open=1").text)
    assert shown_ids(decider.get(f"{ADDRESS}&q=call+nor").text)
    assert not shown_ids(decider.get(f"{ADDRESS}&only_site=nowhere").text)


def test_new_decisions_are_counted_and_marked_until_they_were_shown(desk: RunningDesk) -> None:
    decider = desk.person("decider")
    text = visible_text(decider.get(ADDRESS).text)
    assert "60 new" in text
    page = decider.get(ADDRESS).text
    assert "10 new" in visible_text(page) and " new " not in decision_text(page, shown_ids(page)[0])


def test_a_missing_feed_is_named_at_the_top(desk: RunningDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = [MissingFeed("weather", is_rejected=False), MissingFeed("crew_plans", is_rejected=True)]
    monkeypatch.setattr(decision_day, "find_missing_feeds", lambda *_: feeds)
    text = visible_text(desk.person("decider").get("/decisions").text)
    assert "No weather on this day: decided without it." in text
    assert "Rejected on this day: crew plans. Decided without it." in text
    assert "Answers are practice here: these decisions are a replay of the past." in text


def test_a_fact_that_cant_be_computed_is_reported_and_the_page_opens(ws: Workspace) -> None:
    broken = ws.use_case.decision_list.model_copy(update={"label": "error('secret')", "show": {}, "sort": None})
    use_case = ws.use_case.model_copy(update={"decision_list": broken})
    desk = RunningDesk({use_case.name: Workspace(use_case, ws.home, ws.database_url)})
    try:
        page = desk.person("decider").get("/decisions").text
    finally:
        desk.stop()
    assert "can't be shown" in visible_text(page) and "secret" not in page and shown_ids(page)


@pytest.mark.browser
@pytest.mark.parametrize("has_scripts", [True, False])
def test_from_the_log_in_two_clicks_lead_to_the_actions_of_the_next_hour_and_why(
    desk: RunningDesk, tabs: Tabs, freeze_clock: Callable[[datetime], None], has_scripts: bool
) -> None:
    freeze_clock(datetime(2013, 3, 14, 13, 30))
    hours = hour_of(desk.ws)
    due = {d.decision_id for d in read_decisions(desk.ws, DAY, "replay") if d.action == "act"}
    tab = tabs.open("decider", press_log_in=True, java_script_enabled=has_scripts)  # the first click
    tab.get_by_role("link", name="with action in the next hour").click()
    tab.locator("[aria-current=true]", has_text="in the next hour").wait_for()
    items = tab.locator("li.item")
    assert {items.nth(n).get_attribute("id") for n in range(items.count())} == {i for i in due if hours[i] == 14}
    first = items.first.inner_text()
    assert "Call a second fitter in" in first and "due 10:00" in first
    assert items.first.get_by_role("list", name="Reasons").inner_text()


@pytest.mark.browser
def test_a_phone_shows_a_decision_and_a_desk_four_below_a_header_of_one_row(tabs: Tabs) -> None:
    tab = tabs.open("decider", viewport={"width": 390, "height": 844})
    first = tab.locator("li.item").first
    first.wait_for()
    box = first.bounding_box()
    assert box["y"] + box["height"] <= 844
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.set_viewport_size({"width": 1280, "height": 844})
    assert tab.locator("header.top").bounding_box()["height"] <= 48
    tab.set_viewport_size({"width": 1280, "height": 800})
    fourth = tab.locator("li.item").nth(3).bounding_box()
    assert fourth["y"] + fourth["height"] <= 800
    tab.set_viewport_size({"width": 640, "height": 422})  # 1280x844 at 200% zoom
    assert tab.evaluate("document.documentElement.scrollWidth") <= 640


@pytest.mark.browser
def test_a_printed_page_says_that_it_is_not_the_whole_list(tabs: Tabs) -> None:
    tab = tabs.open("decider")
    for address, pages in ((ADDRESS, 1), (f"{ADDRESS}&page=all", 0)):
        tab.goto(address)
        note = tab.get_by_text("This is page 1 of 2 of the list.")
        assert note.count() == pages and not (pages and note.is_visible())
        tab.emulate_media(media="print")
        assert note.is_visible() == bool(pages)
        tab.emulate_media(media="screen")


def test_each_other_action_has_a_button_and_frequent_reasons(desk: RunningDesk) -> None:
    decider = desk.person("decider")
    page = decider.get("/decisions").text
    decision_id = shown_ids(page)[0]
    text = decision_text(page, decision_id)
    for button in ("Accept: call a second fitter in", "Override: call nobody", "the road is closed"):
        assert button in text
    decider.override(decision_id, "wait", "the road is closed")
    assert answers_of_day(desk.ws, DAY)[decision_id].reason == "the road is closed"


@pytest.mark.browser
def test_a_frequent_reason_is_one_click_and_the_other_shown_decisions_are_accepted_together(
    desk: RunningDesk, tabs: Tabs
) -> None:
    tab = tabs.open("decider")
    first = tab.locator("li.item").first.get_attribute("id")
    line = tab.locator(f'[id="{first}"]')
    line.locator("summary").first.click()
    line.get_by_role("button", name="the road is closed").click()
    line.get_by_text("Call nobody instead: the road is closed").wait_for()
    tab.get_by_text("Accept all").click()
    tab.get_by_role("button", name=re.compile(r"Accept \d+ decisions")).click()
    tab.get_by_text(re.compile(r"^\d+ decisions accepted\.")).wait_for()
    answers = answers_of_day(desk.ws, DAY)
    assert answers.pop(first).reason == "the road is closed"
    assert len(answers) > 1 and {answer.event for answer in answers.values()} == {"accepted"}


@pytest.mark.browser
def test_the_page_tells_by_itself_of_new_answers_and_a_typed_reason_survives_the_end_of_the_session(
    desk: RunningDesk, tabs: Tabs
) -> None:
    tab = tabs.open("decider")
    tab.clock.install()
    tab.goto(ADDRESS)
    line = tab.locator("li.item").first
    decision_id = line.get_attribute("id")
    desk.person("decider").accept(tab.locator("li.item").nth(1).get_attribute("id"))
    tab.clock.fast_forward(31_000)
    tab.get_by_text("1 new answer.").wait_for()
    line.locator("summary").first.click()
    line.get_by_label("Reason (required)").fill("the bridge is shut")
    with desk.database.begin() as connection:
        connection.execute(sa.delete(SESSIONS))
    line.get_by_role("button", name="Override", exact=True).click()
    tab.get_by_label("Name").fill("decider")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    tab.get_by_text("Your session ended before this answer was recorded.").wait_for()
    typed = tab.locator(f'[id="{decision_id}"]').get_by_label("Reason (required)")
    assert typed.input_value() == "the bridge is shut" and "show=all" in tab.url
