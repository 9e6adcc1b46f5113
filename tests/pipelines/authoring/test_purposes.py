"""The purpose of a field is its description, or that of the field around it."""

from __future__ import annotations

import pytest

from pipelines.authoring.purposes import purpose_of


@pytest.mark.parametrize(
    ("path", "purpose"),
    [
        (("kpi", "currency"), "Currency code of all money in this declaration, such as USD."),
        (("kpi", "actions", "act", "cost"), "Cost of taking the action once"),
        (("people", "research", 0, "finding"), "What the research showed."),
        (("kpi", "actions", "act"), "The actions to choose from, by name."),
        (("nothing", "of", "that", "name"), ""),
    ],
)
def test_the_purpose_of_a_path_is_its_nearest_description(path: tuple[object, ...], purpose: str) -> None:
    assert purpose_of(path).startswith(purpose) and bool(purpose_of(path)) == bool(purpose)
