"""Access: each role opens its own pages, and acts only in its own name."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.roles import MENU_LABELS, PAGES_OF_ROLE, format_grants, parse_grant
from desk.sessions import csrf_of
from desk.tables import ACCOUNTS
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.responses import responses_to
from sixtyforty.reports.readership import last_read_days
from sixtyforty.workspace import Workspace
from tests.desk.conftest import DAY, Person, RunningDesk, csrf_in, shown_ids, visible_text


def test_each_role_opens_its_pages_and_no_others(desk: RunningDesk) -> None:
    for role, pages in PAGES_OF_ROLE.items():
        client = desk.person(role).client
        for address in [*MENU_LABELS, "/impact/csv?track=replay"]:
            answer = client.get(address)
            assert (answer.status_code == 403) == (address.split("/csv")[0] not in pages), (role, address)
            assert ("<h1>You don&#39;t have access to this page" in answer.text) == (answer.status_code == 403)
            assert client.post(address, data={"csrf": csrf_in(client.get(pages[0]).text)}).status_code >= 400
        menu = client.get(pages[0]).text
        assert [a for a in MENU_LABELS if f'<a href="{a}' in menu] == [a for a in MENU_LABELS if a in pages]


def test_a_refused_page_names_the_pages_that_the_person_can_open(decider: Person) -> None:
    page = html.unescape(decider.get("/impact").text)
    assert "You are logged in as decider. You can open: Decisions, Afterwards, People, Maturity." in page


GRANTS = st.builds(
    "{}{}".format,
    st.sampled_from(list(PAGES_OF_ROLE)),
    st.sampled_from(["", ":calls", ":other", ":removed", ":team=dispatch", ":team=Tower", ":team=calls"]),
)
TEAMS = {"calls": "dispatch", "other": "Tower"}
ROUTES = (*MENU_LABELS, "/impact/csv")


def grants_open(grants: set[str], page: str, use_case: str) -> bool:
    """Return, by the text of the grants alone, whether they open a page in a use case."""
    scopes = ("", f":{use_case}", f":team={TEAMS[use_case]}")
    return any(f"{role}{scope}" in grants for scope in scopes for role, pages in PAGES_OF_ROLE.items() if page in pages)


@pytest.fixture
def two_use_cases(ws: Workspace) -> Iterator[RunningDesk]:
    """A desk with two use cases of the same home, of different teams."""
    workspaces = {}
    for name, team in TEAMS.items():
        people = ws.use_case.people.model_copy(update={"team": team})
        use_case = ws.use_case.model_copy(update={"name": name, "people": people})
        workspaces[name] = Workspace(use_case, ws.home, ws.database_url)
    running = RunningDesk(workspaces)
    yield running
    running.stop()


def test_no_route_is_open_without_a_grant_for_its_role_and_use_case(two_use_cases: RunningDesk) -> None:
    """Every route, every role and every scope: who may not open a page reads nothing of it, and sends no form to it."""
    desk = two_use_cases
    person = desk.person("decider")
    csrf = csrf_of(person.client.cookies["desk"])

    @given(
        grants=st.sets(GRANTS, min_size=1, max_size=3), route=st.sampled_from(ROUTES), name=st.sampled_from(list(TEAMS))
    )
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    def check(grants: set[str], route: str, name: str) -> None:
        stored = format_grants(map(parse_grant, grants))
        with desk.database.begin() as connection:
            connection.execute(sa.update(ACCOUNTS).where(ACCOUNTS.c.name == "decider").values(role=stored))
        page, address = route.removesuffix("/csv"), f"{route}?use_case={name}"
        is_known = any(grants_open(grants, page, name) for page in MENU_LABELS)
        allowed = grants_open(grants, page, name)
        answer = person.get(address)
        refused = answer.status_code == 403 or "This use case doesn" in answer.text
        assert refused != allowed, (grants, address, answer.status_code)
        if not allowed:
            form = {"csrf": csrf, "task": "lists", "decision_id": "x", "event": "accepted"}
            assert person.client.post(address, data=form).status_code in (403, 404, 405)
        assert ("This use case doesn" in answer.text) == (not is_known)
        if is_known:
            menu = [label for label in MENU_LABELS if f'<a href="{label}?' in answer.text]
            assert (
                menu == [label for label in MENU_LABELS if grants_open(grants, label, name)] or route == page + "/csv"
            )

    check()


def test_a_page_of_all_use_cases_shows_only_those_of_the_person(two_use_cases: RunningDesk) -> None:
    desk = two_use_cases
    desk.add_accounts("ola", role="owner:calls\nauditor:team=Tower")
    person = desk.person("ola")
    assert person.get("/").headers["location"] == "/impact"
    assert "1 use case" in visible_text(person.get("/portfolio").text)
    assert person.get("/portfolio?use_case=other").status_code == 403
    assert person.get("/trace?use_case=other").status_code == 200
    assert "you see the events of these use cases" in person.get("/security").text


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


LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


# What browsers send with a page that they load ahead of time: the standard's header, and those of earlier browsers.
AHEAD = [
    {"sec-purpose": "prefetch"},
    {"sec-purpose": "prefetch;prerender"},
    {"sec-purpose": "Prefetch; anonymous-client-ip"},
    {"purpose": "prefetch"},
    {"purpose": "Prefetch"},
    {"x-purpose": "preview"},
    {"x-moz": "prefetch"},
]


@pytest.mark.usefixtures("nothing_read")
def test_checks_links_of_other_websites_and_prefetches_count_as_no_reading(desk: RunningDesk, decider: Person) -> None:
    """Otherwise a mail scanner, or a page that opens the desk unseen, would forge the use of the decisions."""
    client, ids = decider.client, [d.decision_id for d in read_decisions(desk.ws, DAY, "replay")]
    assert client.head("/decisions?show=all").status_code == 200
    assert client.get("/decisions?show=all", headers=LINK).status_code == 200
    for header in AHEAD:
        assert client.get("/decisions?show=all", headers=header).status_code == 200
    assert last_read_days(desk.ws) == {}
    assert not any(responses_to(desk.ws, decision_id) for decision_id in ids[:3])
    assert client.get("/decisions?show=all", headers={"sec-fetch-site": "same-origin"}).status_code == 200
    assert set(last_read_days(desk.ws)) == {"decisions"}
    assert any(responses_to(desk.ws, decision_id) for decision_id in ids)
