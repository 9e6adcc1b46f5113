"""The table of roles fits the pages."""

from __future__ import annotations

from desk.roles import MENU_LABELS, OUTPUT_OF_PAGE, PAGES_OF_ROLE


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
