"""The checks that all formats share."""

from __future__ import annotations

import pytest

from sixtyforty.ingest.extract import binary_problem, count_lines, empty_rows, missing_columns


def test_a_missing_column_comes_with_the_most_similar_extra_one() -> None:
    assert missing_columns(["parcel", "addressee"], ["parcel", "adressee"]) == "'addressee' (is it 'adressee'?)"
    assert missing_columns(["parcel", "addressee"], ["parcel", "weight"]) == "'addressee'"
    assert missing_columns(["parcel"], ["parcel", "weight"]) is None


def test_names_that_may_be_data_are_not_suggested() -> None:
    assert missing_columns(["parcel", "addressee"], ["parcels", "Ann Miller"]) == "'parcel', 'addressee'"


def test_a_zero_byte_shows_that_a_file_is_not_text() -> None:
    assert binary_problem(b"a,b\n") is None
    assert binary_problem(b"a\0") == "the file is not a text file: byte 1 is zero."


@pytest.mark.parametrize(
    ("content", "count"), [(b"", 1), (b"h", 1), (b"h\n", 1), (b"h\n1\n", 1), (b"h\n1\n2", 2), (b"h\n1\n2\n", 2)]
)
def test_lines_are_counted_without_the_header_and_at_least_one(content: bytes, count: int) -> None:
    assert count_lines(content) == count


def test_a_file_without_rows_has_the_columns_as_text() -> None:
    assert empty_rows(["parcel"]).schema.names == ["parcel", "_row"]
    assert empty_rows(["parcel"]).num_rows == 0
