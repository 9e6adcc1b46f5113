"""A row of a database is read back from its CSV line as it was."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.database_rows import FREQUENT_TYPES, _rare_field, cell_text, csv_line
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import parse_extract

CELLS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_texts_and_nulls_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, str | None]]
) -> None:
    source = Source(
        description="x",
        query="x",
        database="X_URL",
        columns={"a": "VARCHAR", "b": "VARCHAR"},
        key=["a"],
        null_text="NA",
    )
    file = tmp_path_factory.getbasetemp() / "query.csv"
    file.write_bytes("".join(map(csv_line, [("a", "b"), ("NA", ""), *rows])).encode())
    parsed = parse_extract(file, source)
    assert parsed.table is not None
    assert list(zip(parsed.table["a"].to_pylist(), parsed.table["b"].to_pylist(), strict=True)) == [("NA", ""), *rows]


@pytest.mark.parametrize("cell", ["Zoë", 'a,"b"', "", 7, -(10**20), 0.1, 1e300, inf, True, Decimal("0.10")])
def test_a_frequent_type_is_written_like_a_rare_type(cell: Any) -> None:
    assert FREQUENT_TYPES.get(type(cell), _rare_field)(cell) == _rare_field(cell)


def test_a_row_of_one_null_is_a_line() -> None:
    assert csv_line([None]) == '""\n'


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (datetime(2013, 3, 10, 14, tzinfo=timezone(timedelta(hours=2))), "2013-03-10 12:00:00"),
        (datetime(2013, 3, 10, 12, tzinfo=UTC), "2013-03-10 12:00:00"),
        (datetime(2013, 3, 10, 12, 0, 0, 5), "2013-03-10 12:00:00.000005"),
        (date(2013, 3, 10), "2013-03-10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (True, "true"),
        (7, "7"),
        (0.1, "0.1"),
        ("Zoë", "Zoë"),
        ("Zoë".encode(), "Zoë"),
        (memoryview(b"\xff\x00"), "\\xff00"),
    ],
)
def test_a_value_becomes_text(cell: Any, text: str) -> None:
    assert cell_text(cell) == text


@pytest.mark.parametrize(
    "cell",
    [
        {"a": None, "b": [1, True, 'x"y', 1.5]},
        [],
        {},
        [[1, 2], [3, None]],
        {"ä": {"ß": ["\n"]}},
    ],
)
def test_a_list_or_an_object_becomes_json(cell: Any) -> None:
    (text,) = next(csv.reader(csv_line([cell]).splitlines(keepends=True)))
    assert json.loads(text) == cell


def test_json_keeps_exact_numbers_and_quotes_what_it_has_no_type_for() -> None:
    assert cell_text([Decimal("1.10"), inf, date(2013, 3, 10)]) == '[1.10,"inf","2013-03-10"]'
