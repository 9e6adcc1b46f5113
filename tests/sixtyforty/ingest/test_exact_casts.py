"""A text becomes a value only if the value means exactly what the text says. Python's own parsers are the judge."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sixtyforty.ingest.exact_casts import attempt_sql, cast_sql, exact_sql, require_type
from sixtyforty.storage.duckdb_session import connect

WHOLE_TYPES = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "HUGEINT": (-(10**38) + 1, 10**38 - 1),
}
DECIMAL_TYPES = {"DECIMAL(12,2)": (12, 2), "DECIMAL(4,4)": (4, 4), "NUMERIC(9)": (9, 0), "DECIMAL(38,10)": (38, 10)}
DAY_FORM = r"(\d{4})([-/])(\d{1,2})[-/](\d{1,2})"


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect("UTC") as db:
        yield db


def cast_texts(db: duckdb.DuckDBPyConnection, texts: Sequence[str], declared: str) -> list[Any]:
    """Cast texts by the nested and by the layered expression, which must agree, and return the values."""
    kind = require_type(declared)
    db.register("texts", pa.table({"n": pa.array(range(len(texts)), pa.int64()), "x": pa.array(texts, pa.string())}))
    layered = (
        f"select *, {exact_sql('x', 'v', kind)} as layered from (select *, {attempt_sql('x', kind)} as v from texts)"
    )
    rows = db.execute(f"select {cast_sql('x', declared)}, layered from ({layered}) order by n").fetchall()
    assert [nested for nested, _ in rows] == [stored for _, stored in rows]
    return [stored for stored, _ in rows]


NUMBER_LIKE = st.one_of(
    st.text("0123456789+-._eExXnaif ", max_size=24).map(str.strip),
    st.from_regex(r"[+-]?[0-9]{1,40}(\.[0-9]{0,12})?", fullmatch=True, alphabet="0123456789+-."),
    st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}[eE][+-]?[0-9]{1,3}", fullmatch=True, alphabet="0123456789+-.eE"),
    st.integers(-(2**65), 2**65).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.floats().map(repr),
    st.floats().map(lambda x: f"{x:.17g}"),
    st.sampled_from(
        ["99.5", "1.23457E+17", "1_000", "0x1F", "0b1", "inf", "-Infinity", "nan", "1e400", "1.", ".5", "."]
    ),
    st.text(max_size=6).map(str.strip),
)


def whole(text: str, declared: str) -> int | None:
    low, high = WHOLE_TYPES[declared]
    if not re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text):
        return None
    number = int(text.split(".")[0])
    return number if low <= number <= high else None


@pytest.mark.parametrize("declared", WHOLE_TYPES)
@given(texts=st.lists(NUMBER_LIKE, max_size=30))
@example(texts=["99.5", "1e5", "1.23457E+17", "1_000", "0x1F", "+7", "-0", "007", "3.0", "3.", "3.000000001", " "])
@example(texts=["127", "128", "-128", "-129", "18446744073709551615", "9223372036854775807.0", "9223372036854775808"])
@example(
    texts=["127.0000", "2147483647.0", "2147483648.0", "9007199254740993", "9007199254740993.0", "-9223372036854775808"]
)
@example(texts=["9" * 38, "-" + "9" * 38, "1" + "0" * 38, str(2**127 - 1), str(-(2**127)), str(2**127 - 1) + ".0"])
def test_a_whole_number_is_exact(database: duckdb.DuckDBPyConnection, declared: str, texts: list[str]) -> None:
    assert cast_texts(database, texts, declared) == [whole(text, declared) for text in texts]


def plain_decimal(text: str, declared: str) -> Decimal | None:
    width, scale = DECIMAL_TYPES[declared]
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", text):
        return None
    number = Decimal(text)
    scaled = number.scaleb(scale) if number else number
    fits = scaled == scaled.to_integral_value() and abs(number) < Decimal(10) ** (width - scale)
    return number if fits else None


@pytest.mark.parametrize("declared", DECIMAL_TYPES)
@given(texts=st.lists(NUMBER_LIKE, max_size=30))
@example(texts=["0.10", "1.005", "1.50000", "-.5", "5.", "1e2", "9999999999.99", "10000000000", "0.00001", "99_0"])
@example(texts=["0.9999", "1.0000", "-0.99990", "0.99999", "0." + "0" * 50, "0." + "0" * 50 + "1"])
def test_a_decimal_is_exact(database: duckdb.DuckDBPyConnection, declared: str, texts: list[str]) -> None:
    assert cast_texts(database, texts, declared) == [plain_decimal(text, declared) for text in texts]


def nearest(text: str, declared: str) -> float | None:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    with np.errstate(over="ignore"):
        number = float(text) if declared == "DOUBLE" else float(np.float32(text))
    return number if math.isfinite(number) else None


@pytest.mark.parametrize("declared", ["DOUBLE", "FLOAT"])
@given(texts=st.lists(NUMBER_LIKE, max_size=30))
@example(texts=["1e400", "-1e400", "1e-400", "inf", "NaN", "1_000.5", "0x1F", "1e1_0", "1.5d", "1,5", "0.1", "5e-324"])
@example(texts=["1.7976931348623157e308", "1.7976931348623159e308", "9007199254740993", "3.4028235e38", "3.5e38", "1e"])
@example(texts=["+-1", "+-.5", "-+1", "--1", "++1", "+-0e1", "1e+-1", "1e-+1", "+1", "-.5"])
def test_a_float_is_the_nearest_to_its_text(
    database: duckdb.DuckDBPyConnection, declared: str, texts: list[str]
) -> None:
    assert cast_texts(database, texts, declared) == [nearest(text, declared) for text in texts]


@given(texts=st.lists(st.text("truefalsTRUEFALSnoyNOY01 ", max_size=5).map(str.strip), max_size=30))
@example(
    texts=["true", "False", "TRUE", "t", "F", "1", "0", "yes", "No", "y", "N", "on", "off", "2", "tr", "wahr", "1.0"]
)
def test_a_truth_has_one_of_the_listed_spellings(database: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    spellings = {"true": True, "t": True, "yes": True, "y": True, "1": True}
    spellings |= {"false": False, "f": False, "no": False, "n": False, "0": False}
    assert cast_texts(database, texts, "BOOLEAN") == [spellings.get(text.lower()) for text in texts]


def day(text: str) -> date | None:
    match = re.fullmatch(DAY_FORM + r"([ T]00:00(:00(\.0*)?)?)?", text, re.ASCII)
    try:
        return date(int(match[1]), int(match[3]), int(match[4])) if match else None
    except ValueError:
        return None


DAY_LIKE = st.one_of(
    st.dates().map(str),
    st.from_regex(r"[0-9]{1,5}[-/ ][0-9]{1,2}[-/ ][0-9]{1,2}", fullmatch=True, alphabet="0123456789-/ "),
    st.from_regex(r"20[0-9]{2}[-/][0-9]{1,2}[-/][0-9]{1,2}", fullmatch=True, alphabet="0123456789-/"),
    st.sampled_from(["infinity", "-infinity", "epoch", "today", "20240203", "0044-03-15 (BC)", "2024-02-03 (BC)"]),
)


@given(texts=st.lists(DAY_LIKE, max_size=30))
@example(
    texts=["2024-2-3", "2024/02/03", "2024-02-30", "24-02-03", "12024-02-03", "-2024-02-03", "0000-01-01", "2024-02"]
)
@example(
    texts=["2024-02-03 00:00:00", "2024-02-03T00:00", "2024-02-03 10:00:00", "2024-02-03x", "03.02.2024", "02/03/2024"]
)
def test_a_date_is_year_month_day(database: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    same_marks = [text if not (m := re.match(DAY_FORM, text)) or text.count(m[2]) == 2 else "" for text in texts]
    assert cast_texts(database, same_marks, "DATE") == [day(text) for text in same_marks]


TIME_LIKE = st.builds(
    lambda at, form, digits: at.strftime(form) + digits,
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    st.sampled_from(["{}-%m-%d %H:%M:%S", "{}-%m-%dT%H:%M:%S", "{}-%m-%d %H:%M", "{}-%m-%d", "{}/%m/%d %H:%M:%S"]),
    st.sampled_from(["", ".5", ".123456", ".1234567", ".1234560", ".", "Z", "+02:00", "-0330", " +01", "+1", " BST"]),
)


def utc_time(text: str) -> datetime | None:
    """Return the UTC time of a text by the table in docs/concepts/quarantine.md."""
    form = (
        DAY_FORM
        + r"([ T](\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{0,6})0*)?)?)?( ?(?:Z|([+-](?:0\d|1[0-5]))(?::?([0-5]\d))?))?"
    )
    match = re.fullmatch(form, text, re.ASCII)
    if not match or (match[10] and not match[5]):
        return None
    try:
        parts = [int(match[n] or 0) for n in (1, 3, 4, 6, 7, 8)]
        local = datetime(*parts, int((match[9] or "0").ljust(6, "0")))
        hours, minutes = int(match[11] or 0), int(match[12] or 0)
        sign = -1 if (match[11] or "").startswith("-") else 1
        return local - timedelta(hours=hours, minutes=sign * minutes)
    except (ValueError, OverflowError):
        return None


@given(texts=st.lists(TIME_LIKE.map(lambda text: text.replace("{}", "2013")), max_size=20))
@example(texts=["2013-07-01 12:00:00", "2013-07-01", "2013-07-01T12:00", "2013-7-1 9:05", "2013-07-01 12:00:00.000001"])
@example(texts=["2013-07-01 12:00:00.1234567", "2013-07-01 12:00:00.1234560", "2013-07-01 12:00:00.123456Z"])
@example(texts=["2013-7-1 9:30+02:30", "2013-7-1T9:30-02:30", "2013-07-01 10+05:30"])
@example(texts=["2013-07-01 12:00:00+05:30", "2013-07-01 12:00:00 -0330", "2013-07-01+02", "2013-02-30 12:00:00"])
def test_a_time_is_the_instant_of_its_text(database: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    assert cast_texts(database, texts, "TIMESTAMP") == [utc_time(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        *("2013-07-01 12:00:00 BST", "2013-07-01 12:00:00 IST", "2013-07-01 12:00:00 CST", "2013-07-01 12:00:00 EST"),
        *("infinity", "-infinity", "epoch", "now", "12013-07-01 1:00:00", "0044-03-15 12:00:00 (BC)", "1372680000"),
        # DuckDB writes these times alike.
        *("12013-07-01 13:00:00", "12013-07-01T13:00:00", "0044-03-15 (BC) 12:00:00", "0044-03-15 (BC)T12:00:00"),
        *(
            "2013-07-01 12:00:00+99:00",
            "2013-07-01 12:00:00 Mars/Olympus",
            "2013-07-01 25:00:00",
            "2013-07-01 12",
            "01.07.2013 12:00",
        ),
        "2013-03-10 02:30:00 America/New_York",  # the clock skips this hour
        "2013-11-03 01:30:00 America/New_York",  # this hour occurs twice
        "2013-10-27 02:30 Europe/Berlin",
    ],
)
@pytest.mark.parametrize("declared", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
def test_a_time_that_could_mean_several_instants_is_refused(
    database: duckdb.DuckDBPyConnection, declared: str, text: str
) -> None:
    assert cast_texts(database, [text], declared) == [None]


@pytest.mark.parametrize("declared", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
def test_a_text_of_the_usual_length_must_have_the_form_of_a_time(
    database: duckdb.DuckDBPyConnection, declared: str
) -> None:
    texts = ["2013-07-01 12:00: C", "2013-07-01 12:00:0Z", "2013-07-01\r 12:0:00", "2013/07/01T10:0 :70"]
    texts += ["\n2013-07-01 12:00:0", "213-07-01\t 12:00:00", "\t2013-07-1 12:00:00", "2013-07-01  12:0:00"]
    assert cast_texts(database, texts, declared) == [None] * len(texts)
    texts = ["2013-07-01 12:00:00", "2013-07-01T12:00:00", "2013/07/01 12:00:00"]
    assert len(set(cast_texts(database, texts, declared))) == 1


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2013-07-01 12:00:00 Europe/London", 11),
        ("2013-01-01 12:00 Europe/London", 12),
        ("2013-07-01T12:00:00 America/New_York", 16),
        ("2013-11-03 03:30:00 America/New_York", 8),
        ("2013-07-01 12:00:00 America/Argentina/Buenos_Aires", 15),
        ("2013-07-01 12:00:00 UTC", 12),
        ("2013-07-01 12:00:00 GMT", 12),
    ],
)
def test_the_name_of_a_zone_is_converted(database: duckdb.DuckDBPyConnection, text: str, hour: int) -> None:
    (utc,) = cast_texts(database, [text], "TIMESTAMP")
    (zoned,) = cast_texts(database, [text], "TIMESTAMPTZ")
    assert (utc.hour, zoned.astimezone(UTC).replace(tzinfo=None)) == (hour, utc)


def test_fractions_of_seconds_that_a_type_cannot_hold_are_refused(database: duckdb.DuckDBPyConnection) -> None:
    texts = [f"2013-07-01 12:00:00{fraction}" for fraction in ("", ".500", ".5001", ".123456789")]
    held = {
        declared: [stored is not None for stored in cast_texts(database, texts, declared)]
        for declared in ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS")
    }
    assert held == {
        "TIMESTAMP_S": [True, False, False, False],
        "TIMESTAMP_MS": [True, True, False, False],
        "TIMESTAMP": [True, True, True, False],
        "TIMESTAMP_NS": [True, True, True, True],
    }


@pytest.mark.parametrize("declared", ["BIGINT", "DECIMAL(12,2)", "DOUBLE", "BOOLEAN", "DATE", "TIME", "UUID"])
@pytest.mark.parametrize(
    "space", ["\t", "\n", "\v", "\f", "\r"], ids=["tab", "newline", "vertical tab", "feed", "return"]
)
def test_only_spaces_may_stand_around_a_text(database: duckdb.DuckDBPyConnection, declared: str, space: str) -> None:
    texts = {"DATE": "2024-02-03", "TIME": "09:05", "UUID": "0f8fad5b-d9cb-469f-a165-70867728950e"}
    text = texts.get(declared, "1")
    assert None not in cast_texts(database, [text], declared)
    assert cast_texts(database, [f"{space}{text}", f"{text}{space}"], declared) == [None, None]


def test_times_uuids_and_documents_have_one_form(database: duckdb.DuckDBPyConnection) -> None:
    times = cast_texts(database, ["9:05", "23:59:59.999999", "24:00:00", "12:00:00.1234567", "noon"], "TIME")
    assert times == [time(9, 5), time(23, 59, 59, 999999), None, None, None]
    number = "0f8fad5b-d9cb-469f-a165-70867728950e"
    uuids = cast_texts(database, [number, number.upper(), number.replace("-", ""), f"{{{number}}}"], "UUID")
    assert list(map(str, uuids)) == [number, number, "None", "None"]
    documents = cast_texts(database, ['{"a": [1]}', "1", "{a: 1}", "", "None"], "JSON")
    assert [text and json.loads(text) for text in documents] == [{"a": [1]}, 1, None, None, None]


def strict_document(text: str) -> str | None:
    """Return a text if it is JSON by RFC 8259, which has no `NaN` and no comma after the last element."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return None
    return text


JSON_PARTS = (
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    '"',
    '"a"',
    '"a":',
    "\\",
    "1",
    "-",
    ".5",
    "NaN",
    "inf",
    "Infinity",
    "null",
)


@given(texts=st.lists(st.lists(st.sampled_from(JSON_PARTS), max_size=9).map("".join).map(str.strip), max_size=30))
@example(texts=['{"a":1,}', "[1 ,\n]", "NaN", "[nan]", "-Infinity", '{"a":inf}', '{"a":NaN}', '"NaN"', '{"nan":",]"}'])
@example(
    texts=['["\\"NaN", 1]', '["\\\\",NaN]', '["\\\\\\",NaN"]', '{"information":[1]}', "+1", "1.", ".5", "01", "tRue"]
)
def test_a_document_is_strict_json(database: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    assert cast_texts(database, texts, "JSON") == list(map(strict_document, texts))


def test_text_stays_text(database: duckdb.DuckDBPyConnection) -> None:
    texts = ["10E2", "00123", "NaN", "1_000", "ÄÖ"]
    assert cast_texts(database, texts, "VARCHAR") == texts
    assert cast_texts(database, texts, "varchar(3)") == texts


@given(moment=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), minutes=st.integers(-14 * 60, 14 * 60))
def test_any_utc_offset_is_converted(database: duckdb.DuckDBPyConnection, moment: datetime, minutes: int) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert cast_texts(database, [str(local)], "TIMESTAMP") == [moment]


@pytest.mark.parametrize("name", ["t", "v", "x", "_instant"])
def test_a_column_of_any_name_is_cast(database: duckdb.DuckDBPyConnection, name: str) -> None:
    database.register("texts", pa.table({name: ["2024-07-01 10:00:00 Europe/Berlin"]}))
    assert database.execute(f"select {cast_sql(name, 'TIMESTAMP')} from texts").fetchall() == [
        (datetime(2024, 7, 1, 8),)
    ]
