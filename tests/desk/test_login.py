"""The log-in: right passwords open a session, guessing gets slower, and the page tells no more than it must."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy as sa

from desk import accounts, passwords
from desk.login import WrongPasswordError, describe_wait, log_in
from desk.roles import MENU_LABELS, PAGES_OF_ROLE, Grant
from desk.sessions import Client, csrf_of
from desk.throttle import FIRST_WAIT, FREE_ATTEMPTS
from tests.desk.conftest import NEW_PASSWORD, PASSWORD, Person, RunningDesk, csrf_in

NOW = datetime(2013, 3, 14, 12)


def test_an_unknown_name_is_refused_at_the_same_cost(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[tuple[int, ...]] = []
    real = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda p, s, *cost: costs.append(cost) or real(p, s, *cost))
    accounts.save_account(database, "ann", "decider", PASSWORD)
    accounts.save_provided_account(database, "bo", [Grant("decider")], "https://login.example 1")
    refusals = []
    for name in ("ann", "bo", "nobody"):
        with pytest.raises(WrongPasswordError) as refusal:
            log_in(database, name, "a wrong one", Client("here"), NOW)
        refusals.append(f"{refusal.value}")
    assert len(set(refusals)) == 1
    assert costs[-1] == costs[-2] == costs[-3]


@pytest.mark.parametrize(("seconds", "text"), [(10, "10 seconds"), (89, "89 seconds"), (121, "3 minutes")])
def test_a_wait_is_described_in_seconds_or_minutes(seconds: float, text: str) -> None:
    assert describe_wait(seconds) == text


def test_every_page_leads_to_the_log_in(desk: RunningDesk) -> None:
    client = desk.client()
    page = client.get("/")
    assert page.status_code == 200
    assert "<h1>Log in</h1>" in page.text
    assert page.text.count("<input") == 3  # form token, name and password: no secret question
    assert 'type="password" autocomplete="current-password"' in page.text
    for address in [*MENU_LABELS, "/impact/csv", "/logout", "/nothing", "/review/../../etc", "/decisions/"]:
        for answer in (client.get(address), client.post(address, data={"csrf": csrf_in(page.text)})):
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), address


def test_logging_in_opens_the_roles_first_page_and_logging_out_ends_the_session(desk: RunningDesk) -> None:
    for role, pages in PAGES_OF_ROLE.items():
        client = desk.client()
        client.get("/")
        before = client.cookies["desk-visitor"]
        assert Person(client).log_in(role).status_code == 303
        token = client.cookies["desk"]
        assert token != before
        assert client.get("/").headers["location"] == pages[0]
        page = client.get(pages[0])
        assert page.status_code == 200
        assert client.get("/logout").headers["location"] == "/"  # a link can't log anybody out
        assert client.get(pages[0]).status_code == 200
        answer = client.post("/logout", data={"csrf": csrf_in(page.text)})
        assert (answer.headers["location"], answer.headers["clear-site-data"]) == ("/", '"cache", "storage"')
        assert "desk" not in client.cookies
        assert desk.client_with_token(token).get(pages[0]).headers["location"] == "/"


def test_logging_in_as_another_person_ends_the_first_session(desk: RunningDesk) -> None:
    client = desk.person("decider").client
    token = client.cookies["desk"]
    client.cookies.delete("desk")  # the log-in page appears in another tab
    page = client.get("/").text
    client.cookies.set("desk", token, domain="127.0.0.1")
    again = client.post("/", data={"csrf": csrf_in(page), "name": "owner", "password": PASSWORD})
    assert again.status_code == 303
    assert client.get("/").headers["location"] == "/impact"
    assert desk.client_with_token(token).get("/decisions").headers["location"] == "/"


def test_a_wrong_password_tells_only_that_it_is_wrong(desk: RunningDesk) -> None:
    person = Person(desk.client())
    for name in ("decider", "nobody", "<script>alert(1)</script>"):
        page = person.log_in(name, "a wrong one")
        assert page.status_code == 401
        assert "The name or the password is wrong." in page.text
        assert "<script>alert" not in page.text
    for _ in range(FREE_ATTEMPTS - 1):
        assert person.log_in("decider", "a wrong one").status_code == 401
    page = person.log_in("decider")
    wait = int(page.headers["retry-after"])  # less than the first wait if the machine is slow
    assert page.status_code == 429 and 0 < wait <= FIRST_WAIT
    assert f"Wait {wait} seconds and try again." in page.text


def test_the_log_in_form_must_come_from_the_same_browser(desk: RunningDesk, decider: Person) -> None:
    foreign = csrf_in(decider.get("/decisions").text)
    stranger = desk.client()
    stranger.get("/")
    answer = stranger.post("/", data={"name": "decider", "password": PASSWORD, "csrf": foreign})
    assert answer.status_code == 403
    assert stranger.get("/decisions").headers["location"] == "/"


def test_a_visitor_without_a_cookie_sends_no_log_in_form(desk: RunningDesk) -> None:
    """Log-in CSRF: another website would log a person in to its own account, and read what the person does there."""
    for token in ("", "guessed", csrf_of("")):
        form = {"name": "decider", "password": PASSWORD, "csrf": csrf_of("") if token == "guessed" else csrf_of(token)}
        client = desk.client_with_token("guessed") if token == "guessed" else desk.client()
        answer = client.post("/", data=form)
        assert answer.status_code == 403
        assert "desk=" not in answer.headers.get("set-cookie", "").replace("desk-visitor=", "")
    visitors = {desk.client().get("/").headers["set-cookie"].partition(";")[0] for _ in range(3)}
    assert len(visitors) == 3


def test_a_planted_token_never_becomes_a_session(desk: RunningDesk) -> None:
    """Session fixation: whatever cookies an attacker plants, the log-in opens a session of its own."""
    client = desk.client()
    for name in ("desk", "desk-visitor"):
        client.cookies.set(name, "planted", domain="127.0.0.1")
    page = client.get("/").text
    form = {"csrf": csrf_in(page), "name": "decider", "password": PASSWORD}
    answer = client.post("/", data=form)
    assert answer.status_code == 303 and "desk=planted" not in answer.headers["set-cookie"]
    assert desk.client_with_token("planted").get("/decisions").headers["location"] == "/"


def test_the_first_log_in_asks_for_a_new_password(desk: RunningDesk) -> None:
    accounts.save_account(desk.database, "new", "decider", PASSWORD, must_change=True)
    person = desk.person("new")
    assert person.get("/").headers["location"] == "/account"
    for address in ("/decisions", "/people", "/nothing"):
        assert person.get(address).headers["location"] == "/account"
    page = person.get("/account").text
    assert "Choose your own password" in page and 'href="/decisions' not in page
    form = {"do": "change", "current": PASSWORD, "password": NEW_PASSWORD, "repeated": NEW_PASSWORD}
    assert person.send("/account", **form).headers["location"] == "/"
    assert person.get("/decisions").status_code == 200
