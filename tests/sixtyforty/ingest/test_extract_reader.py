"""An extract is unpacked, its format is chosen, and the lines of a refused file are counted."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from sixtyforty.ingest.extract_reader import SMALL_FILE_BYTES, count_lines, is_bounded, read_extract
from sixtyforty.ingest.formats.text_blocks import HOLE
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import SAMPLE_ROWS, WRITERS, parse_content

SOURCE = Source(description="Parcels.", files="parcels_*.csv", columns={"parcel": "INTEGER"}, key=["parcel"])


def test_an_extract_is_read_packed_or_not() -> None:
    plain = parse_content(b"parcel\n1\n", SOURCE)
    packed = parse_content(gzip.compress(b"parcel\n1\n"), SOURCE)
    assert plain.table is not None
    assert plain.table.to_pydict() == {"parcel": ["1"], "_row": [2]}
    assert packed == plain


def test_a_damaged_gzip_file_is_refused_and_counts_as_a_loss() -> None:
    parsed = parse_content(gzip.compress(b"parcel\n1\n")[:-9], SOURCE)
    assert (parsed.table, parsed.lines) == (None, 1)
    assert "cut off" in str(parsed.problem)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (bz2.compress(b"parcel\n1\n"), "packed with bzip2"),
        (lzma.compress(b"parcel\n1\n"), "packed with xz"),
        (gzip.compress(b"PK\x03\x04..."), "a zip archive or an Excel workbook"),
        (b"%PDF-1.7\n1 0 obj\n", "a PDF document"),
    ],
    ids=["bzip2", "xz", "gzip", "PDF"],  # gzip stores the time, and all workers must give a test the same name
)
def test_a_file_of_another_kind_is_named(content: bytes, kind: str) -> None:
    problem = parse_content(content, SOURCE).problem
    assert problem is not None
    assert problem.startswith(f"the file is {kind}. Ask the sender for CSV (.csv")


def test_the_content_decides_over_the_declared_ending() -> None:
    parsed = parse_content(b'{"parcel": 7}\n', SOURCE)
    assert parsed.table is not None
    assert parsed.table["parcel"].to_pylist() == ["7"]


def test_the_ending_of_the_file_decides_if_neither_content_nor_glob_do(tmp_path: Path) -> None:
    """A file of JSON was refused as a CSV file without the columns of the contract."""
    file = tmp_path / "parcels_1.json"
    file.write_bytes(b'[7, {"parcel": 8}]')
    source = SOURCE.model_copy(update={"files": "parcels_*"})
    (chunk,) = read_extract(file, source).chunks
    assert chunk.rows["parcel"].to_pylist() == ["8"]
    assert [line.number for line in chunk.broken] == [1]


@pytest.mark.parametrize(
    ("content", "count"),
    [(b"", 1), (b"h", 1), (b"h\n", 1), (b"h\n1\n", 1), (b"h\n1\n2", 2), (b"h\n1\n2\n", 2), (b"h\r1\r2\r", 2)],
)
def test_lines_are_counted_without_the_header_and_at_least_one(tmp_path: Path, content: bytes, count: int) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    assert count_lines(file) == count


def test_the_lines_of_a_file_that_is_refused_late_are_counted() -> None:
    content = b"parcel\n" + b"1\n" * 2_000_000 + HOLE + b"\n" * 10
    parsed = parse_content(content, SOURCE)
    assert parsed.lines == 2_000_010
    assert parsed.problem == "the file is not a text file: byte 4000007 is zero. Ask the sender for a text file."


@pytest.mark.parametrize(
    "forms", [{"decimal": ","}, {"thousands": "'"}, {"date_format": "%d.%m.%Y"}], ids=lambda forms: next(iter(forms))
)
@pytest.mark.parametrize("files", ["parcels_*.csv", "parcels_*"])
def test_another_format_than_csv_is_refused_if_the_forms_of_csv_are_declared(forms: dict[str, str], files: str) -> None:
    source = SOURCE.model_copy(update={"files": files, **forms})
    assert parse_content(b"parcel\n7\n", source).problem is None
    (field,) = forms
    for content in (b'{"parcel": 7}\n', WRITERS["parquet"](SAMPLE_ROWS)):
        problem = str(parse_content(content, source).problem)
        assert f"`{field}`, which only CSV has" in problem and "Declare another source" in problem


@pytest.mark.parametrize(
    ("content", "files", "expected"),
    [
        (b"parcel\n1\n", "parcels_*.csv", True),
        (b'{"parcel": 1}\n', "parcels_*.csv", True),
        (b"", "parcels_*.csv", True),
        (b"parcel\n" * (SMALL_FILE_BYTES // 7), "parcels_*.csv", True),
        (b"parcel\n" * (SMALL_FILE_BYTES // 7 + 1), "parcels_*.csv", False),
        (gzip.compress(b"parcel\n1\n"), "parcels_*.csv", False),
        (b"PAR1", "parcels_*.csv", False),
        ("PAR1".encode("utf-16"), "parcels_*.csv", False),
        (b"parcel\nPAR1", "parcels_*.parquet", False),
    ],
    ids=["csv", "json", "empty", "largest", "too large", "gzip", "parquet", "parquet as text", "named parquet"],
)
def test_only_small_text_files_are_read_in_the_process_of_the_run(
    tmp_path: Path, content: bytes, files: str, expected: bool
) -> None:
    """An archive or a Parquet file of 2 KB may hold 10 GB, and Parquet is recognized by any of its ends."""
    (tmp_path / "file").write_bytes(content)
    assert is_bounded(tmp_path / "file", SOURCE.model_copy(update={"files": files})) == expected
