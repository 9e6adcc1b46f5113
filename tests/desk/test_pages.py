"""What each role sees and does, by links and forms alone."""

from __future__ import annotations

import html
import re
from datetime import datetime
from pathlib import Path

import pytest

from desk.day import _shown
from sixtyforty.decisions.deciding import dataset, decisions_of
from sixtyforty.decisions.delivery import deliver
from sixtyforty.decisions.responses import of, put
from sixtyforty.decisions.review_queue import queue
from sixtyforty.reports import impact_report
from sixtyforty.reports.model_record import note, write
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace
from tests.desk.conftest import BEFORE, P, Person, Running, answered, shown
from tests.helpers import make_workspace

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; drop table x; --",
    "{{ 7 * 7 }}",
    "</q></p></li>",
    "javascript:alert(1)",
]


def text(page: str) -> str:
    """What is to be read on a page."""
    body = re.sub(r"<(script|style|head|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def section(page: str, decision_id: str) -> str:
    """What is to be read of one decision."""
    return text(re.split(r'<li id="', page.split(f'<li id="{decision_id}"')[1])[0])


@pytest.fixture
def decider(desk: Running) -> Person:
    return desk.person("decider")


@pytest.fixture
def expert(desk: Running) -> Person:
    return desk.person("expert")


@pytest.fixture
def auditor(desk: Running) -> Person:
    return desk.person("auditor")


# --- decisions


def test_a_day_is_shown_with_what_to_do_why_and_how_sure(desk: Running, decider: Person) -> None:
    rows = decisions_of(desk.ws, P, "replay")
    page = decider.get("/decisions?show=all").text
    assert "Fitters in time, Thursday 14 March 2013 past decisions, relived with what was known then" in text(page)
    assert shown(page) == [r["decision_id"] for r in rows][:50]
    for row in rows[:50]:
        said = section(page, row["decision_id"])
        assert f"id {row['id']} " in said
        assert ("Call a second fitter in" if row["action"] == "act" else "Call nobody") in said
        assert ("other than the current rule" in said) == (row["action"] != row["current_action"])
        assert "likely late." in said or "ordinary" in said
        assert f"late in about {row['expected'] * 100:.0f} of 100 such cases" in said
        assert "Accept" in said and "Override" in said


def test_what_the_model_expects_is_not_told_where_it_is_kept_out(desk: Running) -> None:
    row = decisions_of(desk.ws, P, "replay")[0]
    told = {
        by: _shown(desk.ws.use_case, row | {"decided_by": by}, [], [], "ann").expected
        for by in ("model", "review", "holdout", "shadow")
    }
    assert told == {"model": row["expected"], "review": row["expected"], "holdout": None, "shadow": None}


def test_lists_pages_and_search_leave_nothing_out(desk: Running, decider: Person) -> None:
    rows = decisions_of(desk.ws, P, "replay")
    wanted = {
        "act": [r["decision_id"] for r in rows if r["action"] == "act"],
        "differ": [r["decision_id"] for r in rows if r["action"] != r["current_action"]],
        "all": [r["decision_id"] for r in rows],
    }
    for name, ids in wanted.items():
        page = decider.get(f"/decisions?show={name}").text
        found = shown(page)
        for number in range(2, -(-len(ids) // 50) + 1):
            found += shown(decider.get(f"/decisions?show={name}&page={number}").text)
        assert found == ids and ids, name
        assert f"{len(wanted['act'])} to act" in text(page)
    assert shown(decider.get("/decisions").text) == wanted["act"]
    one = rows[-1]
    assert shown(decider.get(f"/decisions?show=all&q={one['id']}").text) == [one["decision_id"]]
    assert shown(decider.get(f"/decisions?show=all&q={one['decision_id'].upper()}").text) == [one["decision_id"]]
    nothing = decider.get("/decisions?show=all&q=%3Cb%3E").text
    assert shown(nothing) == [] and "None that fits “<b>”" in text(nothing)


def test_another_day_is_a_link_away(desk: Running, decider: Person) -> None:
    page = decider.get("/decisions").text
    assert f"/decisions?date={BEFORE}" in page.replace("&amp;", "&")
    page = decider.get(f"/decisions?date={BEFORE}").text
    assert "Wednesday 13 March 2013" in text(page)
    assert set(shown(page)) <= {d["decision_id"] for d in decisions_of(desk.ws, BEFORE, "replay")}


def test_what_there_is_not_is_said(decider: Person) -> None:
    for asked in (
        "date=2013-03-01",
        "date=../../x",
        "track=live",
        "track=x",
        "show=x",
        "page=0",
        "page=99",
        "page=x",
        "use_case=other",
    ):
        page = decider.get(f"/decisions?{asked}")
        assert page.status_code == 404, asked
        assert "<h1>" in page.text and 'action="/logout"' in page.text


def test_what_was_shown_counts_as_seen_once(desk: Running, decider: Person, expert: Person) -> None:
    for _ in range(2):
        ids = shown(decider.get("/decisions?show=all").text)
    expert.get("/review")
    assert [[(r.event, r.person) for r in of(desk.ws, i)] for i in ids] == [[("seen", "decider")]] * len(ids)
    rest = decisions_of(desk.ws, P, "replay")[50]["decision_id"]
    assert of(desk.ws, rest) == []


def test_accepting_is_one_form(desk: Running, decider: Person) -> None:
    one = shown(decider.get("/decisions").text)[1]
    done = decider.accept(one, f"/decisions?date={P}")
    assert (done.status_code, done.headers["location"]) == (303, f"/decisions?date={P}#{one}")
    page = decider.get("/decisions").text
    assert "Accepted by decider" in section(page, one) and "Override" not in section(page, one)
    assert f"1 of {len(decisions_of(desk.ws, P, 'replay'))} answered" in text(page)
    answer = answered(desk.ws, P)[one]
    assert (answer.action, answer.reason, answer.role) == ("act", None, "decider")


def test_an_override_needs_its_reason_and_keeps_it_as_text(desk: Running, decider: Person) -> None:
    ids = shown(decider.get("/decisions").text)
    for reason in ("", "   ", "x" * 501):
        refused = decider.override(ids[0], "wait", reason)
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text and "Accept" in section(refused.text, ids[0])
    assert answered(desk.ws, P) == {}
    for one, reason in zip(ids, PAYLOADS, strict=False):
        assert decider.override(one, "wait", reason).status_code == 303
        page = decider.get("/decisions").text
        assert f"Call nobody instead: {reason}" in section(page, one)
        assert not re.search(r"<script>|<img|onerror=[^&]*>$", page, re.MULTILINE)
        assert answered(desk.ws, P)[one].reason == reason


def test_what_is_no_answer_is_refused(desk: Running, decider: Person) -> None:
    one, other = shown(decider.get("/decisions").text)[:2]
    assert decider.override(one, "act", "no other action").status_code == 422
    assert decider.override(one, "dance", "no such action").status_code == 422
    assert decider.send("/decisions", decision_id=one, event="seen").status_code == 422
    assert decider.send("/decisions", decision_id=one).status_code == 422
    assert decider.accept("replay-2013-03-14-000000000000").status_code == 404
    before = decisions_of(desk.ws, BEFORE, "replay")[0]["decision_id"]
    assert decider.accept(before).status_code == 404  # isn't of the day of that page
    assert answered(desk.ws, P) == answered(desk.ws, BEFORE) == {}
    refused = decider.override(other, "act", "kept <as> written")
    assert 'value="kept &lt;as&gt; written"' in refused.text


def test_who_is_second_is_told_and_by_whom(desk: Running, decider: Person) -> None:
    desk.account("ann", role="decider")
    ann, one = desk.person("ann"), shown(decider.get("/decisions").text)[0]
    assert ann.accept(one).status_code == 303
    for late in (decider.accept(one), decider.override(one, "wait", "I was slower")):
        assert late.status_code == 409
        assert "answered already" in section(late.text, one) and "Accepted by ann" in section(late.text, one)
    assert [r.person for r in of(desk.ws, one) if r.event != "seen"] == ["ann"]


def test_what_is_simulated_says_so(desk: Running, decider: Person) -> None:
    one, other = shown(decider.get("/decisions").text)[:2]
    at = datetime(2013, 3, 14, 12)
    put(desk.ws, [Response(one, "sim_1", "decider", "overridden", "wait", "made up", at=at, simulated=True)])
    decider.accept(other)
    page = decider.get("/decisions").text
    assert "simulated" in section(page, one) and "2013-03-14 08:00" in section(page, one)
    assert "simulated" not in section(page, other)
    assert "simulated" in text(desk.person("auditor").get(f"/thread?id={one}").text)


def test_an_answer_of_ones_own_can_be_rated_once(desk: Running, decider: Person) -> None:
    desk.account("ann", role="decider")
    one, ann = shown(decider.get("/decisions").text)[0], desk.person("ann")
    decider.accept(one)
    assert "Was it of use?" in section(decider.get("/decisions").text, one)
    assert "Was it of use?" not in section(ann.get("/decisions").text, one)
    for rating in ("0", "6", "x", "", "²"):
        assert decider.send("/decisions", decision_id=one, event="rated", rating=rating).status_code == 422
    assert decider.send("/decisions", decision_id=one, event="rated", rating="4").status_code == 303
    said = section(decider.get("/decisions").text, one)
    assert "You rated it 4 of 5." in said and "Was it of use?" not in said
    assert [(r.event, r.rating, r.person) for r in of(desk.ws, one)][-1] == ("rated", 4, "decider")


# --- review


def test_the_queue_is_shown_by_rank_with_what_hangs_on_it(desk: Running, expert: Person) -> None:
    items, page = queue(desk.ws, P, "replay"), expert.get("/review").text
    assert shown(page) == [i.decision_id for i in items] and len(items) > 5
    for item in items:
        said = section(page, item.decision_id)
        assert said.startswith(f"{item.rank}. id ") or f" {item.rank}. id " in f" {said}"
        assert item.why in said and f"Up to {item.worth:,.0f} EUR" in said and f"for {item.reviewer}" in said
    entry = desk.ws.lake.entry("review/replay", P)
    left = f"0 of {len(items)} answered, about {5 * len(items)} minutes left."
    assert entry is not None and f"{left} {entry.facts['overflow']} more" in text(page)


def test_an_answer_in_the_queue_is_an_experts_and_leads_to_the_next(desk: Running, expert: Person) -> None:
    ids = shown(expert.get("/review").text)
    done = expert.accept(ids[0], f"/review?date={P}")
    assert done.headers["location"] == f"/review?date={P}#{ids[1]}"
    done = expert.accept(ids[2], f"/review?date={P}")
    assert done.headers["location"].endswith(ids[3])
    assert expert.accept(ids[-1], f"/review?date={P}").headers["location"].endswith(ids[-1])
    assert {r.role for r in answered(desk.ws, P).values()} == {"expert"}
    left = f"3 of {len(ids)} answered, about {5 * len(ids) - 15} minutes left."
    assert left in text(expert.get("/review").text)


def test_two_reviewers_on_one_item_one_wins_and_the_other_is_told(desk: Running, expert: Person) -> None:
    desk.account("bo", role="expert")
    bo, one = desk.person("bo"), shown(expert.get("/review").text)[0]
    other = queue(desk.ws, P, "replay")[0].alternative
    assert bo.override(one, other, "seen it myself", "/review").status_code == 303
    late = expert.accept(one, "/review")
    assert late.status_code == 409
    assert "Overridden by bo" in section(late.text, one) and "answered already" in section(late.text, one)
    assert [(r.person, r.action) for r in of(desk.ws, one)] == [("bo", other)]


def test_what_is_not_in_the_queue_is_not_reviewed(desk: Running, expert: Person) -> None:
    queued = set(shown(expert.get("/review").text))
    one = next(d["decision_id"] for d in decisions_of(desk.ws, P, "replay") if d["decision_id"] not in queued)
    assert expert.accept(one, "/review").status_code == 404
    assert of(desk.ws, one) == []


# --- impact


def test_the_owner_sees_the_report_with_the_same_figures(desk: Running) -> None:
    owner = desk.person("owner")
    page = owner.get("/impact").text
    written = impact_report.write(desk.ws, "replay").read_text()
    mine, theirs = text(page), text(written)
    assert theirs in mine
    assert "<style" not in page and "<svg" not in page
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)">', page)
    assert len(pictures) == written.count("<svg") >= 2
    for address, shows in pictures:
        picture = owner.get(html.unescape(address))
        assert picture.headers["content-type"] == "image/svg+xml" and picture.text.startswith("<svg")
        assert "script-src" not in picture.headers["content-security-policy"] and shows
        assert picture.headers["content-security-policy"].startswith("default-src 'none'")
    assert owner.get("/impact/picture?name=found").status_code == 404
    assert owner.get("/impact?track=live").status_code == 404


# --- thread


def test_a_thread_is_found_by_words_and_by_id(desk: Running, auditor: Person) -> None:
    row = decisions_of(desk.ws, P, "replay")[3]
    one = row["decision_id"]
    for words in (f"{row['id']}", f"{P} {row['id']}", f"{one[:-3]}"):
        page = auditor.get(f"/thread?q={words}")
        assert f"id={one}" in html.unescape(page.text), words
    assert "0 that fit “nothing like it”" in text(auditor.get("/thread?q=nothing+like+it").text)
    entry = desk.ws.lake.entry(dataset("replay"), P)
    assert entry is not None
    deliver(desk.ws, {P: entry}, "replay")
    desk.person("decider").override(
        one, "wait" if row["action"] == "act" else "act", "<b>why not</b>", "/decisions?show=all"
    )
    for address in (f"/thread?id={one}", f"/thread?q={one}"):
        said = text(auditor.get(address).text)
        for expected in (
            row["champion_version"],
            row["verdict_id"],
            row["data_version"],
            "<b>why not</b>",
            "overridden by decider (decider)",
            "seen by decider",
            f"calls_{P}.csv",
            "Delivered",
            "for the test",
        ):
            assert expected in said, expected


def test_what_leads_nowhere_is_said(auditor: Person) -> None:
    for one in ("replay-2013-03-14-000000000000", "live-2013-03-14-000000000000", "x", "../../etc"):
        page = auditor.get(f"/thread?id={one}")
        assert page.status_code == 404 and "leads nowhere" in page.text, one


# --- record


def test_the_record_is_read_and_searched(desk: Running, auditor: Person) -> None:
    note(desk.ws, "ann", "bridge <script>alert(1)</script> shut", "The bridge")
    write(desk.ws, "replay")
    page = auditor.get("/record").text
    assert "Fitters in time: model record" in text(page) and "<td>wait</td>" in page
    assert "<script>alert" not in page and "bridge <script>alert(1)</script> shut" in text(page)
    assert re.search(r"Version \d+ of the record of past decisions", text(page))
    found = text(auditor.get("/record?q=BRIDGE+shut").text)
    assert "1 place says “BRIDGE shut”" in found and "Fitters in time, finding " in found
    found = text(auditor.get("/record?q=for+the+test").text)
    assert "record of past decisions, version " in found and " · for the test · " in found
    assert "Nothing has failed yet." in text(auditor.get("/record?show=failed").text)
    assert "0 places say “<b>”" in text(auditor.get("/record?q=%3Cb%3E").text)


# --- several use cases, and none decided yet


def test_several_use_cases_are_a_choice_away(ws: Workspace, tmp_path: Path) -> None:
    fresh = make_workspace(tmp_path / "other", name="other", title="Another one")
    desk = Running({ws.use_case.name: ws, "other": Workspace(fresh.use_case, fresh.home, ws.database_url)})
    page = desk.person("decider").get("/decisions")
    assert page.status_code == 200 and '<option value="other">Another one</option>' in page.text
    for role, address in (
        ("decider", "/decisions"),
        ("expert", "/review"),
        ("owner", "/impact"),
        ("auditor", "/record"),
    ):
        page = desk.person(role).get(f"{address}?use_case=other")
        assert page.status_code == 404 and " yet</h1>" in page.text, address
        assert '<option value="other" selected>' in page.text
    desk.stop()
