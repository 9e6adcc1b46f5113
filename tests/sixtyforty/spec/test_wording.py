"""Counts carry their noun in the right number."""

from __future__ import annotations

import pytest

from sixtyforty.spec.wording import format_plural


@pytest.mark.parametrize(
    ("count", "plural", "text"),
    [
        (1, "boxes", "1 box"),
        (0, "boxes", "0 boxes"),
        (1200, "boxes", "1,200 boxes"),
        (1, "", "1 box"),
        (2, "", "2 boxs"),
    ],
)
def test_a_count_carries_its_noun_in_the_right_number(count: int, plural: str, text: str) -> None:
    assert format_plural(count, "box", plural) == text
