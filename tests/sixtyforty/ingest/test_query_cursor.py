"""A cursor takes each row once, and rows of its overlap only if they are new."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.query_cursor import CursorTypeError, QueryCursor, advance_cursor, subtract_overlap

NOON = datetime(2013, 3, 10, 12)


@pytest.mark.parametrize(
    ("cursor_value", "overlap", "start"),
    [
        (10, 3.0, 7),
        (1.5, 0.5, 1.0),
        (date(2013, 3, 10), 600, date(2013, 3, 9)),
        (date(2013, 3, 10), 0, date(2013, 3, 10)),
        (NOON, 60, NOON - timedelta(minutes=1)),
        ("2013-03-10 12:00:00", 60, "2013-03-10 11:59:00"),
        ("01ARZ3NDEK", 60, "01ARZ3NDEK"),
    ],
)
def test_the_overlap_is_subtracted_in_the_type_of_the_cursor(cursor_value: Any, overlap: float, start: Any) -> None:
    assert subtract_overlap(cursor_value, overlap) == start
    restored = QueryCursor.from_json(QueryCursor(cursor_value, {"a": cursor_value, "b": None}, 3, "x").to_json())
    assert restored == QueryCursor(cursor_value, {"a": cursor_value, "b": None}, 3, "x")


def test_a_cursor_of_another_type_is_refused() -> None:
    with pytest.raises(CursorTypeError, match="the cursor column has the type list"):
        subtract_overlap([1], 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=30), st.integers(0, 60))
def test_rows_of_the_overlap_are_taken_once(rows: list[tuple[int, int]], overlap: int) -> None:
    lines = [(cursor_value, f"{cursor_value},{x}\n") for cursor_value, x in sorted(rows)]
    cursor, new_lines = advance_cursor(QueryCursor(), lines, overlap)
    assert new_lines == list(dict.fromkeys(text for _, text in lines))
    start = cursor.start(overlap)
    same, repeated_lines = advance_cursor(cursor, [r for r in lines if start is None or r[0] >= start], overlap)
    assert (same, repeated_lines) == (cursor, [])
