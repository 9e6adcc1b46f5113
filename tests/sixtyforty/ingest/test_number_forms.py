"""The form of numbers is detected from all columns, and codes are no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import distinct_texts, number_forms
from sixtyforty.ingest.number_forms import CONDITIONS, PLAIN, DetectedNumbers, NumberForm, detect_number_form


def detect(columns: Mapping[str, Sequence[str | None]]) -> DetectedNumbers:
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
    numbers = detect({"n": texts, "words": words, "whole": ["7"] * len(texts)})
    assert (numbers.form, numbers.columns, numbers.doubts) == (form, {"n", "whole"}, {})


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
    numbers = detect(columns)
    assert (numbers.form, numbers.columns) == (PLAIN, set())


def test_points_that_group_digits_in_one_column_group_them_in_each() -> None:
    """A run reads all columns of a source alike, so a draft that reads 1.100 as 1.1 is wrong."""
    numbers = detect({"amount": ["1.234,50", "7,5"], "weight": ["1.100", "90.300"]})
    assert (numbers.form, numbers.columns) == (NumberForm(",", "."), {"amount", "weight"})


@pytest.mark.parametrize(
    ("columns", "doubts"),
    [
        ({"n": ["123.456", "7.001", "-1.500"]}, {"n": ("all 3 different", "-1.500 to 123.456", "-1500 to 123456")}),
        ({"n": ["123.456", "0.001"]}, {}),
        ({"n": ["123.456", "1.5"]}, {}),
        ({"n": ["123.456"], "m": ["1.500,5"]}, {}),  # the comma shows what the points are
        ({"n": ["1.5", "2.5", "1,75"]}, {"n": ("as numbers", "2 1234.5, 1 1234,5")}),
        ({"n": ["1.234,50", "7.25"]}, {"n": ("as numbers", "1 1234.5, 1 1.234,5")}),
        ({"n": ["1,5", "2,5"], "m": ["1.5", "2.5"]}, {"n": ("2 different texts", "like 1234,5", "like 1234.5")}),
        ({"n": ["1.5", "2,5", "x"], "day": ["1.2.2024"] * 3, "ip": ["10.0.0.1"] * 3}, {}),
    ],
)
def test_other_readings_of_numbers_are_named(
    columns: dict[str, list[str | None]], doubts: dict[str, tuple[str, ...]]
) -> None:
    sentences = detect(columns).doubts
    assert sentences.keys() == doubts.keys()
    assert all(part in sentences[name] for name, parts in doubts.items() for part in parts), sentences


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("0159eE.,+-' \u00a0", min_size=1, max_size=7), min_size=1, max_size=4, unique=True))
@example(["1.500", "12.500", "3.5"])
@example(["1", "2,5", "3"])
@example(["1", "007", "3"])
def test_the_forms_that_fit_are_those_that_read_each_text(texts: list[str]) -> None:
    with duckdb.connect() as db:
        db.execute("create table distinct_texts (n integer, t varchar)")
        db.executemany("insert into distinct_texts values (0, ?)", [[text] for text in texts])
        fits = distinct_texts.infer_all(db, {0: number_forms._find_fits(len(texts))})[0]
        reading = ", ".join(f"bool_and({condition})" for condition in CONDITIONS.values())
        assert [fits] == db.execute(f"select {reading} from distinct_texts").fetchall()


def test_whole_numbers_are_compared_with_the_plain_form_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each other form cost as much as reading the texts."""
    questions: list[str] = []
    real = distinct_texts.ask
    monkeypatch.setattr(distinct_texts, "ask", lambda db, sql, columns: questions.extend(sql) or real(db, sql, columns))
    assert detect({"n": ["1", "22", "-333"]}).form == PLAIN
    compared = [
        condition for condition in CONDITIONS.values() if any(f"where {condition})" in sql for sql in questions)
    ]
    assert compared == [CONDITIONS[PLAIN.example]]
