"""One's own account: the password is changed by who knows it, and sessions are listed and ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.sessions import MAX_IDLE, session_key
from desk.throttle import FREE_ATTEMPTS
from tests.desk.conftest import NEW_PASSWORD, PASSWORD, Person, RunningDesk


def change(person: Person, **form: str) -> str:
    """Send the form for a new password and return the answered page; empty after a redirect."""
    fields = {"do": "change", "current": PASSWORD, "password": NEW_PASSWORD, "repeated": NEW_PASSWORD} | form
    return person.send("/account", **fields).text


def test_a_changed_password_ends_all_other_sessions(desk: RunningDesk, decider: Person) -> None:
    other, old_token = desk.person("decider"), decider.client.cookies["desk"]
    assert change(decider) == ""
    assert decider.client.cookies["desk"] != old_token
    assert "Your password is changed" in decider.get("/account?changed=yes").text
    for ended in (other.client, desk.client_with_token(old_token)):
        assert ended.get("/decisions").headers["location"] == "/"
    assert Person(desk.client()).log_in("decider").status_code == 401
    assert Person(desk.client()).log_in("decider", NEW_PASSWORD).status_code == 303


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"current": "a wrong one"}, "The current password is wrong"),
        ({"repeated": "another one"}, "The two new passwords differ"),
        ({"password": PASSWORD, "repeated": PASSWORD}, "The new password is the current one"),
        ({"password": "short", "repeated": "short"}, "Use 12 to 256 characters"),
        ({"password": "password1234", "repeated": "password1234"}, "easy to guess"),
        ({"do": "nothing"}, "Nothing was saved"),
    ],
)
def test_a_refused_password_changes_nothing(decider: Person, form: dict[str, str], text: str) -> None:
    page = change(decider, **form)
    assert text in page and NEW_PASSWORD not in page and PASSWORD not in page
    assert decider.get("/decisions").status_code == 200


def test_a_stolen_session_guesses_no_password(decider: Person) -> None:
    for _ in range(FREE_ATTEMPTS):
        assert "The current password is wrong" in change(decider, current="a wrong one")
    assert "Too many failed attempts" in change(decider)


def test_people_see_and_end_their_own_sessions_only(desk: RunningDesk, decider: Person, expert: Person) -> None:
    other = desk.person("decider")
    key = session_key(other.client.cookies["desk"])
    assert decider.get("/account").text.count('<button name="key"') == 2  # that session, and all others
    expert.send("/account", do="end", key=key, current=PASSWORD)
    assert other.get("/decisions").status_code == 200
    for wrong in ({}, {"current": "a wrong one"}):  # a stolen session ends no other session
        assert "The current password is wrong" in decider.send("/account", do="end", key=key, **wrong).text
        assert other.get("/decisions").status_code == 200
    decider.send("/account", do="end", key=key, current=PASSWORD)
    assert other.get("/decisions").headers["location"] == "/"
    again = desk.person("decider")
    decider.send("/account", do="end", current=PASSWORD)
    assert again.get("/decisions").headers["location"] == "/"
    assert decider.get("/decisions").status_code == expert.get("/review").status_code == 200


def test_a_page_is_loaded_again_when_its_session_has_expired(desk: RunningDesk, decider: Person) -> None:
    """Once, the page of an expired session stayed on the screen."""
    seconds = int(decider.get("/decisions").headers["refresh"])
    assert MAX_IDLE < timedelta(seconds=seconds) < MAX_IDLE + timedelta(minutes=5)
    assert "refresh" not in desk.client().get("/").headers
