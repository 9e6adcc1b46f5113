"""The checks that all formats share."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sixtyforty.ingest.extract import (
    MAX_TEXT_BYTES,
    MISSING_CURE,
    broken_line,
    contract_hash,
    empty_rows,
    match_columns,
)
from sixtyforty.spec.sources import Source


def contract(*columns: str, **changes: Any) -> Source:
    return Source(description="x", files="x.csv", columns=dict.fromkeys(columns, "VARCHAR"), key=["parcel"], **changes)


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
