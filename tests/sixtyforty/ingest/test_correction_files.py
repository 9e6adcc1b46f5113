"""Corrections are written so that a scan of their source reads back exactly what landed, or they are refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest.correction_files import (
    COMMENTS,
    CorrectionError,
    choose_correction_format,
    encode_corrections,
)
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import parse_content

COLUMNS = {"id": "BIGINT", "name, or none": "VARCHAR", "load": "DOUBLE"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
CELLS = st.lists(st.tuples(*[st.none() | TEXTS] * len(COLUMNS)), min_size=1, max_size=5)


def source(files: str = "calls_*.csv", **declared: Any) -> Source:
    return Source(description="x", **({"files": files, "columns": COLUMNS, "key": ["id"]} | declared))


@pytest.mark.parametrize(
    ("kind", "declared"),
    [
        ("csv", {}),
        ("csv", {"encoding": "cp1252", "delimiter": ";", "decimal": ",", "thousands": "."}),
        ("csv", {"encoding": "utf-16", "delimiter": "~"}),
        ("csv", {"decimal": ","}),
        ("csv", {"delimiter": "\t", "null_text": ""}),
        ("json", {"files": "calls_*.jsonl"}),
        ("json", {"files": "calls_*.json", "encoding": "latin-1"}),
    ],
    ids=["plain", "german", "utf-16", "comma", "tabs", "json", "latin json"],
)
@settings(max_examples=40)
@given(cells=CELLS)
def test_corrections_are_read_back_as_they_landed(
    kind: Any, declared: dict[str, Any], cells: list[tuple[str | None, ...]]
) -> None:
    contract = source(**declared)
    landed = [[None if cell == contract.null_text and kind == "csv" else cell for cell in row] for row in cells]
    rows = [(*row, "load is 'x'", "calls_1", 7, "2024-01-01", None) for row in landed]
    parsed = parse_content(encode_corrections(contract, kind, "calls_2", rows), contract)
    assert (parsed.problem, parsed.broken, sorted(parsed.undeclared)) == (None, [], sorted(COMMENTS))
    assert parsed.table is not None
    read = [list(row.values()) for row in parsed.table.drop_columns("_row").to_pylist()]
    if kind == "csv":  # an empty text is a missing value, too
        read, landed = ([[cell or None for cell in row] for row in table] for table in (read, landed))
        spaced = [[cell if cell and cell.strip(" ") != contract.null_text else None for cell in row] for row in landed]
        landed = spaced
    assert read == landed


@pytest.mark.parametrize(
    ("declared", "delimiter"),
    [({}, ","), ({"decimal": ","}, ";"), ({"decimal": ",", "delimiter": "\t"}, "\t"), ({"delimiter": "~"}, "~")],
)
def test_a_decimal_comma_goes_with_semicolons_unless_another_delimiter_is_declared(
    declared: dict[str, Any], delimiter: str
) -> None:
    header = encode_corrections(source(**declared), "csv", "calls_2.csv", []).decode()
    assert header.startswith(f"id{delimiter}") and header.endswith(f"{delimiter}_text\r\n")


def test_json_lines_have_the_columns_of_the_contract_and_the_comments() -> None:
    content = encode_corrections(source("x*.jsonl"), "json", "x.jsonl", [("1", "Müller", None, "r", "f", 7, "p", None)])
    assert content.decode().count("\n") == 1 and "Müller" in content.decode()
    assert json.loads(content) == dict(
        zip([*COLUMNS, *COMMENTS], ["1", "Müller", None, "r", "f", 7, "p", None], strict=True)
    )


def test_a_packed_name_gives_a_packed_file_that_is_always_the_same() -> None:
    contract = source("calls_*.csv.gz")
    content = encode_corrections(contract, "csv", "calls_2.csv.gz", [])
    assert gzip.decompress(content) == encode_corrections(contract, "csv", "calls_2.csv", [])
    assert content == encode_corrections(contract, "csv", "calls_2.csv.gz", [])


@pytest.mark.parametrize(
    ("files", "name", "kind"),
    [
        ("calls_*.csv", "calls_2.csv", "csv"),
        ("calls_*.jsonl.gz", "calls_2.jsonl.gz", "json"),
        ("calls_*", "calls_2", "csv"),
        ("calls_*", "calls_2.json", "json"),
        ("*/calls_*.txt", "calls_2.txt", "csv"),
    ],
)
def test_the_format_is_that_of_the_glob_or_else_of_the_name(files: str, name: str, kind: str) -> None:
    assert choose_correction_format("calls", source(files), name, ["calls_1.csv"]) == kind


QUERY = {"files": None, "query": "select 1"}


@pytest.mark.parametrize(
    ("contract", "name", "reason"),
    [
        (source(**QUERY), "x.csv", "calls is a query.* Correct the rows in the database that decisions are delivered"),
        (
            source(**QUERY, database="CALLS", cursor_column="changed", partition="day", known_at="day"),
            "x.csv",
            r"Correct the rows in the database at \$CALLS, and give them a newer changed\. The next query",
        ),
        (source(full=True), "calls_2.csv", "calls declares `full: true`, so .* would remove all other rows"),
        (source("calls_*.parquet"), "calls_2.parquet", "calls takes Parquet extracts, .* Ask the sender"),
        (source("a*/calls.csv"), "calls.csv", "calls takes only a.*/calls.csv, .* Correct the rows in that file"),
        (source("calls_*"), "calls_2.parquet", "can't be exported in the format of this file. Name a .csv file"),
        (
            source("calls_*", decimal=","),
            "calls_2.json",
            "can't be exported in the format of this file. Name a .csv file",
        ),
        (
            source(),
            "x.csv",
            r"can't hold the corrections: a scan only takes names that match calls_\*.csv. .* calls_corrections.csv",
        ),
        (source(), ".calls_2.csv", r"a scan skips names that start with a dot .* such as calls_corrections.csv\.$"),
        (
            source(),
            "calls_1.csv",
            "can't hold the corrections: an extract with this name has landed, .* such as calls_corrections",
        ),
        (source("calls[0-9].csv"), "x.csv", r"calls\[0-9\].csv\. Name another file\.$"),
    ],
    ids=lambda case: case if isinstance(case, str) else "source",
)
def test_a_file_that_can_not_land_is_refused_with_the_cure(contract: Source, name: str, reason: str) -> None:
    with pytest.raises(CorrectionError, match=reason):
        choose_correction_format("calls", contract, name, ["calls_1.csv"])


@pytest.mark.parametrize(
    ("files", "landed", "name"),
    [
        ("calls*.csv", [], "calls_corrections.csv"),
        ("*.csv", [], "corrections.csv"),
        ("north/calls_*_v*.csv", ["north/calls_corrections_v.csv"], "calls_corrections2_v.csv"),
        ("calls_*.csv", ["calls_corrections.csv", "calls_corrections2.csv"], "calls_corrections3.csv"),
    ],
)
def test_a_name_is_suggested_that_has_not_landed(files: str, landed: list[str], name: str) -> None:
    with pytest.raises(CorrectionError, match=f"such as {name}"):
        choose_correction_format("calls", source(files), Path(".x").name, landed)
