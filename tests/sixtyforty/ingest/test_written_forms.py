"""Numbers and dates are read in the declared form, exactly, and in no other form."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.rules import Suite
from expectations.validation import validate
from sixtyforty.ingest.casting import select_typed
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import land_extract, make_workspace


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return connect("UTC")


def read(db: duckdb.DuckDBPyConnection, declared_type: str, text: str, **forms: Any) -> Any:
    """The value of a text; None if it is quarantined."""
    source = Source(description="x", files="x.csv", columns={"x": declared_type}, key=["x"], **forms)
    db.register("landed", pa.table({"x": [text]}))
    ((stored,),) = db.execute(select_typed(source, list(source.columns), "landed")).fetchall()
    return stored


@pytest.mark.parametrize(
    ("text", "forms", "value"),
    [
        ("1,5", {"decimal": ","}, 1.5),
        (" -0,25 ", {"decimal": ","}, -0.25),
        ("1,5E3", {"decimal": ","}, 1500.0),
        ("1.5", {"decimal": ","}, None),
        ("1.234,5", {"decimal": ","}, None),
        ("1.234,5", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1234,5", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1.234.567", {"decimal": ",", "thousands": "."}, 1234567.0),
        ("1.23", {"decimal": ",", "thousands": "."}, None),
        ("12.34,5", {"decimal": ",", "thousands": "."}, None),
        ("0.123", {"decimal": ",", "thousands": "."}, None),
        ("-00,123.5", {"thousands": ","}, None),
        ("0,5", {"decimal": ",", "thousands": "."}, 0.5),
        ("1,234", {}, None),
        ("1,234.5", {"thousands": ","}, 1234.5),
        ("1'234.5", {"thousands": "'"}, 1234.5),
        ("1 234.5", {"thousands": " "}, 1234.5),
        ("1\u202f234.5", {"thousands": "\u202f"}, 1234.5),
        (",234", {"thousands": ","}, None),
        ("1,,234", {"thousands": ","}, None),
    ],
)
def test_a_number_has_the_declared_form(database: Any, text: str, forms: dict[str, str], value: float | None) -> None:
    assert read(database, "DOUBLE", text, **forms) == value
    if value == 1234567.0:
        assert read(database, "BIGINT", text, **forms) == 1234567


@pytest.mark.parametrize(
    ("declared_type", "text", "date_format", "value"),
    [
        ("DATE", "03.02.2024", "%d.%m.%Y", date(2024, 2, 3)),
        ("DATE", "3.2.2024", "%d.%m.%Y", date(2024, 2, 3)),
        ("DATE", "03/02/24", "%m/%d/%y", date(2024, 3, 2)),
        ("DATE", "3 Feb 2024", "%d %b %Y", date(2024, 2, 3)),
        ("DATE", "3  Feb 2024", "%d %b %Y", date(2024, 2, 3)),
        ("DATE", "3.2.2024", "%-d.%-m.%Y", date(2024, 2, 3)),
        ("DATE", "03.02.24", "%d.%m.%Y", None),
        ("DATE", "03.02.024", "%d.%m.%Y", None),
        ("DATE", "03.02.2024", "%d.%m.%y", None),
        ("TIMESTAMP", "03.02.24 10:30", "%d.%m.%Y", None),
        ("DATE", "31.02.2024", "%d.%m.%Y", None),
        ("DATE", "2024-02-03", "%d.%m.%Y", None),
        ("DATE", "03.02.2024 00:00", "%d.%m.%Y", date(2024, 2, 3)),
        ("DATE", "03.02.2024 10:00", "%d.%m.%Y", None),
        ("DATE", "03.02.2024x", "%d.%m.%Y", None),
        ("DATE", "03.02.24", "%d.%m.%Y", None),
        ("DATE", "03.02.202", "%d.%m.%Y", None),
        ("DATE", "03.02.4", "%d.%m.%y", None),
        ("DATE", "3. Feb  2024", "%-d. %b %Y", date(2024, 2, 3)),
        ("DATE", "2024年02月03日", "%Y年%m月%d日", date(2024, 2, 3)),
        ("TIMESTAMP", "03.02.202 10:30", "%d.%m.%Y", None),
        ("TIMESTAMP", "03.02.2024 10:30", "%d.%m.%Y", datetime(2024, 2, 3, 10, 30)),
        ("TIMESTAMP", "03.02.2024 10:30:15+02:00", "%d.%m.%Y", datetime(2024, 2, 3, 8, 30, 15)),
        ("TIMESTAMP", "3 Feb 2024 10:30", "%d %b %Y", datetime(2024, 2, 3, 10, 30)),
        ("TIMESTAMP", "03.02.2024 BST", "%d.%m.%Y", None),
        ("DATE", "20241103", "%Y%m%d", date(2024, 11, 3)),
        ("DATE", "2024113", "%Y%m%d", None),
        ("DATE", "2024113", "%Y%-m%-d", None),
        ("DATE", "03112024", "%d%m%Y", date(2024, 11, 3)),
        ("DATE", "1112024", "%d%m%Y", None),
        ("DATE", "2413", "%y%m%d", None),
        ("DATE", "3Nov2024", "%d%b%Y", date(2024, 11, 3)),
    ],
)
def test_a_date_has_the_declared_form(
    database: Any, declared_type: str, text: str, date_format: str, value: Any
) -> None:
    assert read(database, declared_type, text, date_format=date_format) == value


@given(
    st.decimals(-(10**9), 10**9, places=2, allow_nan=False),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u00a0")]),
    st.booleans(),
)
def test_a_written_number_is_read_back(
    database: Any, number: Decimal, forms: tuple[str, str], is_grouped: bool
) -> None:
    decimal, thousands = forms
    text = f"{number:,}" if is_grouped else str(number)
    written = text.translate(str.maketrans({".": decimal, ",": thousands}))
    assert read(database, "DECIMAL(12,2)", written, decimal=decimal, thousands=thousands) == number


@given(st.dates(date(1000, 1, 1)), st.sampled_from(["%d.%m.%Y", "%m/%d/%Y", "%Y-%d-%m", "%B %d, %Y"]))
def test_a_written_date_is_read_back(database: Any, day: date, date_format: str) -> None:
    assert read(database, "DATE", day.strftime(date_format), date_format=date_format) == day


def test_a_file_of_excel_in_german_is_read_with_its_sums(tmp_path: Path) -> None:
    columns = {"id": "BIGINT", "ort": "VARCHAR", "tag": "DATE", "betrag": "DECIMAL(12,2)", "menge": "DOUBLE"}
    source = {"description": "x", "files": "u*.csv", "columns": columns, "key": ["id"]}
    forms = {"encoding": "cp1252", "decimal": ",", "thousands": ".", "date_format": "%d.%m.%Y"}
    ws = make_workspace(tmp_path, sources={"sales": {**source, **forms}})
    text = "id;ort;tag;betrag;menge\r\n1;Köln;03.02.2024;1.234,50;0,5\r\n2;München;04.02.2024;0,25;1.000\r\n"
    text += "3;Bonn;2024-02-05;1,00;1\r\n4;Bonn;05.02.2024;1.00;1\r\n"
    text += "".join(f"{n};Bonn;05.02.2024;0,01;0\r\n" for n in range(5, 205))
    land_extract(ws.landing, "umsatz.csv", text.encode("cp1252"))
    ingest(ws.use_case, "sales", ws.lake, ws.landing, [SNAPSHOT], "code")
    verdict = validate(ws.use_case, "sales", Suite(description="x"), ws.lake, [SNAPSHOT], None, "code")[SNAPSHOT]
    assert (verdict.accepted_rows, verdict.quarantined) == (202, 2)
    with ws.lake.open_session("UTC") as db:
        rows = f"from {ws.lake.select_rows(ws.lake.entries('validated/sales').values())}"
        assert db.sql(f"select sum(betrag), sum(menge), list(ort order by id)[:2] {rows}").fetchall() == [
            (Decimal("1236.75"), 1000.5, ["Köln", "München"])
        ]
        bad = f"from {ws.lake.select_rows(ws.lake.entries('quarantine/sales').values())}"
        assert db.sql(f"select _reason {bad} order by _row").fetchall() == [
            ("tag is '2024-02-05', expected DATE",),
            ("betrag is '1.00', expected DECIMAL(12,2)",),
        ]
