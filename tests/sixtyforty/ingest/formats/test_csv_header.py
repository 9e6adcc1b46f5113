"""The header shows the delimiter, and a file without the contract's columns is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import MAX_COLUMNS, RefusedExtractError
from sixtyforty.ingest.formats.csv_header import Header, read_header
from sixtyforty.spec.sources import Source

SOURCE = Source(description="x", files="x.csv", columns={"a": "VARCHAR", "b": "VARCHAR"}, key=["a"])


def header_of(text: str, size: int = 1_000_000) -> Header:
    content = text.encode()
    return read_header((content[start : start + size] for start in range(0, len(content), size)), SOURCE)


@given(st.integers(1, 9), st.sampled_from(["", "sep=;\n", "\r\n\n"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_blocks_change_nothing(size: int, start: str, end: str) -> None:
    text = f'{start}"a";"x;{end}y";b{end}1;2;3{end}'
    header, expected = header_of(text, size), header_of(text)
    assert header[:3] == expected[:3] == (";", ["a", f"x;{end}y", "b"], expected.matched)
    assert header.line == expected.line
    assert expected.rest.decode() == f"1;2;3{end}"


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("a,b\n", ","), ("a;b\n", ";"), ("a\tb\n", "\t"), ("a|b\n", "|"), ("x;y,a,b\n", ","), ("x,y;a;b\n", ";")],
)
def test_the_delimiter_is_the_one_that_shows_all_columns(text: str, delimiter: str) -> None:
    assert header_of(text).delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,"b\n1,2\n', "a quote in it is out of place or never closed"),
        ('a,"b"x\n', "a quote in it is out of place"),
        ("a,b" + ",c" * MAX_COLUMNS + "\n", "the header has more than 100,000 columns"),
        ("a,b,a\n", "the column 'a' occurs twice"),
        ("\n \n", "the file is empty"),
        ("sep=;\nx;y\n", "columns missing from the header: 'a', 'b'."),
        ("x;y\n", "columns missing from the header: 'a', 'b'."),
    ],
)
def test_a_header_that_can_not_be_trusted_is_refused(text: str, message: str) -> None:
    with pytest.raises(RefusedExtractError, match=message):
        header_of(text)


def test_the_last_columns_may_have_no_name() -> None:
    header = header_of("x,,a,b,,\n")
    assert (header.named_count, header.matched.undeclared) == (4, ["x"])
