"""Answering line by line: presets, many at once, undo, a second click, and a session that ends while a person types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from desk.return_address import COOKIE, ReturnAddress
from desk.tables import SESSIONS
from sixtyforty.decisions.responses import responses_to
from sixtyforty.spec.clock import now
from tests.desk.conftest import (
    DAY,
    PASSWORD,
    Person,
    RunningDesk,
    answers_of_day,
    csrf_in,
    decision_text,
    shown_ids,
    visible_text,
)


def test_all_shown_decisions_are_accepted_together_and_answered_ones_keep_their_answer(desk: RunningDesk) -> None:
    desk.add_accounts("ann", role="decider")
    ann, decider = desk.person("ann"), desk.person("decider")
    ids = shown_ids(decider.get("/decisions").text)[:4]
    ann.override(ids[1], "wait", "she knows better")
    together = {"event": "accepted_together", "decision_ids": " ".join(ids)}
    page = decider.send("/decisions", **together)
    text = visible_text(page.text)
    assert "3 decisions accepted. 1 decision not accepted: ann has already answered" in text
    answers = answers_of_day(desk.ws, DAY)
    assert [(answers[i].event, answers[i].person) for i in ids] == [
        ("accepted", "decider"),
        ("overridden", "ann"),
        *[("accepted", "decider")] * 2,
    ]
    decider.send("/decisions", **together)  # a reload sends the form again
    assert answers_of_day(desk.ws, DAY) == answers
    assert decider.send("/decisions", event="accepted_together", decision_ids="x").status_code == 404


def test_the_same_answer_sent_twice_is_recorded_once_without_an_error(decider: Person, desk: RunningDesk) -> None:
    first, second = shown_ids(decider.get("/decisions").text)[:2]
    assert [decider.accept(first).status_code for _ in range(2)] == [303, 303]
    assert [decider.override(second, "wait", "no road").status_code for _ in range(2)] == [303, 303]
    assert decider.override(first, "wait", "another answer").status_code == 409
    assert [r.event for r in responses_to(desk.ws, first) if r.event != "seen"] == ["accepted"]


def test_an_answer_can_be_undone_for_a_minute_and_withdrawn_later(
    desk: RunningDesk, freeze_clock: Callable[[datetime], None]
) -> None:
    start = datetime(2013, 3, 14, 12)
    freeze_clock(start)
    decider = desk.person("decider")
    decision_id = shown_ids(decider.get("/decisions").text)[0]
    decider.accept(decision_id)
    assert " Undo " in decision_text(decider.get("/decisions").text, decision_id)
    freeze_clock(start + timedelta(seconds=61))
    assert "Withdraw this answer" in decision_text(decider.get("/decisions").text, decision_id)


def test_a_typed_reason_survives_the_end_of_the_session(desk: RunningDesk) -> None:
    decider = desk.person("decider")
    address = "/decisions?show=all&page=2"
    page = decider.get(address).text
    decision_id = shown_ids(page)[0]
    with desk.database.begin() as connection:
        connection.execute(sa.update(SESSIONS).values(seen_at=now() - timedelta(hours=2)))
    form = {"decision_id": decision_id, "event": "overridden", "action": "wait", "person": "decider"}
    refused = decider.client.post(address, data=form | {"reason": "a jäm <b> 😀", "csrf": csrf_in(page)})
    assert (refused.status_code, refused.headers["location"]) == (303, "/")
    assert answers_of_day(desk.ws, DAY) == {}
    assert decider.log_in("decider", PASSWORD).headers["location"] == "/"
    assert decider.get("/").headers["location"] == address
    page = decider.get(address).text
    assert "Your session ended before this answer was recorded." in decision_text(page, decision_id)
    assert 'value="a jäm &lt;b&gt; 😀" autofocus' in page
    assert "Your session ended" not in visible_text(decider.get(address).text)


def test_another_person_does_not_see_the_typed_reason(desk: RunningDesk) -> None:
    desk.add_accounts("ann", role="decider")
    page = desk.person("decider").get("/decisions").text
    form = {"decision_id": shown_ids(page)[0], "action": "wait", "person": "decider", "reason": "secret"}
    for name, leads_to in (("expert", "/review"), ("ann", f"/decisions?date={DAY}")):
        visitor = Person(desk.client())
        visitor.client.post(f"/decisions?date={DAY}", data=form)
        visitor.log_in(name)
        assert visitor.get("/").headers["location"] == leads_to  # the expert may not open the page
        assert "secret" not in visitor.get("/decisions").text


def test_the_log_in_leads_to_pages_of_the_desk_only() -> None:
    outside = [
        "//evil.example/decisions",
        "https://evil.example/decisions",
        "/\\evil.example",
        "/decisions\n",
        "/no",
        "",
    ]
    assert [ReturnAddress(address).path for address in outside] == [""] * len(outside)
    assert ReturnAddress("/decisions?date=2013-03-14").path == "/decisions"


def test_a_broken_cookie_leads_to_the_first_page(desk: RunningDesk) -> None:
    person = desk.person("decider")
    for text in ("", "%%%", "bnVsbA==", "W10=", "eyJ4IjoxfQ=="):  # no base64, `null`, `[]`, another field
        person.client.cookies.set(COOKIE, text, domain="127.0.0.1")
        assert person.get("/").headers["location"] == "/decisions"


def test_news_are_counted_and_do_not_keep_the_session_open(desk: RunningDesk) -> None:
    decider = desk.person("decider")
    page = decider.get("/decisions").text
    address = page.split('data-news="')[1].split('"')[0].replace("&amp;", "&")
    assert "Refresh" in decider.get(address).text
    before = now() - timedelta(minutes=30)
    with desk.database.begin() as connection:
        connection.execute(sa.update(SESSIONS).values(seen_at=before))
    decider.get(address)
    with desk.database.connect() as connection:
        assert connection.scalar(sa.select(SESSIONS.c.seen_at)) == before
    decider.accept(shown_ids(page)[0])
    text = decider.get(address).text
    assert "1 new answer." in text and 'href="/decisions?' in text
