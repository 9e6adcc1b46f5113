"""The checks that all formats share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.ingest.extract import (
    MAX_TEXT_BYTES,
    MISSING_CURE,
    broken_line,
    contract_hash,
    empty_rows,
    match_columns,
)
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import parse_content


def contract(*columns: str, **changes: Any) -> Source:
    fields = {"files": "x.csv", "columns": dict.fromkeys(columns, "VARCHAR"), "key": ["parcel"]} | changes
    return Source(description="x", **fields)


def test_a_missing_column_comes_with_the_most_similar_extra_one() -> None:
    missing = match_columns(contract("parcel", "addressee"), ["parcel", "adressee"]).missing
    assert missing == f"'addressee' (is it 'adressee'?).{MISSING_CURE}"
    assert match_columns(contract("parcel", "addressee"), ["parcel", "weight"]).missing == f"'addressee'.{MISSING_CURE}"
    assert match_columns(contract("parcel"), ["parcel", "weight"]).missing is None


def test_names_that_may_be_data_are_not_suggested() -> None:
    missing = match_columns(contract("parcel", "addressee"), ["parcels", "Ann Miller"]).missing
    assert missing == f"'parcel', 'addressee'.{MISSING_CURE}"


def test_names_that_differ_in_case_or_spaces_are_suggested_even_if_no_column_is_present() -> None:
    missing = match_columns(contract("parcel", "sent to"), ["Parcel", "Sent_To ", "Ann Miller"]).missing
    assert missing == f"'parcel' (is it 'Parcel'?), 'sent to' (is it 'Sent_To '?).{MISSING_CURE}"


def test_another_name_counts_and_the_first_of_them_is_read() -> None:
    source = contract("parcel", "weight", other_names={"weight": ["mass", "kilos"]})
    matched = match_columns(source, ["kilos", "parcel", "mass", "colour"])
    assert (matched.names, matched.missing, matched.undeclared) == (
        {"parcel": ["parcel"], "weight": ["mass", "kilos"]},
        None,
        ["colour"],
    )
    rows = pa.table({"parcel": ["1"], "mass": ["7"]})
    assert matched.to_contract(rows).to_pydict() == {"parcel": ["1"], "weight": ["7"]}


WEIGHTS = {"parcel": [1, 2, 3, 4], "mass": [7, 8, None, None], "kilos": [7, 9, None, 5], "colour": ["a", "b", "c", "d"]}


def as_parquet(columns: dict[str, list[Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def as_csv(columns: dict[str, list[Any]]) -> bytes:
    lines = zip(*([name, *cells] for name, cells in columns.items()), strict=True)
    return "\n".join(",".join("" if cell is None else str(cell) for cell in line) for line in lines).encode()


def as_json(columns: dict[str, list[Any]]) -> bytes:
    return json.dumps(
        [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    ).encode()


@pytest.mark.parametrize(("write", "first_row"), [(as_csv, 2), (as_json, 1), (as_parquet, 1)])
def test_a_row_with_two_values_for_one_column_is_broken(
    write: Callable[[dict[str, list[Any]]], bytes], first_row: int
) -> None:
    source = contract("parcel", "weight", other_names={"weight": ["mass", "kilos"]}, files="x_*")
    parsed = parse_content(write(WEIGHTS), source)
    assert parsed.problem is None and parsed.table is not None
    assert parsed.table["parcel"].to_pylist() == ["1", "3"]
    assert parsed.table["weight"][0].as_py() == "7"
    assert [number for number, _, _ in parsed.broken] == [first_row + 1, first_row + 3]
    assert all("'mass' and 'kilos' are names of one column" in reason for _, reason, _ in parsed.broken)
    assert parsed.lines == 4


def test_an_optional_column_may_be_absent_unless_every_column_is() -> None:
    source = contract("parcel", "weight", optional_columns=["weight", "parcel"])
    matched = match_columns(source, ["parcel"])
    assert matched.missing is None
    assert matched.to_contract(pa.table({"parcel": ["1"]})).to_pydict() == {"parcel": ["1"], "weight": [None]}
    assert match_columns(source, ["x"]).missing == f"'parcel', 'weight'.{MISSING_CURE}"


def test_only_what_a_refusal_depends_on_changes_the_hash_of_a_contract() -> None:
    plain = contract("parcel", "weight")
    assert contract_hash(plain) == contract_hash(plain.model_copy(update={"description": "x", "null_text": "-"}))
    changes: list[dict[str, Any]] = [
        {"optional_columns": ["weight"]},
        {"other_names": {"weight": ["mass"]}},
        {"columns": {"parcel": "VARCHAR"}},
        {"encoding": "cp1252"},
        {"delimiter": ";"},
        {"decimal": ","},
        {"thousands": "."},
        {"date_format": "%d.%m.%Y"},
    ]
    assert len({contract_hash(plain.model_copy(update=change)) for change in changes} | {contract_hash(plain)}) == 9


def test_a_file_without_rows_has_the_columns_as_text() -> None:
    assert empty_rows(["parcel"]).schema.names == ["parcel", "_row"]
    assert empty_rows(["parcel"]).num_rows == 0


def test_a_broken_line_has_the_start_of_a_long_text() -> None:
    assert broken_line(7, "why", b"a\xff") == (7, "why", "a\ufffd")
    assert len(broken_line(7, "why", b"a" * (MAX_TEXT_BYTES + 1)).text) == MAX_TEXT_BYTES
