"""The pages of people across use cases: who wants and fears what, who has learned what, what all of it is worth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from desk.roles import MAY
from sixtyforty.lifecycle import training
from sixtyforty.reports import portfolio, readership
from sixtyforty.workspace import Workspace
from tests.desk.conftest import Running
from tests.desk.test_pages import text
from tests.helpers import make_workspace
from tests.words import assert_plain


@pytest.fixture(autouse=True)
def kept_apart(ws: Workspace) -> Iterator[None]:
    """What is learned or read in another test isn't in this one: the home is everybody's."""
    ledger = training.trainings(ws).path
    for path in (ledger, ledger.with_suffix(".head"), *(ws.home / "data" / "reads").glob("*.json")):
        path.unlink(missing_ok=True)
    yield
    for path in (ledger, ledger.with_suffix(".head")):
        path.unlink(missing_ok=True)


def test_what_people_want_fear_and_learn_is_there_in_their_words(desk: Running) -> None:
    page = desk.person("owner").get("/people").text
    assert_plain(page)
    said = text(page)
    for words in (
        "Nobody waits in vain. head of service",
        "1 February 2013 They guess at night. (three dispatchers)",
        "Fitters longer days What is done about it: a limit",
        "0 of 2 have done it",
        "The gate of this stage asks for 50%",
        "Reads the list",
    ):
        assert words in said


def test_who_has_learned_it_says_so_once_and_the_gate_counts_it(desk: Running) -> None:
    decider = desk.person("decider")
    assert decider.send("/people", task="lists").status_code == 303
    assert decider.send("/people", task="lists").status_code == 303
    assert training.who(desk.ws) == {"lists": ["decider"]}
    said = text(decider.get("/people").text)
    assert "1 of 2 have done it: decider" in said
    assert "I have done it" not in said
    assert "I have done it" in text(desk.person("expert").get("/people").text)
    assert decider.send("/people", task="swimming").status_code == 404


def test_a_form_from_elsewhere_teaches_nobody(desk: Running) -> None:
    decider = desk.person("decider")
    assert decider.client.post("/people", data={"task": "lists", "csrf": "0" * 64}).status_code == 403
    assert training.who(desk.ws) == {"lists": []}


def test_owners_see_the_portfolio_others_do_not(desk: Running) -> None:
    page = desk.person("owner").get("/portfolio")
    assert page.status_code == 200
    assert_plain(page.text)
    (found,) = portfolio.portfolio([desk.ws])
    assert f"{found.net:+,.0f} {found.unit}" in text(page.text)
    for role in set(MAY) - {"owner"}:
        assert desk.person(role).get("/portfolio").status_code == 403


@pytest.mark.parametrize("role", MAY)
def test_everybody_sees_how_far_all_have_come(desk: Running, role: str) -> None:
    page = desk.person(role).get("/maturity").text
    assert_plain(page)
    assert "Ask the executive and the operating manager" in text(page)


def test_of_a_use_case_that_declares_nothing_it_says_so(desk: Running, tmp_path) -> None:
    bare = make_workspace(tmp_path, name="bare")
    two = Running({"bare": Workspace(bare.use_case, bare.home, desk.ws.database_url)})
    try:
        said = text(two.person("owner").get("/people").text)
        assert "Nobody has been asked yet." in said and "No training is planned." in said
        assert "Say by what it is to be judged" in text(two.person("owner").get("/maturity").text)
    finally:
        two.stop()


def test_what_is_opened_counts_as_read(desk: Running) -> None:
    assert readership.read(desk.ws) == {}
    desk.person("decider").get("/decisions")
    desk.person("owner").get("/impact")
    desk.person("owner").get("/impact?track=live")  # there is none yet: nobody can have read it
    assert set(readership.read(desk.ws)) == {"decisions", "impact_report"}
