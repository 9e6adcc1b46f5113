"""The security log on the desk: what people do is recorded, and auditors read it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from desk.login import UNKNOWN_NAME
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.storage.security_log import SecurityEvent, SecurityLog
from tests.desk.conftest import DAY, NEW_PASSWORD, PASSWORD, Person, RunningDesk, csrf_in, visible_text


def events(desk: RunningDesk) -> list[tuple[str, str, str]]:
    """Return kind, person and detail of the recorded events, oldest first."""
    return [(e.kind, e.person, e.detail) for e in SecurityLog(desk.database).read(100)][::-1]


def test_what_people_do_is_recorded_with_who_and_where(desk: RunningDesk) -> None:
    secret = "my password in the wrong field"
    stranger = Person(desk.client())
    stranger.log_in(secret, "a wrong one")
    stranger.log_in("decider", "a wrong one")
    decider = desk.person("decider")
    row = read_decisions(desk.ws, DAY, "replay")[0]
    decider.accept(row.decision_id)
    decider.get("/impact")
    decider.client.post("/decisions", data={"csrf": "forged"})
    form = {"do": "change", "current": PASSWORD, "password": NEW_PASSWORD, "repeated": NEW_PASSWORD}
    decider.send("/account", **form)
    decider.client.post("/logout", data={"csrf": csrf_in(decider.get("/account").text)})
    assert events(desk) == [
        ("log-in failed", UNKNOWN_NAME, ""),
        ("log-in failed", "decider", ""),
        ("log-in", "decider", ""),
        ("answer", "decider", f"accepted as decider: {row.decision_id}"),
        ("access denied", "decider", "GET /impact: You don't have access to this page"),
        ("access denied", "decider", "POST /decisions: This form is out of date"),
        ("password changed", "decider", "all other sessions ended"),
        ("log-out", "decider", ""),
    ]
    assert {event.address for event in SecurityLog(desk.database).read(100)} == {"127.0.0.1"}
    assert SecurityLog(desk.database).verify() == 8


def test_a_guesser_who_has_to_wait_does_not_fill_the_log(desk: RunningDesk, auditor: Person) -> None:
    for _ in range(8):
        Person(desk.client()).log_in("decider", "a wrong one")
    failures = [detail for kind, person, detail in events(desk) if person == "decider"]
    assert failures == ["", "", "", "", "the next attempt from there has to wait 10 seconds"]
    text = visible_text(auditor.get("/security?show=log-in+failed").text)
    assert text.count("log-in failed decider 127.0.0.1") == 5 and "log-in auditor" not in text


def test_auditors_page_through_the_log(desk: RunningDesk, auditor: Person) -> None:
    log = SecurityLog(desk.database)
    for number in range(120):
        log.record(SecurityEvent("adoption", f"person{number}", "command line", "calls", "<b>why</b>"))
    first, second = (visible_text(auditor.get(f"/security?page={page}").text) for page in (1, 2))
    assert "Each row matches its hash" in first and "<b>why</b>" in first
    assert "person119" in first and "person20 " in first and "person19 " not in first
    assert "person19 " in second and "log-in auditor" in second
    for wrong in ("page=0", "page=x", f"page={'9' * 5000}", "show=nothing"):
        assert auditor.get(f"/security?{wrong}").status_code == 404


def test_a_changed_log_is_shown(desk: RunningDesk, auditor: Person) -> None:
    with desk.database.begin() as connection:
        connection.execute(sa.text("drop trigger security_log_no_update"))
        connection.execute(sa.text("update security_log set person = 'nobody'"))
    assert "The security log was changed: row 1" in auditor.get("/security").text


@pytest.mark.parametrize("role", ["decider", "expert", "owner"])
def test_nobody_else_reads_the_log(role: str, desk: RunningDesk) -> None:
    assert desk.person(role).get("/security").status_code == 403
