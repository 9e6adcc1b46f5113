"""A Parquet value becomes the text of itself, and a damaged file is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest.extract import MISSING_CURE
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import (
    SAMPLE_ROWS,
    SOURCE,
    parse_content,
    typed_rows,
    write_parquet,
)


def read_one_value(kind: pa.DataType, value: Any, contract: str) -> Any:
    source = Source(description="One.", files="x", columns={"x": contract}, key=["x"], null_text="")
    return typed_rows(parse_content(write_parquet([[value]], {"x": kind}), source), source)[0][0]


@pytest.mark.parametrize(
    ("kind", "value", "contract", "expected"),
    [
        (
            pa.timestamp("us", "America/New_York"),
            datetime(2013, 7, 1, 12, tzinfo=UTC),
            "TIMESTAMP",
            datetime(2013, 7, 1, 12),
        ),
        (pa.timestamp("ns", "UTC"), datetime(2013, 7, 1, 12, tzinfo=UTC), "TIMESTAMP", datetime(2013, 7, 1, 12)),
        (pa.timestamp("ns"), datetime(2013, 7, 1, 12, 0, 0, 7), "TIMESTAMP", datetime(2013, 7, 1, 12, 0, 0, 7)),
        (pa.timestamp("s"), datetime(2013, 7, 1), "VARCHAR", "2013-07-01 00:00:00"),
        (pa.dictionary(pa.int8(), pa.string()), "north", "VARCHAR", "north"),
        (pa.large_string(), "north", "VARCHAR", "north"),
        (pa.binary(), "Zoë".encode(), "VARCHAR", "Zoë"),
        (pa.binary(), b"\xff", "VARCHAR", "\\xFF"),
        (pa.list_(pa.int32()), [1, 2], "VARCHAR", "[1,2]"),
        (pa.struct([("a", pa.string())]), {"a": 'x"y'}, "VARCHAR", '{"a":"x\\"y"}'),
        (pa.float32(), 0.1, "FLOAT", pytest.approx(0.1)),
        (pa.uint64(), 2**64 - 1, "UBIGINT", 2**64 - 1),
        (pa.time64("us"), None, "TIME", None),
        (pa.null(), None, "INTEGER", None),
        (pa.bool_(), True, "VARCHAR", "true"),
    ],
)
def test_a_value_becomes_the_text_of_itself(kind: pa.DataType, value: Any, contract: str, expected: Any) -> None:
    assert read_one_value(kind, value, contract) == expected


@settings(max_examples=25)
@given(share=st.floats(0, 0.999))
def test_a_truncated_file_is_refused(share: float) -> None:
    data = write_parquet(SAMPLE_ROWS)
    source = SOURCE.model_copy(update={"files": "x_*.parquet"})
    assert "is cut off" in str(parse_content(data[: int(len(data) * share)], source).problem)


@given(at=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_a_file_with_a_wrong_byte_is_read_or_refused(at: float, byte: int) -> None:
    data = bytearray(write_parquet(SAMPLE_ROWS[:20]))
    data[int(at * len(data))] = byte
    parsed = parse_content(bytes(data), SOURCE)
    assert (parsed.problem is None) == (parsed.table is not None)


def test_a_file_without_a_column_is_refused_with_the_name() -> None:
    data = write_parquet([[1, "a"]], {"number": pa.int64(), "nmae": pa.string()})
    source = Source(description="x", files="x", columns={"number": "BIGINT", "name": "VARCHAR"}, key=["number"])
    assert (
        parse_content(data, source).problem == f"columns missing from the file: 'name' (is it 'nmae'?).{MISSING_CURE}"
    )


def test_a_damaged_column_name_is_refused() -> None:
    content = write_parquet(SAMPLE_ROWS[:20])
    damaged = content.replace(b"price", b"pri\x80e")
    parsed = parse_content(damaged, SOURCE)
    assert parsed.table is None
    assert parsed.problem


def test_column_names_may_hold_quotes() -> None:
    source = Source(description="x", files="x", columns={'a"b': "BIGINT"}, key=['a"b'], null_text="")
    assert typed_rows(parse_content(write_parquet([[1]], {'a"b': pa.int64()}), source), source) == [(1,)]
