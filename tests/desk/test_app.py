"""The application as a whole: hosts, errors, several use cases, and fifty people at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from desk import tables
from desk.roles import PAGES_OF_ROLE
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.decisions.responses import open_log, responses_to
from sixtyforty.workspace import Workspace
from tests.desk.conftest import DAY, NO_TLS, PASSWORD, Person, RunningDesk, csrf_in, shown_ids
from tests.helpers import make_workspace
from tests.postgres import Postgres

PEOPLE = 50


def test_requests_for_another_host_are_refused(ws: Workspace, desk: RunningDesk) -> None:
    client = desk.client()
    for host in ("evil.example", "evil.example:3002", "127.0.0.1.evil.example", "desk.example", ""):
        assert client.get("/", headers={"Host": host}).status_code == 400, host
    assert client.get("/", headers={"Host": "localhost:3002"}).status_code == 200
    proxied = RunningDesk({ws.use_case.name: ws}, host="desk.example", secure=True)
    page = proxied.client().get("/", headers={"Host": "desk.example"})
    assert page.status_code == 200
    assert "Secure" in page.headers["set-cookie"]
    proxied.stop()


def test_an_unexpected_error_is_logged_and_shows_no_details(
    decider: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("internal details")

    monkeypatch.setattr("desk.decision_day.read_decisions", fail)
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    page = decider.get("/decisions")
    deadline = time.monotonic() + 30  # the server logs the error after it has sent the page
    while not caplog.text and time.monotonic() < deadline:
        time.sleep(0.01)
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert "RuntimeError: internal details" in caplog.text
    assert page.status_code == 500
    assert "Something went wrong" in page.text and "internal" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self';")


def test_an_unknown_page_is_reported_within_the_menu(decider: Person) -> None:
    page = decider.get("/nothing")
    assert page.status_code == 404
    assert "This page doesn&#39;t exist" in page.text and 'action="/logout"' in page.text


def test_people_switch_between_use_cases(ws: Workspace, tmp_path: Path) -> None:
    fresh = make_workspace(tmp_path / "other", name="other", title="Another one")
    desk = RunningDesk({ws.use_case.name: ws, "other": Workspace(fresh.use_case, fresh.home, ws.database_url)})
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


@pytest.mark.e2e
def test_the_desk_runs_on_postgresql(home: Workspace, postgres: Postgres) -> None:
    desk = RunningDesk({"calls": Workspace(home.use_case, home.home, postgres.database())})
    desk.add_accounts(*PAGES_OF_ROLE)
    decider, expert = desk.person("decider"), desk.person("expert")
    ids = shown_ids(decider.get("/decisions?show=all").text)
    assert decider.accept(ids[0]).status_code == 303
    queued = shown_ids(expert.get("/review").text)
    assert expert.override(queued[0], "act", "I know <i>better</i>", "/review").status_code == 303
    assert "I know &lt;i&gt;better&lt;/i&gt;" in expert.get("/review").text
    assert decider.accept(ids[0]).status_code == 303  # the same answer again is not recorded again
    assert [r.event for r in responses_to(desk.ws, ids[0])] == ["seen", "accepted"]
    desk.stop()


@dataclass
class Visit:
    """The status of each response to one person, and of the answer that all people tried to give."""

    statuses: list[int] = field(default_factory=list)
    contested: int = 0


async def visit(url: str, number: int, own: StoredDecision, contested: StoredDecision, ready: asyncio.Barrier) -> Visit:
    """Log in, wait for the others, answer one decision of one's own and one that all answer, look again, log out."""
    record, page = Visit(), "/decisions?show=all"
    async with httpx.AsyncClient(base_url=url, timeout=120, verify=NO_TLS) as client:

        async def send(address: str, **form: str) -> httpx.Response:
            answer = await (client.post(address, data=form) if form else client.get(address))
            record.statuses.append(answer.status_code)
            return answer

        token = csrf_in((await send("/")).text)
        await send("/", csrf=token, name=f"person{number}", password=PASSWORD)
        token = csrf_in((await send(page)).text)
        await ready.wait()
        for row in (own, contested):
            action = "wait" if row.action == "act" else "act"
            event = {"event": "accepted"} if number % 2 else {"event": "overridden", "reason": f"reason {number}"}
            answer = await send(page, csrf=token, decision_id=row.decision_id, action=action, **event)
        record.contested = answer.status_code
        assert own.decision_id in shown_ids((await send(page)).text)
        await send("/logout", csrf=token)
    return record


@pytest.mark.e2e
def test_fifty_people_at_once_lose_nothing(desk: RunningDesk) -> None:
    rows = read_decisions(desk.ws, DAY, "replay")
    desk.add_accounts(*(f"person{i}" for i in range(PEOPLE)), role="decider")

    async def visit_together() -> list[Visit]:
        ready = asyncio.Barrier(PEOPLE)
        return await asyncio.gather(*(visit(desk.url, i, rows[i], rows[-1], ready) for i in range(PEOPLE)))

    start = time.perf_counter()
    visits = asyncio.run(visit_together())
    seconds = time.perf_counter() - start

    statuses = Counter(s for v in visits for s in v.statuses)
    print(f"{statuses.total()} requests in {seconds:.1f} s: {dict(statuses)}")
    # Each person: log-in page, log-in, page, own answer, contested answer, page, log-out.
    assert statuses == {200: 3 * PEOPLE, 303: 3 * PEOPLE + 1, 409: PEOPLE - 1}
    assert Counter(v.contested for v in visits) == {303: 1, 409: PEOPLE - 1}

    engine, table = open_log(desk.ws)
    with engine.connect() as connection:
        logged = connection.execute(sa.select(table.c["decision_id", "person", "event", "reason"])).all()
    answer_of = {r.decision_id: r for r in logged if r.event != "seen"}
    assert len(answer_of) == PEOPLE + 1 == sum(r.event != "seen" for r in logged)
    for i, row in enumerate(rows[:PEOPLE]):
        answer = answer_of[row.decision_id]
        assert (answer.person, answer.reason) == (f"person{i}", None if i % 2 else f"reason {i}")
    seen = Counter((r.person, r.decision_id) for r in logged if r.event == "seen")
    assert len(seen) == seen.total() == PEOPLE * 50
    with desk.database.connect() as connection:
        assert not connection.execute(sa.select(tables.SESSIONS)).all()  # everybody has logged out
