"""The form of numbers is detected from all columns, and codes are no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import pytest

from sixtyforty.ingest.number_forms import PLAIN, NumberForm, detect_number_form


def detect(columns: Mapping[str, Sequence[str | None]]) -> tuple[NumberForm, list[str]]:
    with duckdb.connect() as db:
        db.register("texts", pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()}))
        return detect_number_form(db, "texts", list(columns))


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["1,5", "22,75", None], NumberForm(",")),
        (["1.234,5", "7"], NumberForm(",", ".")),
        (["1 234,5", "-7,0"], NumberForm(",", " ")),
        (["1,234", "12,000,000"], NumberForm(".", ",")),
        (["1'234.5", "7"], NumberForm(".", "'")),
        (["1 234", "7"], NumberForm(".", " ")),
        (["1\u00a0234,5", "7,5"], NumberForm(",", "\u00a0")),
        (["1\u202f234,5", "7,5"], NumberForm(",", "\u202f")),
        (["-1\u202f234.50", "7.00"], NumberForm(".", "\u202f")),
        (["1’234.50", "7.00"], NumberForm(".", "’")),
    ],
)
def test_forms_are_detected(texts: list[str | None], form: NumberForm) -> None:
    words = ["a, b"] * len(texts)
    assert detect({"n": texts, "words": words, "whole": ["7"] * len(texts)}) == (form, ["n"])


@pytest.mark.parametrize(
    "columns",
    [
        {"n": ["1.5", "2"]},
        {"n": ["1,5", "2,5"], "m": ["1.5", "2.5"]},  # no form fits both columns
        {"n": ["1,5", "x"]},
        {"n": ["007,5", "1,5"]},
        {"n": ["12,34,567"], "m": ["1"]},
        {"n": [None]},
    ],
)
def test_without_a_form_that_fits_numbers_are_plain(columns: dict[str, list[str | None]]) -> None:
    assert detect(columns) == (PLAIN, [])
