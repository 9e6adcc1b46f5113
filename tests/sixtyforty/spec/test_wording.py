"""Counts for people."""

from __future__ import annotations

import pytest

from sixtyforty.spec.wording import format_plural


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 extracts"), (1, "1 extract"), (2, "2 extracts"), (2000, "2,000 extracts")]
)
def test_the_noun_agrees_with_the_count(count: int, text: str) -> None:
    assert format_plural(count, "extract") == text


def test_an_irregular_plural_is_stated() -> None:
    assert [format_plural(count, "query", "queries") for count in (1, 3)] == ["1 query", "3 queries"]
