"""The log-in: right passwords open a session, guessing gets slower, and the page tells no more than it must."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from desk import accounts, passwords
from desk.login import FAILURE_LIFETIME, FREE_FAILURES, LoginRefusedError, describe_wait, log_in
from desk.roles import MENU_LABELS, PAGES_OF_ROLE
from tests.desk.conftest import PASSWORD, Person, RunningDesk, csrf_in

NOW = datetime(2013, 3, 14, 12)


def guess(database: sa.Engine, name: str, now: datetime, address: str = "here", password: str = "a wrong one") -> float:
    """Return the seconds to wait for the next attempt; 0 if this one was checked."""
    with pytest.raises(LoginRefusedError) as refusal:
        log_in(database, name, password, address, now)
    return refusal.value.wait


def test_an_unknown_name_is_refused_at_the_same_cost(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[tuple[int, ...]] = []
    real = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda p, s, *cost: costs.append(cost) or real(p, s, *cost))
    accounts.save_account(database, "ann", "decider", PASSWORD)
    refusals = []
    for name in ("ann", "nobody"):
        with pytest.raises(LoginRefusedError) as refusal:
            log_in(database, name, "a wrong one", "here", NOW)
        refusals.append((f"{refusal.value}", refusal.value.wait))
    assert refusals[0] == refusals[1]
    assert costs[-1] == costs[-2]


def test_guessing_gets_slower_and_slower(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    for _ in range(FREE_FAILURES["account"]):
        assert guess(database, "ann", NOW) == 0
    waits, now = [], NOW
    for _ in range(9):
        waits.append(guess(database, "ann", now))
        assert guess(database, "ann", now, password=PASSWORD) == waits[-1]  # not even the right one is checked
        now += timedelta(seconds=waits[-1])
        assert guess(database, "ann", now) == 0
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_log_in_clears_the_failures_and_so_does_an_hour(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    for _ in range(3):
        for _ in range(FREE_FAILURES["account"] - 1):
            guess(database, "ann", NOW)
        log_in(database, "ann", PASSWORD, "here", NOW)
    for _ in range(FREE_FAILURES["account"]):
        guess(database, "ann", NOW)
    assert guess(database, "ann", NOW) > 0
    assert log_in(database, "ann", PASSWORD, "here", NOW + FAILURE_LIFETIME)


def test_an_address_is_slowed_down_whatever_names_it_tries(database: sa.Engine) -> None:
    for i in range(FREE_FAILURES["address"]):
        assert guess(database, f"name{i}", NOW, "there") == 0
    assert guess(database, "another", NOW, "there") == 10
    assert guess(database, "another", NOW, "elsewhere") == 0


def test_many_guesses_at_once_are_no_way_round_the_delay(database: sa.Engine) -> None:
    accounts.save_account(database, "ann", "decider", PASSWORD)
    with ThreadPoolExecutor(20) as pool:
        waits = list(pool.map(lambda i: guess(database, "ann", NOW, f"{i}"), range(20)))
    assert waits.count(0) == FREE_FAILURES["account"]


@pytest.mark.parametrize(("seconds", "text"), [(10, "10 seconds"), (89, "89 seconds"), (121, "3 minutes")])
def test_a_wait_is_described_in_seconds_or_minutes(seconds: float, text: str) -> None:
    assert describe_wait(seconds) == text


def test_every_page_leads_to_the_log_in(desk: RunningDesk) -> None:
    client = desk.client()
    page = client.get("/")
    assert page.status_code == 200
    assert "<h1>Log in</h1>" in page.text
    for address in [*MENU_LABELS, "/impact/chart", "/logout", "/nothing", "/review/../../etc", "/decisions/"]:
        for answer in (client.get(address), client.post(address, data={"csrf": csrf_in(page.text)})):
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), address


def test_logging_in_opens_the_roles_first_page_and_logging_out_ends_the_session(desk: RunningDesk) -> None:
    for role, pages in PAGES_OF_ROLE.items():
        client = desk.client()
        client.get("/")
        before = client.cookies["desk"]
        assert Person(client).log_in(role).status_code == 303
        token = client.cookies["desk"]
        assert token != before
        assert client.get("/").headers["location"] == pages[0]
        page = client.get(pages[0])
        assert page.status_code == 200
        assert client.get("/logout").headers["location"] == "/"  # a link can't log anybody out
        assert client.get(pages[0]).status_code == 200
        assert client.post("/logout", data={"csrf": csrf_in(page.text)}).headers["location"] == "/"
        assert "desk" not in client.cookies
        assert desk.client_with_token(token).get(pages[0]).headers["location"] == "/"


def test_logging_in_as_another_person_ends_the_first_session(desk: RunningDesk) -> None:
    client = desk.person("decider").client
    token, page = client.cookies["desk"], client.get("/decisions").text
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
    for _ in range(FREE_FAILURES["account"] - 1):
        assert person.log_in("decider", "a wrong one").status_code == 401
    page = person.log_in("decider")
    assert (page.status_code, page.headers["retry-after"]) == (429, "10")
    assert "Wait 10 seconds and try again." in page.text


def test_the_log_in_form_must_come_from_the_same_browser(desk: RunningDesk, decider: Person) -> None:
    foreign = csrf_in(decider.get("/decisions").text)
    stranger = desk.client()
    stranger.get("/")
    answer = stranger.post("/", data={"name": "decider", "password": PASSWORD, "csrf": foreign})
    assert answer.status_code == 403
    assert stranger.get("/decisions").headers["location"] == "/"
