"""A cursor takes each row once, and rows of its overlap only if they are new."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.query_cursor import (
    CursorTypeError,
    DamagedCursorError,
    QueryCursor,
    advance_cursor,
    is_future,
    subtract_overlap,
)
from sixtyforty.spec.contract_types import Kind

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
        ("2013-03-10", 60, "2013-03-09"),
        ("2013-03-10", 0, "2013-03-10"),
        ("2013-03-10 12:00:00.5", 0, "2013-03-10 12:00:00.5"),
        ("2013-99-99", 60, "2013-99-99"),
        ("01ARZ3NDEK", 60, "01ARZ3NDEK"),
    ],
)
def test_the_overlap_is_subtracted_in_the_type_of_the_cursor(cursor_value: Any, overlap: float, start: Any) -> None:
    assert subtract_overlap(cursor_value, overlap) == start
    cursor = QueryCursor(cursor_value, {"a": cursor_value, "b": None}, 3, "x", start, 7, 2)
    assert QueryCursor.from_json(cursor.to_json()) == cursor


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\0\0",
        '{"newest": ',
        "[]",
        "{}",
        "7",
        "[" * 100_000,
        '{"taken": []}',
        '{"taken": {}, "newest": ["datetime", "yesterday"]}',
        '{"taken": {}, "newest": ["Decimal", "x"]}',
        '{"taken": {}, "newest": ["list", "[]"]}',
        '{"taken": {}, "newest": []}',
        '{"taken": {}, "newest": 5}',
        '{"taken": {"a": {"b": 1}}}',
        '{"taken": {}, "extract_count": "many"}',
        '{"taken": {}, "last_extract": 5}',
    ],
)
def test_a_damaged_cursor_is_named(content: str) -> None:
    with pytest.raises(DamagedCursorError):
        QueryCursor.from_json(content.encode())


def test_a_cursor_of_another_type_is_refused() -> None:
    with pytest.raises(CursorTypeError, match="the cursor column has the type list"):
        subtract_overlap([1], 1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=30), st.integers(0, 60))
def test_rows_of_the_overlap_are_taken_once(rows: list[tuple[int, int]], overlap: int) -> None:
    lines = [(cursor_value, f"{cursor_value},{x}\n") for cursor_value, x in sorted(rows)]
    cursor, new_lines = advance_cursor(QueryCursor(), lines, None, overlap, NOON)
    assert new_lines == list(dict.fromkeys(text for _, text in lines))
    start = cursor.start(overlap)
    same, repeated_lines = advance_cursor(
        cursor, [r for r in lines if start is None or r[0] >= start], None, overlap, NOON
    )
    assert (same, repeated_lines) == (cursor, [])


@pytest.mark.parametrize(
    "future",
    [
        datetime(2103, 1, 1),
        datetime(2013, 3, 12, tzinfo=UTC),
        date(2013, 3, 12),
        "2103-01-01 00:00:00",
        "2013-03-11T13:00:00+00:00",
    ],
)
def test_a_time_in_the_future_does_not_move_the_start(future: Any) -> None:
    cursor, new_lines = advance_cursor(QueryCursor(), [(future, "future\n")], None, 60, NOON)
    assert new_lines == ["future\n"]
    assert cursor.newest is None and cursor.start(60) is None
    repeated, new_lines = advance_cursor(cursor, [(future, "future\n")], None, 60, NOON)
    assert (repeated, new_lines) == (cursor, [])
    (problem,) = cursor.describe_problems("changed", None, "calls.cursor.json", NOON)
    assert problem.startswith("changed is in the future, after 2013-03-11, in 1 row. ")


@pytest.mark.parametrize(
    "present", [NOON, NOON + timedelta(hours=14), date(2013, 3, 11), "2013-03-10", "01ARZ3", 5, None]
)
def test_times_of_any_time_zone_and_other_values_are_not_in_the_future(present: Any) -> None:
    assert not is_future(present, NOON)


@pytest.mark.parametrize("newest", [datetime(2103, 1, 1), "2103-01-01", date(2103, 1, 1)])
def test_a_cursor_that_is_in_the_future_reads_all_rows_again(newest: Any) -> None:
    stored = QueryCursor(newest, {"a": newest}, 3, "x", settled_before=newest, settled_rows=9, late_rows=2)
    cursor = stored.without_wrong_start(None, NOON)
    assert (cursor.start(60), cursor.taken, cursor.extract_count) == (None, {"a": newest}, 3)
    assert (cursor.settled_before, cursor.settled_rows, cursor.late_rows) == (None, 0, 0), "late rows are read, too"
    assert QueryCursor(NOON).without_wrong_start(None, NOON) == QueryCursor(NOON)


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20), st.lists(st.integers(0, 80), max_size=20), st.integers(0, 30)
)
def test_rows_before_the_start_are_counted_as_late(first: list[int], added: list[int], overlap: int) -> None:
    table = [(value, f"{value},{n}\n") for n, value in enumerate(first)]
    cursor, _ = advance_cursor(QueryCursor(), sorted(table), None, overlap, NOON)
    start = cursor.start(overlap)
    cursor = cursor.count_settled(start, lambda end: sum(value < end for value, _ in table))
    table += [(value, f"{value},late {n}\n") for n, value in enumerate(added)]
    cursor, new_lines = advance_cursor(cursor, sorted(row for row in table if row[0] >= start), None, overlap, NOON)
    cursor = cursor.count_settled(cursor.start(overlap), lambda end: sum(value < end for value, _ in table))
    assert len(new_lines) + cursor.late_rows == len(added), "each added row is imported, or counted as late"
    assert bool(cursor.describe_problems("n", None, "file", NOON)) == bool(cursor.late_rows)


@pytest.mark.parametrize(
    ("kind", "sound", "wrong", "noun"),
    [
        ("timestamp", ["2013-03-10 11:00:00", "2013-03-10 11:30:00"], "garbage", "time"),
        ("date", ["2013-03-08", "2013-03-09"], "tomorrow", "time"),
        ("zoned", ["2013-03-10 11:00:00+00:00", "2013-03-10 11:30:00+00:00"], 7, "time"),
        ("whole", [1, 2], "x", "number"),
        ("float", [1.0, 2.0], math.inf, "number"),
        ("decimal", [Decimal(1), Decimal(2)], Decimal("NaN"), "number"),
    ],
)
def test_a_value_of_another_kind_hides_no_other_row(kind: Kind, sound: list[Any], wrong: Any, noun: str) -> None:
    first, second = sound
    rows = [(first, "first\n"), (wrong, "wrong\n")]
    cursor, new_lines = advance_cursor(QueryCursor(), rows, kind, 0, NOON)
    assert (cursor.newest, new_lines) == (first, ["first\n", "wrong\n"])
    cursor, new_lines = advance_cursor(cursor, [*rows, (second, "second\n")], kind, 0, NOON)
    assert (cursor.newest, new_lines) == (second, ["second\n"])
    (problem,) = cursor.describe_problems("changed", kind, "calls.cursor.json", NOON)
    assert problem.startswith(f"1 row with a changed that is no {noun}. ")
    assert QueryCursor(wrong).without_wrong_start(kind, NOON).newest is None
