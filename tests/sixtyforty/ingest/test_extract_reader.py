"""ParsedExtract an extract: every line is a row or a broken line, or the file is refused with what to do about it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import ParsedExtract
from sixtyforty.ingest.extract_reader import content_hash, read_extract
from sixtyforty.ingest.file_names import partitions_in_name
from sixtyforty.spec.partitions import PartitionedModel, Partitions
from sixtyforty.spec.sources import Source

SOURCE = Source(
    description="Parcels.",
    files="parcels_*.csv",
    columns={"parcel": "INTEGER", "addressee": "VARCHAR"},
    key=["parcel"],
)

CASE = PartitionedModel(timezone="America/New_York", partitions=Partitions(start=date(2009, 6, 1)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parcels_2013-03.csv"


def reading(path: Path, content: str | bytes) -> ParsedExtract:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_extract(path.read_bytes(), SOURCE)


def rows(found: ParsedExtract) -> list[tuple[Any, ...]]:
    assert found.problem is None
    assert found.table is not None
    assert found.table.column_names == ["parcel", "addressee", "_row"]
    return [tuple(r.values()) for r in found.table.to_pylist()]


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
def test_a_good_file_is_read_whatever_wrote_it(path: Path, content: str) -> None:
    found = reading(path, content)
    assert rows(found) == GOOD
    assert (found.broken, found.lines) == ([], 2)


def test_everything_is_text_as_it_landed(path: Path) -> None:
    found = reading(path, "parcel,addressee\n007,NA\n1e3, Ann \n,\n")
    assert rows(found) == [("007", "NA", 2), ("1e3", " Ann ", 3), ("", "", 4)]


def test_quotes_hold_delimiters_and_quotes(path: Path) -> None:
    found = reading(path, 'parcel,addressee\n1,"Ann, or ""Nan"""\n2,"Zoë"\n')
    assert rows(found) == [("1", 'Ann, or "Nan"', 2), ("2", "Zoë", 3)]


def test_a_header_alone_is_a_file_without_rows(path: Path) -> None:
    for content in ("parcel,addressee\n", "parcel,addressee", "parcel,addressee\r\n", "parcel,addressee\n\n"):
        found = reading(path, content)
        assert rows(found) == []
        assert (found.broken, found.lines) == ([], 0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_named(path: Path, delimiter: str) -> None:
    found = reading(path, "parcel,addressee\n1,Ann\n2,Bob\n".replace(",", delimiter))
    assert found.problem == f"the delimiter is {delimiter!r}, expected ','."
    assert (found.table, found.lines) == (None, 2)


def test_a_renamed_column_is_guessed_at(path: Path) -> None:
    found = reading(path, "parcel,adressee\n1,Ann\n2,Bob\n")
    assert found.problem == "columns missing from the header: 'addressee' (is it 'adressee'?)"
    assert found.lines == 2


def test_a_missing_column_is_named(path: Path) -> None:
    assert reading(path, "parcel\n1\n").problem == "columns missing from the header: 'addressee'"


def test_a_file_that_starts_in_the_middle_has_no_header(path: Path) -> None:
    found = reading(path, "1,Ann\n2,Bob\n")
    assert found.problem is not None
    assert "missing from the header: 'parcel', 'addressee'" in found.problem


def test_a_column_that_stands_twice_is_refused(path: Path) -> None:
    assert reading(path, "parcel,addressee,parcel\n1,Ann,2\n").problem == "a column name occurs twice in the header."


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n\n"])
def test_an_empty_file_is_refused_and_counts_as_something_lost(path: Path, content: bytes) -> None:
    found = reading(path, content)
    assert found.problem is not None
    assert found.problem.startswith("the file is empty")
    assert found.lines >= 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bytes(range(256)), "byte 0 is zero"),
        (b"PK\x03\x04" + b"\0" * 20, "this is not a text file"),
        ("parcel,addressee\n1,Ann\n".encode("utf-16"), "is zero"),
        (b"\x89\xff\xfe\n1,2\n", "not UTF-8"),
        (b"parcel,addressee\n1,Zo\xeb\n", "UTF"),  # Latin-1
    ],
)
def test_what_is_not_text_is_refused(path: Path, content: bytes, said: str) -> None:
    found = reading(path, content)
    assert found.problem is not None
    assert said in found.problem
    assert found.table is None
    assert found.lines >= 1


@pytest.mark.parametrize("end", ["3", '3,"Ch', '"3'])
def test_a_file_cut_off_has_one_broken_line(path: Path, end: str) -> None:
    found = reading(path, f"parcel,addressee\n1,Ann\n2,Bob\n{end}")
    assert rows(found) == GOOD
    assert [(number, text) for number, _, text in found.broken] == [(4, end)]
    assert found.lines == 3


def test_broken_lines_keep_their_numbers_and_say_why(path: Path) -> None:
    found = reading(path, "parcel,addressee\n1\n1,Ann\n1,2,3\n2,Bob\n")
    assert rows(found) == [("1", "Ann", 3), ("2", "Bob", 5)]
    assert found.broken == [
        (2, "the line has 1 fields, the header has 2", "1"),
        (4, "the line has 3 fields, the header has 2", "1,2,3"),
    ]
    assert found.lines == 4


def test_empty_lines_are_no_rows_and_the_rest_keep_their_numbers(path: Path) -> None:
    found = reading(path, "parcel,addressee\n\n1,Ann\n\r\n3\n\n2,Bob\n\n")
    assert rows(found) == [("1", "Ann", 3), ("2", "Bob", 7)]
    assert found.broken == [(5, "the line has 1 fields, the header has 2", "3")]
    assert found.lines == 3


@pytest.mark.parametrize("line", ['2,"Bob', '"2,Bob', '"2","Bo""b'])
def test_a_quote_left_open_breaks_its_own_line_and_swallows_no_other(path: Path, line: str) -> None:
    found = reading(path, f'parcel,addressee\n1,Ann\n{line}\n3,Cy\n4,"Di"\n')
    assert rows(found) == [("1", "Ann", 2), ("3", "Cy", 4), ("4", "Di", 5)]
    assert found.broken == [(3, "a quote is left open, or a quoted value contains a line break", line)]
    assert found.lines == 4


def test_a_quote_within_a_value_is_text(path: Path) -> None:
    assert rows(reading(path, 'parcel,addressee\n1,12" disc\n2,Bob"\n')) == [("1", '12" disc', 2), ("2", 'Bob"', 3)]


def test_a_value_over_two_lines_is_two_broken_lines(path: Path) -> None:
    found = reading(path, 'parcel,addressee\n1,Ann\n2,"Bob\nBobson"\n3,Cy\n')
    assert rows(found) == [("1", "Ann", 2), ("3", "Cy", 5)]
    assert [number for number, _, _ in found.broken] == [3, 4]
    assert found.lines == 4


LINES = st.lists(
    st.sampled_from(["1,Ann", '3,"C, y"', '4,"say ""x"""', "", "5", "6,a,b", '7,"open', 'clo"sed"', '"', ",", '8,a"b'])
    | st.text('ab1,"', max_size=6),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_line_is_a_row_or_broken_under_its_own_number(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, ended: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    found = reading(path, end.join(["parcel,addressee", *lines]) + (end if ended else ""))
    if found.table is None:  # quotes so strange that lines run into one another: refused whole, and counted
        assert found.problem is not None
        assert "a quoted value contains a line break" in found.problem
        assert found.lines == sum(bool(line) for line in lines)
        return
    numbers = [r["_row"] for r in found.table.to_pylist()] + [n for n, _, _ in found.broken]
    assert sorted(numbers) == [i for i, line in enumerate(lines, 2) if line]
    assert found.lines == len(numbers)
    assert all(text == lines[n - 2] for n, _, text in found.broken)


def test_a_bad_line_far_down_a_long_file_is_found(path: Path) -> None:
    lines = [f"{i},name {i}" for i in range(20_000)]
    lines[15_000] = "15000"
    found = reading(path, "parcel,addressee\n" + "\n".join(lines) + "\n")
    assert found.broken == [(15_002, "the line has 1 fields, the header has 2", "15000")]
    assert found.lines == 20_000
    assert found.table is not None
    assert found.table.num_rows == 19_999
    assert found.table["_row"][15_000].as_py() == 15_003


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("parcels_2013-03.csv", "2013-03-01", "2013-03-31"),
        ("parcels_2012-02.csv", "2012-02-01", "2012-02-29"),
        ("parcels_2013-03-10.csv", "2013-03-10", "2013-03-10"),
        ("parcels_2013-03-10_2013-03-12.csv", "2013-03-10", "2013-03-12"),
        ("parcels_2013-02_2013-03.csv", "2013-02-01", "2013-03-31"),
        ("parcels_2013-12-31_to_2014-01-01.csv", "2013-12-31", "2014-01-01"),
        ("parcels_2013-03-10T04Z.csv", "2013-03-09", "2013-03-09"),  # hours are in UTC
        ("parcels_2013-03-10T05Z.csv", "2013-03-10", "2013-03-10"),
        ("parcels_2013-03-10T05Z_2013-03-11T05Z.csv", "2013-03-10", "2013-03-11"),
    ],
)
def test_a_name_promises_the_days_it_speaks_of(name: str, first: str, last: str) -> None:
    found = partitions_in_name(name, CASE)
    assert (found[0], found[-1]) == (first, last)
    assert len(found) == (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        "parcels.csv",
        "parcels_march.csv",
        "parcels_2013.csv",
        "parcels_2013-13.csv",
        "parcels_2013-02-30.csv",
        "parcels_0000-01.csv",
        "parcels_2013-03-10T25Z.csv",
        "parcels_2013-03-12_2013-03-10.csv",
    ],
)
def test_a_name_without_days_promises_none(name: str) -> None:
    assert partitions_in_name(name, CASE) == []


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d(-\d\d)?(T\d\dZ)?", fullmatch=True))
def test_no_name_is_too_strange(name: str) -> None:
    assert partitions_in_name(name, CASE) == sorted(set(partitions_in_name(name, CASE)))


def test_a_fingerprint_is_of_the_content() -> None:
    assert content_hash(b"a") == content_hash(bytes([97])) != content_hash(b"b")
