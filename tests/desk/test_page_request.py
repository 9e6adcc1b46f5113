"""Requests and links: the use case, the track and the parameters of an address."""

from __future__ import annotations

from desk.page_request import Desk, PageRequest
from desk.roles import Grant
from desk.sessions import Session
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.workspace import Workspace
from tests.desk.conftest import Person, RunningDesk


def request_with(home: Workspace, **query: str) -> PageRequest:
    """Return a request for the decisions page."""
    desk = Desk({home.use_case.name: home}, database=None, templates=page_environment("desk"))  # type: ignore[arg-type]
    return PageRequest(desk, "/decisions", query, None, Session("ann", (Grant("decider"),), "token"))


def test_links_keep_the_parameters_of_the_page(home: Workspace) -> None:
    request = request_with(home, date="2013-03-14", q="north & south", other="dropped")
    assert request.link() == "/decisions?date=2013-03-14&q=north+%26+south"
    assert request.link(q=None, page=2) == "/decisions?date=2013-03-14&page=2"
    assert request.parameters(date="", q=None) == ""


def test_the_first_use_case_and_the_existing_track_are_the_defaults(home: Workspace) -> None:
    request = request_with(home)
    assert request.ws is home
    assert request.track == "replay"  # there are no live decisions
    assert request_with(home, track="live").track == "live"


def test_an_address_that_leads_nowhere_is_explained(decider: Person, desk: RunningDesk) -> None:
    for parameters, text in {
        "date=2013-03-01": "Choose a day from 2013-03-13 to 2013-03-14.",
        "date=../../x": "Choose a day from 2013-03-13 to 2013-03-14.",
        "track=live": "There are no decisions yet",
        "track=x": "Choose one of the tracks: replay, live.",
        "show=x": "This list doesn",
        "page=0": "Choose a page from 1 to 1.",
        "page=99": "Choose a page from 1 to 1.",
        "page=x": "Choose a page from 1 to 1.",
        f"page={'9' * 5000}": "Choose a page from 1 to 1.",
        "use_case=other": "Choose a use case in the menu.",
    }.items():
        page = decider.get(f"/decisions?{parameters}")
        assert page.status_code == 404, parameters
        assert "<h1>" in page.text and 'action="/logout"' in page.text
        assert text in page.text, parameters
