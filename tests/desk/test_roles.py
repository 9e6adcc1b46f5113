"""The table of roles fits the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.roles import (
    MENU_LABELS,
    OUTPUT_OF_PAGE,
    PAGES_OF_ROLE,
    Grant,
    GrantError,
    format_grants,
    parse_grant,
    parse_grants,
    roles_of_training,
)
from tests.helpers import make_use_case


def test_every_page_belongs_to_a_role_and_has_a_label() -> None:
    pages = [page for pages in PAGES_OF_ROLE.values() for page in pages]
    assert set(pages) == set(MENU_LABELS)
    assert set(OUTPUT_OF_PAGE) <= set(MENU_LABELS)
    assert len(set(MENU_LABELS.values())) == len(MENU_LABELS)


def test_menus_list_a_roles_main_page_first() -> None:
    assert {role: pages[0] for role, pages in PAGES_OF_ROLE.items()} == {
        "decider": "/decisions",
        "expert": "/review",
        "owner": "/impact",
        "auditor": "/trace",
    }


def test_the_first_page_of_a_menu_is_a_main_page() -> None:
    """The menu has the order of MENU_LABELS, so the first page after the log-in is one of the person's roles."""
    for pages in PAGES_OF_ROLE.values():
        assert [page for page in MENU_LABELS if page in pages] == list(pages)


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("decider", Grant("decider")),
        (" expert : calls ", Grant("expert", use_case="calls")),
        ("owner:team=Duty managers, Newark: night", Grant("owner", team="Duty managers, Newark: night")),
    ],
)
def test_a_grant_is_written_as_it_is_read(text: str, grant: Grant) -> None:
    assert parse_grant(text) == parse_grant(str(grant)) == grant
    assert parse_grants(format_grants([grant, Grant("auditor"), grant])) == tuple(sorted([grant, Grant("auditor")]))


@pytest.mark.parametrize("text", ["", "boss", "Decider", "decider:", "decider:team=", "decider:a\nauditor", ":calls"])
def test_a_text_that_is_no_grant_is_refused(text: str) -> None:
    with pytest.raises(GrantError):
        parse_grant(text)


def test_each_training_task_is_for_one_role_of_the_desk(tmp_path: Path) -> None:
    roles = {"a": "Dispatcher", "b": "shift manager", "c": "head of desk"}
    training = {name: {"title": name, "role": role, "headcount": 1} for name, role in roles.items()}
    review = {"reviewers": {"shift_manager": 3}, "minutes_per_review": 5, "abstain_below": 1}
    people = make_use_case(tmp_path, people={"review": review, "change": {"training": training}}).people
    assert roles_of_training(people) == {"a": "decider", "b": "expert", "c": "owner"}
