"""Access: each role opens its own pages, and acts only in its own name."""

from __future__ import annotations

import pytest

from desk.access import check_role
from desk.page_request import Problem
from desk.roles import MENU_LABELS, PAGES_OF_ROLE
from sixtyforty.decisions.responses import responses_to
from sixtyforty.reports.readership import last_read_days
from sixtyforty.workspace import Workspace
from tests.desk.conftest import Person, RunningDesk, csrf_in, shown_ids


def test_each_role_opens_its_pages_and_no_others(desk: RunningDesk) -> None:
    for role, pages in PAGES_OF_ROLE.items():
        client = desk.person(role).client
        for address in [*MENU_LABELS, "/impact/chart?name=cumulative"]:
            answer = client.get(address)
            assert (answer.status_code == 403) == (address.split("/chart")[0] not in pages), (role, address)
            assert ("You don&#39;t have access to this page" in answer.text) == (answer.status_code == 403)
            assert client.post(address, data={"csrf": csrf_in(client.get(pages[0]).text)}).status_code >= 400
        menu = client.get(pages[0]).text
        assert [a for a in MENU_LABELS if f'<a href="{a}' in menu] == [a for a in MENU_LABELS if a in pages]


def test_a_refused_page_names_the_pages_that_the_person_can_open() -> None:
    with pytest.raises(Problem, match=r"logged in as decider\. You can open: Decisions, People, Maturity\."):
        check_role("decider", "/impact")
    check_role("owner", "/impact")


def test_nobody_acts_in_another_name(desk: RunningDesk, decider: Person) -> None:
    page = decider.get("/decisions?show=all").text
    form = {
        "csrf": csrf_in(page),
        "decision_id": shown_ids(page)[0],
        "event": "accepted",
        "person": "expert",
        "role": "expert",
        "at": "2001-01-01",
        "simulated": "true",
    }
    assert decider.client.post("/decisions?show=all&person=expert", data=form).status_code == 303
    answer = responses_to(desk.ws, form["decision_id"])[-1]
    assert (answer.event, answer.person, answer.role, answer.simulated) == ("accepted", "decider", "decider", False)
    assert answer.at is not None and answer.at.year > 2001


@pytest.fixture
def nothing_read(home: Workspace) -> None:
    """No page of the shared home was opened yet."""
    for path in (home.home / "data" / "reads").glob("*.json"):
        path.unlink()


@pytest.mark.usefixtures("nothing_read")
def test_an_opened_page_counts_as_read(desk: RunningDesk) -> None:
    assert last_read_days(desk.ws) == {}
    desk.person("decider").get("/decisions")
    desk.person("owner").get("/impact")
    desk.person("owner").get("/impact?track=live")  # it doesn't exist, so nobody can have read it
    assert set(last_read_days(desk.ws)) == {"decisions", "impact_report"}
