"""Counts, dates and lists for people."""

from __future__ import annotations

from datetime import date

import pytest

from sixtyforty.spec.wording import format_date, format_plural, join_first


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 extracts"), (1, "1 extract"), (2, "2 extracts"), (2000, "2,000 extracts")]
)
def test_the_noun_agrees_with_the_count(count: int, text: str) -> None:
    assert format_plural(count, "extract") == text


def test_an_irregular_plural_is_stated() -> None:
    assert [format_plural(count, "query", "queries") for count in (1, 3)] == ["1 query", "3 queries"]


def test_a_date_is_written_in_words() -> None:
    assert [format_date(day) for day in (date(2013, 6, 3), "2013-06-03")] == ["3 June 2013"] * 2
    assert format_date("2013-06-03T0400") == "2013-06-03T0400"  # the key of an hour


def test_a_long_list_says_how_many_it_leaves_out() -> None:
    texts = [f"t{number}" for number in range(2003)]
    assert [join_first(texts[:count], 2) for count in (0, 2, 3)] == ["", "t0; t1", "t0; t1; and 1 more"]
    assert join_first(texts, 2) == "t0; t1; and 2,001 more"
