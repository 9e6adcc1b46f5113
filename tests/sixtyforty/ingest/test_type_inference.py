"""A type is chosen only if every text fits it exactly; codes stay text, and ambiguous dates have all readings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import distinct_texts
from sixtyforty.ingest.reading_doubts import TIME_UNITS, describe_forms
from sixtyforty.ingest.type_inference import InferredType, infer_types
from sixtyforty.storage.sql import bare_identifier

DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(60)]


def infer(texts: Sequence[str | None], name: str = "x") -> tuple[InferredType, list[Any]]:
    """Return the inferred type of some texts, and their converted values."""
    with duckdb.connect() as db:
        db.execute(f"create table landed (n integer, {bare_identifier(name)} varchar)")
        db.executemany("insert into landed values (?, ?)", list(enumerate(texts)))
        inferred = infer_types(db, "landed", [name], {})[name]
        return inferred, [row[0] for row in db.execute(f"select {inferred.sql} from landed order by n").fetchall()]


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", "-2", "+3", None, "0"], "BIGINT", [1, -2, 3, None, 0]),
        (["1", "2.5"], "DOUBLE", [1.0, 2.5]),
        (["0.5", "1.0", "1.5"], "DOUBLE", [0.5, 1.0, 1.5]),
        (["1.5e-05", "2E+07"], "DOUBLE", [1.5e-05, 2e07]),
        (["855.00", "742.50"], "DECIMAL(18,2)", [Decimal("855.00"), Decimal("742.50")]),
        (["0.123450", "1.000000"], "DECIMAL(18,6)", [Decimal("0.123450"), Decimal("1.000000")]),
        (
            ["12345678901234567.89", "1.10"],  # as DOUBLE, the cents would be lost
            "DECIMAL(38,2)",
            [Decimal("12345678901234567.89"), Decimal("1.10")],
        ),
        # a number of at most 17 digits may be the text of a DOUBLE, a longer one never is
        (["0.30000000000000004", "1.5"], "DOUBLE", [0.30000000000000004, 1.5]),
        (["1234567890123456.78", "-0.5"], "DECIMAL(38,2)", [Decimal("1234567890123456.78"), Decimal("-0.5")]),
        (["." + "123" * 10, "12"], "DECIMAL(38,30)", [Decimal("." + "123" * 10), Decimal(12)]),
        (["0." + "0" * 29 + "1", "12"], "DOUBLE", [1e-30, 12.0]),
        (["1" * 30 + ".123456789"], "VARCHAR", ["1" * 30 + ".123456789"]),
        (["0.12345678901234567890123", "1.5e-05"], "DOUBLE", [0.12345678901234567890123, 1.5e-05]),
        (["true", "FALSE"], "BOOLEAN", [True, False]),
        (["2024-02-29", "2024-03-01"], "DATE", [date(2024, 2, 29), date(2024, 3, 1)]),
        (["2024-02-29 10:30:00", "2024-03-01"], "TIMESTAMP", [datetime(2024, 2, 29, 10, 30), datetime(2024, 3, 1)]),
        (["2024-02-29T10:30:00+02:00"], "TIMESTAMP", [datetime(2024, 2, 29, 8, 30)]),
        ([None, None], "VARCHAR", [None, None]),
        (["a", "1"], "VARCHAR", ["a", "1"]),
    ],
)
def test_types_are_inferred_from_all_texts(texts: list[str | None], kind: str, values: list[Any]) -> None:
    inferred, converted = infer(texts)
    assert (inferred.kind, converted) == (kind, values)
    assert inferred.parsing_sql is None


@pytest.mark.parametrize(
    "texts",
    [
        ["1E0", "10E2", "28E3"],  # article numbers
        ["7e1", "5"],
        ["00123", "10456"],  # customer numbers
        ["007.5", "1.5"],
        ["-01", "2"],
        ["12345678901234567890"],  # longer than BIGINT
        ["1_000"],
        ["0x1F"],
        ["inf", "1.5"],
        ["1e+400", "2e+1"],
        ["1,5", "2,5"],
        ["1.", "2.5."],
        ["t", "f"],
    ],
)
def test_codes_and_texts_that_a_number_would_change_stay_text(texts: list[str]) -> None:
    assert infer(texts) == (InferredType("VARCHAR", "x"), texts)


@pytest.mark.parametrize("name", ["zip", "Postal Code", "PLZ", "sku", "phone_1"])
def test_codes_are_recognized_by_the_name_of_the_column(name: str) -> None:
    inferred, _ = infer(["12345", "67890"], name)
    assert inferred.kind == "VARCHAR" and inferred.parsing_sql is None


@pytest.mark.parametrize(
    "form",
    ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y"],
)
def test_dates_in_another_form_are_parsed(form: str) -> None:
    inferred, converted = infer([f"{day:{form}}" for day in DAYS])
    assert (inferred.kind, converted, inferred.other_parsing_sql) == ("DATE", DAYS, ())
    assert inferred.parsing_sql == f"strptime(x, '{form}')::date"


@pytest.mark.parametrize("suffix", [" %H:%M", " %H:%M:%S", " %I:%M %p"])
def test_times_in_another_form_are_parsed(suffix: str) -> None:
    times = [datetime(day.year, day.month, day.day, day.day % 24, 30) for day in DAYS]
    inferred, converted = infer([f"{time:%d.%m.%Y}{time:{suffix}}" for time in times])
    assert (inferred.kind, converted) == ("TIMESTAMP", times)


def test_compact_dates_are_recognized_by_the_name_of_the_column() -> None:
    texts = [f"{day:%Y%m%d}" for day in DAYS]
    assert infer(texts, "order_date")[1] == DAYS
    assert infer(texts, "amount")[0].kind == "BIGINT"


@pytest.mark.parametrize(("form", "other"), [("%d/%m/%Y", "%m/%d/%Y"), ("%m/%d/%Y", "%d/%m/%Y")])
def test_ambiguous_dates_have_both_readings_and_the_shorter_span_comes_first(form: str, other: str) -> None:
    days = [date(2024, 5, day) for day in range(1, 13)]
    inferred, converted = infer([f"{day:{form}}" for day in days])
    assert converted == days
    assert inferred.other_parsing_sql == (f"strptime(x, '{other}')::date",)


def test_dates_that_read_alike_in_every_form_are_not_ambiguous() -> None:
    assert infer(["05/05/2024", "07/07/2024"])[0].other_parsing_sql == ()


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["25/12/2024", "12/26/2024"], (("%d/%m/%Y", 1), ("%m/%d/%Y", 1))),
        (["25/12/2024", "03/04/2024", "12/26/2024", "1/2/2024"], (("%d/%m/%Y", 3), ("%m/%d/%Y", 1))),
        (["2024-12-25", "2024-12-26", "27.12.2024"], (("ISO 8601", 2), ("%d.%m.%Y", 1))),
        (["25.12.2024", "26.12.2024 10:30"], (("%d.%m.%Y", 1), ("%d.%m.%Y %H:%M", 1))),
        (["2024-02-30", "2024-02-01", "later", "2024-02-02"], (("ISO 8601", 2), ("", 2))),
        (["later", "sooner", "2024-02-02"], ()),
        (["2024001", "20240-02", "1.2.3"], ()),
    ],
)
def test_mixed_forms_of_dates_stay_text_and_are_counted(texts: list[str], forms: tuple[tuple[str, int], ...]) -> None:
    inferred, converted = infer(texts)
    assert (inferred.kind, inferred.doubt, converted) == ("VARCHAR", describe_forms("date", forms), texts)


@pytest.mark.parametrize(
    ("name", "numbers", "unit", "span"),
    [
        ("order_day", range(45352, 45363), "all 11 different numbers may be days in Excel", "2024-03-01 to 2024-03-11"),
        ("Buchungsdatum", [45352.5, 45353.75, 45353], "days in Excel", "2024-03-01 12:00:00 to 2024-03-02 18:00:00"),
        ("created_at", [1709251200, 1709337600], "Unix seconds", "2024-03-01 to 2024-03-02"),
        ("at", [1709251200000, 1709337600001], "Unix milliseconds", "2024-03-01 to 2024-03-02"),
        ("TIMESTAMP", [1709251200000000], "Unix microseconds", "2024-03-01 to 2024-03-01"),
        ("event time", [1709251200000000000], "Unix nanoseconds", "2024-03-01 to 2024-03-01"),
        ("order_day", [0, 45352, 45353, 99], "2 of 4 different numbers", "45352 to 45353 are then 2024-03-01"),
        ("order_day", [0, 45352, 98, 99], "", ""),
        ("flat", [45352, 45353], "", ""),
        ("days", [1, 31], "", ""),
    ],
)
def test_numbers_that_may_be_times_have_both_readings(
    name: str, numbers: Sequence[float], unit: str, span: str
) -> None:
    inferred, converted = infer(list(map(str, numbers)), name)
    assert converted == list(numbers), "the column stays one of numbers"
    assert unit in inferred.doubt and span in inferred.doubt
    assert bool(unit) == bool(inferred.doubt)


def test_the_sql_of_each_unit_reads_the_times_that_a_sentence_names() -> None:
    with duckdb.connect() as db:
        for unit in TIME_UNITS:
            number = unit.number_of(date(2024, 3, 1)) + unit.per_day / 4
            (time,) = db.execute(f"select {unit.sql.format('x')} from (select {number:.20g} as x)").fetchall()[0]
            assert (time, unit.time_of(number)) == (datetime(2024, 3, 1, 6), "2024-03-01 06:00:00")


def test_many_columns_have_the_types_that_each_has_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "day": ["03/04/2024", "05/04/2024"],
        "zip": ["1", "2"],
        "n": ["1", "2"],
        "none": [None, None],
        "price": ["1.50", "2.00"],
        "at": ["2024-03-04 10:00", "x"],
    }
    monkeypatch.setattr(distinct_texts, "MAX_COLUMNS", 3)
    with duckdb.connect() as db:
        db.execute(f"create table landed ({', '.join(f'{bare_identifier(name)} varchar' for name in columns)})")
        db.executemany(
            f"insert into landed values ({', '.join('?' * len(columns))})", list(zip(*columns.values(), strict=True))
        )
        inferred = infer_types(db, "landed", list(columns), {"n": {"INTEGER"}})
    assert list(inferred) == list(columns) and inferred["n"].kind == "INTEGER"
    assert {name: infer(texts, name)[0] for name, texts in columns.items() if name != "n"} == {
        name: kind for name, kind in inferred.items() if name != "n"
    }


def test_no_form_of_dates_is_tried_on_codes_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying all forms on a million codes took a minute."""
    questions: list[str] = []
    real = distinct_texts.ask
    monkeypatch.setattr(distinct_texts, "ask", lambda db, sql, columns: questions.extend(sql) or real(db, sql, columns))
    for text in ("cfcd208495d565ef66e7dff9f98764da", "C158352", "note 5666 with a comment", "AB-2024-01-77"):
        assert infer([text, text + "0"])[0] == InferredType("VARCHAR", "x")
    assert not [question for question in questions if "strptime" in question and "%Y%m%d" not in question]


CODES = st.text("0123456789eE.+-", min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(st.lists(CODES, min_size=1, max_size=5))
def test_a_number_is_equal_to_its_text(texts: list[str]) -> None:
    inferred, converted = infer(texts)
    for text, number in zip(texts, converted, strict=True):
        if inferred.kind == "DOUBLE":
            assert number == float(text)
        elif inferred.kind.startswith(("BIGINT", "DECIMAL")):
            assert Decimal(number) == Decimal(text)
            assert text.lstrip("+-").startswith("0") <= (len(text.lstrip("+-").partition(".")[0]) == 1)
        else:
            assert str(number) == text or isinstance(number, date)
