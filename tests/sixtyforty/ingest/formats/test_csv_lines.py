"""A line of CSV is a row or a broken line, or the file is refused with what to do about it."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import MISSING_CURE
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.formats.csv_lines import CTRL_Z, _drop_end_mark
from sixtyforty.ingest.schema_drift import describe_header
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import ParsedExtract, parse_extract

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
        "parcel,addressee\r1,Ann\r2,Bob\r",  # returns alone end lines
        "parcel,addressee\r1,Ann\r2,Bob",
        "parcel,addressee,,\n1,Ann,,\n2,Bob,,\n",  # Excel's empty columns
        "parcel,addressee,,\n1,Ann,,\n2,Bob\n",  # Excel leaves out empty fields
        ",parcel,addressee\n0,1,Ann\n1,2,Bob\n",  # the index of a data frame
        'parcel,"depot, street",addressee\n1,x,Ann\n2,y,Bob\n',
        'parcel,addressee,"note ""x"""\n1,Ann,\n2,Bob,\n',
        f"parcel,{'x' * 100_000},addressee\n1,,Ann\n2,,Bob\n",
        ",".join(["parcel", *(f"column {n}" for n in range(9_000)), "addressee"])
        + "\n"
        + "".join(f"{n}{',' * 9_001}{name}\n" for n, name in ((1, "Ann"), (2, "Bob"))),
    ],
)
def test_a_sound_file_is_read_whichever_program_wrote_it(path: Path, content: str) -> None:
    parsed = parse(path, content)
    assert rows(parsed) == GOOD
    assert (parsed.broken, parsed.lines) == ([], 2)


def test_every_value_stays_text(path: Path) -> None:
    parsed = parse(path, "parcel,addressee\n007,NA\n1e3, Ann \n,\n")
    assert rows(parsed) == [("007", None, 2), ("1e3", " Ann ", 3), ("", "", 4)]


def test_quoted_values_may_hold_delimiters_and_quotes(path: Path) -> None:
    parsed = parse(path, 'parcel,addressee\n1,"Ann, or ""Nan"""\n2,"Zoë"\n')
    assert rows(parsed) == [("1", 'Ann, or "Nan"', 2), ("2", "Zoë", 3)]


def test_a_header_alone_is_a_file_without_rows(path: Path) -> None:
    for content in ("parcel,addressee\n", "parcel,addressee", "parcel,addressee\r\n", "parcel,addressee\n\n"):
        parsed = parse(path, content)
        assert rows(parsed) == []
        assert (parsed.broken, parsed.lines) == ([], 0)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("quoted", [False, True])
def test_the_delimiter_is_the_one_that_fits_the_contract(path: Path, delimiter: str, quoted: bool) -> None:
    header, rest = ('"parcel","addressee"' if quoted else "parcel,addressee"), "\n1,Ann\n2,Bob\n"
    assert rows(parse(path, (header + rest).replace(",", delimiter))) == GOOD


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_a_first_line_may_name_the_delimiter(path: Path, line: str) -> None:
    for content in (f"{line}\nparcel;addressee\n1;Ann\n", f"\ufeff{line}\r\nparcel;addressee\r\n1;Ann\r\n"):
        assert rows(parse(path, content)) == [("1", "Ann", 3)]
    assert rows(parse(path, "sep=,\nparcel,addressee\n1,Ann\n")) == [("1", "Ann", 3)]


def test_a_declared_delimiter_is_used(path: Path) -> None:
    source = SOURCE.model_copy(update={"delimiter": "~"})
    path.write_text("parcel~addressee\n1~Ann\n2~Bob\n")
    assert rows(parse_extract(path, source)) == GOOD


def test_another_delimiter_than_the_declared_one_is_named(path: Path) -> None:
    path.write_text("parcel,addressee\n1,Ann\n")
    problem = str(parse_extract(path, SOURCE.model_copy(update={"delimiter": ";"})).problem)
    assert problem.startswith("the delimiter is ',', but the source declares ';'.")


def test_a_missing_column_names_another_delimiter(path: Path) -> None:
    parsed = parse(path, "parcel;depot\n1;x\n")
    assert parsed.problem == f"columns missing from the header: 'addressee'.{MISSING_CURE} The delimiter is ';'."


def test_a_value_in_a_column_without_a_name_breaks_its_line(path: Path) -> None:
    """A comma that isn't quoted may have shifted the values."""
    parsed = parse(path, "parcel,addressee,,\n1,Ann,,\n2,Bo,b,\n3,Cy\n4,D,i\n")
    assert rows(parsed) == [("1", "Ann", 2), ("3", "Cy", 4)]
    assert parsed.broken == [
        (3, "the line has a value in a column without a name", "2,Bo,b,"),
        (5, "the line has a value in a column without a name", "4,D,i"),
    ]


@pytest.mark.parametrize(
    ("text", "positions"),
    [(",parcel,addressee\n0,1,Ann\n1,2,Bob\n", "1"), (",parcel,,addressee,\n0,1,x,Ann,\n1,2,,Bob,\n", "1, 3")],
)
def test_a_column_without_a_name_before_others_is_left_out_and_named(path: Path, text: str, positions: str) -> None:
    """Once, its values were dropped without a word. An index that pandas writes has no name."""
    path.write_text(text)
    note = f"columns without a name are left out: number {positions} from the left"
    assert describe_header(SOURCE, read_extract(path, SOURCE)) == [note]
    assert rows(parse_extract(path, SOURCE)) == GOOD


def test_a_repeated_name_matters_only_in_the_contract(path: Path) -> None:
    assert rows(parse(path, "x,parcel,x,addressee\n,1,,Ann\n,2,,Bob\n")) == GOOD


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
    problem = "the column 'parcel' occurs twice in the header. Ask the sender for unique column names."
    assert parse(path, "parcel,addressee,parcel\n1,Ann,2\n").problem == problem


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n\n"])
def test_an_empty_file_is_refused_and_counts_as_a_loss(path: Path, content: bytes) -> None:
    parsed = parse(path, content)
    assert parsed.problem is not None
    assert parsed.problem.startswith("the file is empty")
    assert parsed.lines >= 1


@pytest.mark.parametrize(
    ("record", "reason", "texts"),
    [
        (b"2,B\0b", "the field 'addressee' has a zero byte", ["2,B\ufffdb"]),
        (b"\0,Bob", "the field 'parcel' has a zero byte", ["\ufffd,Bob"]),
        (b'2,"B\n\0b"', "the field 'addressee' has a zero byte", ['2,"B', '\ufffdb"']),
        (b"2,Bob,\0", "field 3 has a zero byte", ["2,Bob,\ufffd"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_record_with_a_zero_byte_is_broken_and_the_others_are_read(
    path: Path, record: bytes, reason: str, texts: list[str], encoding: str
) -> None:
    content = b"parcel,addressee\n1,Ann\n" + record + b"\n3,Cid\n"
    parsed = parse(path, content.decode().encode(encoding))
    assert [row[:2] for row in rows(parsed)] == [("1", "Ann"), ("3", "Cid")]
    assert parsed.broken == [(3 + n, reason, text) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(range(256)), "byte 0 is zero"),
        (b"PK\x03\x04" + b"\0" * 20, "the file is a zip archive or an Excel workbook"),
        (b"\x89\xff\xfe\n1,2\n", "not UTF-8"),
        (b"parcel,addressee\n1,Zo\xeb\n", "line 2 is not UTF-8. Declare the `encoding` of the source: cp1252"),
        (b"parcel,address\xe9e\n1,Zo\xeb\n", "the header is not UTF-8: byte 14 is invalid. Declare the `encoding`"),
        ("parcel,addressee\n1,Ann\n".encode("utf-16")[:-1], "not readable as utf-16-le"),
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
        (2, "the line has 1 field, the header has 2", "1"),
        (4, "the line has 3 fields, the header has 2", "1,2,3"),
    ]
    assert parsed.lines == 4


def test_empty_lines_are_skipped_and_the_others_keep_their_numbers(path: Path) -> None:
    parsed = parse(path, "parcel,addressee\n\n1,Ann\n\r\n3\n\n2,Bob\n\n")
    assert rows(parsed) == [("1", "Ann", 3), ("2", "Bob", 7)]
    assert parsed.broken == [(5, "the line has 1 field, the header has 2", "3")]
    assert parsed.lines == 3


@pytest.mark.parametrize("line", ['2,"Bob', '"2,Bob', '"2","Bo""b'])
def test_a_record_with_an_open_quote_yields_no_row_from_its_middle(path: Path, line: str) -> None:
    parsed = parse(path, f'parcel,addressee\n1,Ann\n{line}\n3,Cy\n4,"Di"\n5,Ed\n')
    assert rows(parsed) == [("1", "Ann", 2), ("5", "Ed", 6)]
    reason = "the record that starts in line 3 has text after a closing quote"
    assert parsed.broken == [(3, reason, line), (4, reason, "3,Cy"), (5, reason, '4,"Di"')]
    assert parsed.lines == 5


def test_a_quote_that_is_never_closed_breaks_all_lines_after_it(path: Path) -> None:
    parsed = parse(path, 'parcel,addressee\n1,Ann\n2,"Bob\n3,Cy\n')
    assert rows(parsed) == [("1", "Ann", 2)]
    reason = "the record that starts in line 3 has a quote that is never closed"
    assert parsed.broken == [(3, reason, '2,"Bob'), (4, reason, "3,Cy")]


def test_a_quote_within_a_value_is_text(path: Path) -> None:
    assert rows(parse(path, 'parcel,addressee\n1,12" disc\n2,Bob"\n')) == [("1", '12" disc', 2), ("2", 'Bob"', 3)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quoted_value_may_hold_line_breaks(path: Path, end: str) -> None:
    lines = ["parcel,addressee", "1,Ann", '2,"Bob', "", '3,Bobson"', "4,Cy"]
    parsed = parse(path, end.join(lines))
    assert rows(parsed) == [("1", "Ann", 2), ("2", f"Bob{end}{end}3,Bobson", 3), ("4", "Cy", 6)]
    assert (parsed.broken, parsed.lines) == ([], 3)


def test_a_broken_record_yields_no_row_from_its_middle(path: Path) -> None:
    parsed = parse(path, 'parcel,addressee\n1,"a\n2,b\nc",more\n3,Cy\n')
    assert rows(parsed) == [("3", "Cy", 5)]
    reason = "the record that starts in line 2 has 3 fields, the header has 2"
    assert parsed.broken == [(2, reason, '1,"a'), (3, reason, "2,b"), (4, reason, 'c",more')]


def test_a_header_may_hold_line_breaks(path: Path) -> None:
    assert rows(parse(path, 'parcel,"a\nb",addressee\n1,x,Ann\n')) == [("1", "Ann", 3)]


LINES = st.lists(
    st.sampled_from(["1,Ann", '3,"C, y"', '4,"say ""x"""', "", "5", "6,a,b", '7,"open', 'clo"sed"', '"', ",", '8,a"b'])
    | st.text('ab1,"', max_size=6),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_every_line_belongs_to_a_row_or_is_broken(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, ended: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    parsed = parse(path, end.join(["parcel,addressee", *lines]) + (end if ended else ""))
    assert parsed.table is not None
    starts, broken = parsed.table["_row"].to_pylist(), [number for number, _, _ in parsed.broken]
    assert len({*starts, *broken}) == len(starts) + len(broken) == parsed.lines
    assert all(text == lines[n - 2] for n, _, text in parsed.broken)
    # A line that is neither a row nor broken is within a quoted value of the row before it.
    inner = {n for n, line in enumerate(lines, 2) if line} - {*starts, *broken}
    for n in inner:
        row = max(start for start in starts if start < n)
        assert all(number not in broken for number in range(row, n))
        values = parsed.table.filter(pc.equal(parsed.table["_row"], row)).to_pylist()[0]
        assert any(end in str(values[column]) for column in ("parcel", "addressee"))


DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
    }
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"])
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\0"), max_size=8) | st.text('a,;"\r\n', max_size=5)


@given(
    st.lists(st.tuples(VALUES, VALUES), max_size=8),
    DIALECTS | st.sampled_from([csv.excel, csv.excel_tab, csv.unix_dialect]).map(lambda d: {"dialect": d}),
    ENCODINGS,
    st.booleans(),
    st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[tuple[str, str]],
    dialect: dict[str, Any],
    encoding: str,
    marked: bool,
    packed: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.csv"
    out = io.StringIO()
    writer = csv.writer(out, **dialect)
    if marked and "delimiter" in dialect:
        out.write(f"sep={dialect['delimiter']}{dialect['lineterminator']}")
    writer.writerows([("parcel", "addressee"), *values])
    try:
        content = out.getvalue().encode(encoding)
    except UnicodeEncodeError:
        return
    path.write_bytes(gzip.compress(content) if packed else content)
    declared = {"encoding": encoding} if encoding in ("latin-1", "cp1252") else {}
    parsed = parse_extract(path, SOURCE.model_copy(update={"null_text": "", **declared}))
    if parsed.problem:  # a text of few ASCII characters doesn't show that it is UTF-16
        assert encoding in ("utf-16-le", "utf-16-be")
        return
    assert [row[:2] for row in rows(parsed)] == values
    assert parsed.broken == []


def test_a_bad_line_late_in_a_long_file_is_broken(path: Path) -> None:
    lines = [f"{i},name {i}" for i in range(20_000)]
    lines[15_000] = "15000"
    parsed = parse(path, "parcel,addressee\n" + "\n".join(lines) + "\n")
    assert parsed.broken == [(15_002, "the line has 1 field, the header has 2", "15000")]
    assert parsed.lines == 20_000
    assert parsed.table is not None
    assert parsed.table.num_rows == 19_999
    assert parsed.table["_row"][15_000].as_py() == 15_003


@pytest.mark.parametrize("end", ["\n\x1a", "\x1a", "\r\n\x1a\r\n", "\n" + "\x1a" * 100, "\n\x1a\n\x1a\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_ctrl_z_at_the_end_is_the_end_of_the_file(path: Path, end: str, encoding: str) -> None:
    path.write_bytes(("parcel,addressee\n1,a\n2,b" + end).encode(encoding))
    opened = read_extract(path, SOURCE)
    chunks = list(opened.chunks)
    assert [name for chunk in chunks for name in chunk.rows["addressee"].to_pylist()] == ["a", "b"]
    assert not any(chunk.broken for chunk in chunks)
    assert "the character Ctrl-Z at the end of the file, which is not a row" in describe_header(SOURCE, opened)


def test_ctrl_z_within_the_text_is_a_character(path: Path) -> None:
    path.write_bytes(b"parcel,addressee\n1,a\x1a\n2,\x1ab\n")
    opened = read_extract(path, SOURCE)
    (chunk,) = opened.chunks
    assert chunk.rows["addressee"].to_pylist() == ["a\x1a", "\x1ab"]
    assert describe_header(SOURCE, opened) == []


@given(st.lists(st.binary(max_size=5)), st.integers(0, 3))
def test_only_the_end_of_the_text_is_dropped(blocks: list[bytes], marks: int) -> None:
    detected: dict[str, str] = {}
    text = b"".join(blocks) + b"." + CTRL_Z * marks
    parts = [text[start : start + 3] for start in range(0, len(text), 3)]
    assert b"".join(_drop_end_mark(iter(parts), detected)) == text[: len(text) - marks]
    assert bool(detected) == bool(marks)
