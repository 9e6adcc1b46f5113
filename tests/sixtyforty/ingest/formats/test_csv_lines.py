"""A line of CSV is a row or a broken line, or the file is refused with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import MISSING_CURE, ParsedExtract
from sixtyforty.ingest.extract_reader import parse_extract
from sixtyforty.spec.sources import Source

SOURCE = Source(
    description="Parcels.",
    files="parcels_*.csv",
    columns={"parcel": "INTEGER", "addressee": "VARCHAR"},
    key=["parcel"],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parcels_2013-03.csv"


def parse(path: Path, content: str | bytes) -> ParsedExtract:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse_extract(path, SOURCE)


def rows(parsed: ParsedExtract) -> list[tuple[Any, ...]]:
    assert parsed.problem is None
    assert parsed.table is not None
    assert parsed.table.column_names == ["parcel", "addressee", "_row"]
    return [tuple(r.values()) for r in parsed.table.to_pylist()]


GOOD = [("1", "Ann", 2), ("2", "Bob", 3)]


@pytest.mark.parametrize(
    "content",
    [
        "parcel,addressee\n1,Ann\n2,Bob\n",
        "parcel,addressee\n1,Ann\n2,Bob",  # no end of the last line
        "parcel,addressee\r\n1,Ann\r\n2,Bob\r\n",
        "\ufeffparcel,addressee\n1,Ann\n2,Bob\n",
        "\ufeffparcel,addressee\r\n1,Ann\r\n2,Bob\r\n",
        '"parcel","addressee"\n"1","Ann"\n"2","Bob"\n',
        "parcel,depot,addressee\n1,x,Ann\n2,y,Bob\n",  # a column the contract doesn't have
        "addressee,parcel\nAnn,1\nBob,2\n",
    ],
)
def test_a_sound_file_is_read_whichever_program_wrote_it(path: Path, content: str) -> None:
    parsed = parse(path, content)
    assert rows(parsed) == GOOD
    assert (parsed.broken, parsed.lines) == ([], 2)


def test_every_value_stays_text(path: Path) -> None:
    parsed = parse(path, "parcel,addressee\n007,NA\n1e3, Ann \n,\n")
    assert rows(parsed) == [("007", "NA", 2), ("1e3", " Ann ", 3), ("", "", 4)]


def test_quoted_values_may_hold_delimiters_and_quotes(path: Path) -> None:
    parsed = parse(path, 'parcel,addressee\n1,"Ann, or ""Nan"""\n2,"Zoë"\n')
    assert rows(parsed) == [("1", 'Ann, or "Nan"', 2), ("2", "Zoë", 3)]


def test_a_header_alone_is_a_file_without_rows(path: Path) -> None:
    for content in ("parcel,addressee\n", "parcel,addressee", "parcel,addressee\r\n", "parcel,addressee\n\n"):
        parsed = parse(path, content)
        assert rows(parsed) == []
        assert (parsed.broken, parsed.lines) == ([], 0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_refused_by_name(path: Path, delimiter: str) -> None:
    parsed = parse(path, "parcel,addressee\n1,Ann\n2,Bob\n".replace(",", delimiter))
    assert parsed.problem == f"the delimiter is {delimiter!r}, expected ','. Ask the sender to use commas."
    assert (parsed.table, parsed.lines) == (None, 2)


def test_a_renamed_column_is_refused_with_a_suggestion(path: Path) -> None:
    parsed = parse(path, "parcel,adressee\n1,Ann\n2,Bob\n")
    assert parsed.problem == f"columns missing from the header: 'addressee' (is it 'adressee'?).{MISSING_CURE}"
    assert parsed.lines == 2


def test_a_missing_column_is_refused_by_name(path: Path) -> None:
    assert parse(path, "parcel\n1\n").problem == f"columns missing from the header: 'addressee'.{MISSING_CURE}"


def test_a_file_that_starts_in_the_middle_has_no_header(path: Path) -> None:
    parsed = parse(path, "1,Ann\n2,Bob\n")
    assert parsed.problem is not None
    assert "missing from the header: 'parcel', 'addressee'" in parsed.problem


def test_a_repeated_column_is_refused(path: Path) -> None:
    problem = "a column name occurs twice in the header. Ask the sender for unique column names."
    assert parse(path, "parcel,addressee,parcel\n1,Ann,2\n").problem == problem


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n\n"])
def test_an_empty_file_is_refused_and_counts_as_a_loss(path: Path, content: bytes) -> None:
    parsed = parse(path, content)
    assert parsed.problem is not None
    assert parsed.problem.startswith("the file is empty")
    assert parsed.lines >= 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(range(256)), "byte 0 is zero"),
        (b"PK\x03\x04" + b"\0" * 20, "the file is not a text file"),
        ("parcel,addressee\n1,Ann\n".encode("utf-16"), "is zero"),
        (b"\x89\xff\xfe\n1,2\n", "not UTF-8"),
        (b"parcel,addressee\n1,Zo\xeb\n", "UTF"),  # Latin-1
    ],
)
def test_a_file_that_is_not_text_is_refused(path: Path, content: bytes, message: str) -> None:
    parsed = parse(path, content)
    assert parsed.problem is not None
    assert message in parsed.problem
    assert parsed.table is None
    assert parsed.lines >= 1


@pytest.mark.parametrize("end", ["3", '3,"Ch', '"3'])
def test_a_truncated_file_has_one_broken_line(path: Path, end: str) -> None:
    parsed = parse(path, f"parcel,addressee\n1,Ann\n2,Bob\n{end}")
    assert rows(parsed) == GOOD
    assert [(number, text) for number, _, text in parsed.broken] == [(4, end)]
    assert parsed.lines == 3


def test_broken_lines_have_their_numbers_and_reasons(path: Path) -> None:
    parsed = parse(path, "parcel,addressee\n1\n1,Ann\n1,2,3\n2,Bob\n")
    assert rows(parsed) == [("1", "Ann", 3), ("2", "Bob", 5)]
    assert parsed.broken == [
        (2, "the line has 1 fields, the header has 2", "1"),
        (4, "the line has 3 fields, the header has 2", "1,2,3"),
    ]
    assert parsed.lines == 4


def test_empty_lines_are_skipped_and_the_others_keep_their_numbers(path: Path) -> None:
    parsed = parse(path, "parcel,addressee\n\n1,Ann\n\r\n3\n\n2,Bob\n\n")
    assert rows(parsed) == [("1", "Ann", 3), ("2", "Bob", 7)]
    assert parsed.broken == [(5, "the line has 1 fields, the header has 2", "3")]
    assert parsed.lines == 3


@pytest.mark.parametrize("line", ['2,"Bob', '"2,Bob', '"2","Bo""b'])
def test_an_open_quote_breaks_only_its_own_line(path: Path, line: str) -> None:
    parsed = parse(path, f'parcel,addressee\n1,Ann\n{line}\n3,Cy\n4,"Di"\n')
    assert rows(parsed) == [("1", "Ann", 2), ("3", "Cy", 4), ("4", "Di", 5)]
    assert parsed.broken == [(3, "a quote is left open, or a quoted value contains a line break", line)]
    assert parsed.lines == 4


def test_a_quote_within_a_value_is_text(path: Path) -> None:
    assert rows(parse(path, 'parcel,addressee\n1,12" disc\n2,Bob"\n')) == [("1", '12" disc', 2), ("2", 'Bob"', 3)]


def test_a_value_over_two_lines_is_two_broken_lines(path: Path) -> None:
    parsed = parse(path, 'parcel,addressee\n1,Ann\n2,"Bob\nBobson"\n3,Cy\n')
    assert rows(parsed) == [("1", "Ann", 2), ("3", "Cy", 5)]
    assert [number for number, _, _ in parsed.broken] == [3, 4]
    assert parsed.lines == 4


LINES = st.lists(
    st.sampled_from(["1,Ann", '3,"C, y"', '4,"say ""x"""', "", "5", "6,a,b", '7,"open', 'clo"sed"', '"', ",", '8,a"b'])
    | st.text('ab1,"', max_size=6),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_line_is_a_row_or_a_broken_line_with_its_number(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, ended: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    parsed = parse(path, end.join(["parcel,addressee", *lines]) + (end if ended else ""))
    if parsed.table is None:  # quotes so strange that lines run into one another: refused whole, and counted
        assert parsed.problem is not None
        assert "a quoted value contains a line break" in parsed.problem
        assert parsed.lines == sum(bool(line) for line in lines)
        return
    numbers = [r["_row"] for r in parsed.table.to_pylist()] + [n for n, _, _ in parsed.broken]
    assert sorted(numbers) == [i for i, line in enumerate(lines, 2) if line]
    assert parsed.lines == len(numbers)
    assert all(text == lines[n - 2] for n, _, text in parsed.broken)


def test_a_bad_line_late_in_a_long_file_is_broken(path: Path) -> None:
    lines = [f"{i},name {i}" for i in range(20_000)]
    lines[15_000] = "15000"
    parsed = parse(path, "parcel,addressee\n" + "\n".join(lines) + "\n")
    assert parsed.broken == [(15_002, "the line has 1 fields, the header has 2", "15000")]
    assert parsed.lines == 20_000
    assert parsed.table is not None
    assert parsed.table.num_rows == 19_999
    assert parsed.table["_row"][15_000].as_py() == 15_003
