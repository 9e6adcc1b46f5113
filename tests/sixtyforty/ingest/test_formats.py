"""CSV, Parquet and JSON lines, packed or not: what was written is read back equal, what is damaged is told."""

from __future__ import annotations

import csv as csv_module
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.suites import Suite
from expectations.validation import validate
from sixtyforty.ingest import extract
from sixtyforty.ingest.data_contract import cleaned_columns_sql, typed_columns_sql
from sixtyforty.ingest.extract import ParsedExtract
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.raw import ingest
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import CALLS, SITES, calls_of, land, make_workspace

COLUMNS = {
    "number": "BIGINT",
    "share": "DOUBLE",
    "name": "VARCHAR",
    "at": "TIMESTAMP",
    "day": "DATE",
    "open": "BOOLEAN",
    "price": "DECIMAL(12,2)",
}
SOURCE = Source(description="Of everything something.", files="all_*", columns=COLUMNS, key=["number"], null_text="")
ARROW = {
    "number": pa.int64(),
    "share": pa.float64(),
    "name": pa.string(),
    "at": pa.timestamp("us"),
    "day": pa.date32(),
    "open": pa.bool_(),
    "price": pa.decimal128(12, 2),
}
Row = Sequence[Any]


def as_csv(rows: Sequence[Row]) -> bytes:
    out = io.StringIO()
    csv_module.writer(out, lineterminator="\n").writerows([list(COLUMNS), *rows])
    return out.getvalue().encode()


def as_json(rows: Sequence[Row]) -> bytes:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True)), default=plain, ensure_ascii=False) for row in rows]
    return "".join(re.sub(r'"(-?\d+\.\d\d)€"', r"\1", line) + "\n" for line in lines).encode()


def plain(value: Any) -> str:
    return f"{value}€" if isinstance(value, Decimal) else str(value)  # a number that no float spoils


def as_parquet(rows: Sequence[Row], schema: dict[str, pa.DataType] = ARROW) -> bytes:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({c: pa.array(v, t) for (c, t), v in zip(schema.items(), columns, strict=True)}), sink)
    return bytes(sink.getvalue().to_pybytes())


FORMATS: dict[str, Callable[[Sequence[Row]], bytes]] = {"csv": as_csv, "json": as_json, "parquet": as_parquet}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "in two": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
}


def values(found: ParsedExtract, source: Source = SOURCE) -> list[Row]:
    """The rows as the contract types them."""
    assert (found.problem, found.broken) == (None, [])
    assert found.table is not None
    assert found.table.schema.types == [*[pa.string()] * len(source.columns), pa.int64()]
    with connect("UTC") as db:
        db.register("landed", found.table)
        return db.execute(
            f"select {typed_columns_sql(source)} from (select {cleaned_columns_sql(source)}, _row from landed) order by _row"
        ).fetchall()


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | WORDS.map(lambda w: f"{w} {w}"),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
        st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
        st.none() | st.booleans(),
        st.none() | st.decimals(-9_999_999, 9_999_999, allow_nan=False, places=2),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=15)
@given(rows=ROWS)
def test_what_was_written_is_read_back_equal(form: str, packed: str, rows: list[Row]) -> None:
    found = read_extract(PACKED[packed](FORMATS[form](rows)), SOURCE)
    assert [list(r) for r in values(found)] == [list(r) for r in rows]
    assert found.lines == len(rows)


def test_all_formats_say_the_same(subtests: Any) -> None:
    rows = [
        [1, 0.1, 'a "b", c', datetime(2013, 3, 10, 12), date(2013, 3, 10), True, Decimal("1.50")],
        [2, inf, None, datetime(2013, 3, 10, 12, 0, 0, 5), None, False, None],
    ]
    first = values(read_extract(as_csv(rows), SOURCE))
    for form, written in FORMATS.items():
        with subtests.test(form):
            assert values(read_extract(written(rows), SOURCE)) == first


# What only one of them has


def one(kind: pa.DataType, value: Any, contract: str) -> Any:
    source = Source(description="One.", files="x", columns={"x": contract}, key=["x"], null_text="")
    return values(read_extract(as_parquet([[value]], {"x": kind}), source), source)[0][0]


@pytest.mark.parametrize(
    ("kind", "value", "contract", "said"),
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
def test_a_parquet_value_is_the_text_of_itself(kind: pa.DataType, value: Any, contract: str, said: Any) -> None:
    assert one(kind, value, contract) == said


def lines(*found: str | bytes, columns: dict[str, str] | None = None) -> ParsedExtract:
    source = Source(
        description="x", files="x_*.jsonl", columns=columns or {"id": "INTEGER", "x": "VARCHAR"}, key=["id"]
    )
    return read_extract(b"\n".join(f if isinstance(f, bytes) else f.encode() for f in found), source)


def test_json_keeps_numbers_as_they_are_written_and_lists_as_json() -> None:
    found = lines(
        '{"id": 1, "x": 1.10}',
        '{"id": 12345678901234567890, "x": {"b": [1.0, null, "ö", true]}}',
        '{"id": null, "x": 1e400, "more": 1}',
        '{"x": NaN}',
        "",
        '{"id":2,"x":true}\r',
    )
    assert found.table is not None
    assert found.table.to_pydict() == {
        "id": ["1", "12345678901234567890", None, None, "2"],
        "x": ["1.10", '{"b":[1.0,null,"ö",true]}', "1e400", "NaN", "true"],
        "_row": [1, 2, 3, 4, 6],
    }


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": 2, "x": "a', "the line is not JSON: Unterminated string starting at at character 15"),
        ("nonsense", "the line is not JSON: Expecting value at character 0"),
        ("[1, 2]", "not an object"),
        ("7", "not an object"),
        ('{"id": 1, "id": 2}', "a key occurs twice"),
        (b'{"id": 2, "x": "\xff"}', "not UTF-8: byte 16"),
        (r'{"id": 2, "x": "\ud800"}', "half of a surrogate pair"),
        ('{"id": 2, "x": ' + "[" * 100_000, "too deeply"),
    ],
)
def test_a_bad_line_of_json_is_broken_under_its_number_and_the_rest_is_read(line: str | bytes, why: str) -> None:
    found = lines('{"id": 1, "x": "a"}', line, '{"id": 3, "x": "c"}')
    assert found.table is not None
    assert found.table["_row"].to_pylist() == [1, 3]
    ((number, said, text),) = found.broken
    assert (number, found.lines) == (2, 3)
    assert why in said
    assert text == (line if isinstance(line, str) else line.decode(errors="replace"))


def test_a_first_line_of_json_that_is_bad_is_no_header() -> None:
    found = lines("nonsense", '{"id": 1, "x": "a"}')
    assert (found.problem, [n for n, _, _ in found.broken]) == (None, [1])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (['{"id": 1, "xx": "a"}', '{"id": 2}'], "columns missing from every line: 'x' (is it 'xx'?)"),
        (["[", '{"id": 1, "x": 2}', "]"], "a JSON array"),
        ([""], "the file is empty"),
        (['{"id": 1}'.encode("utf-16")], "is zero"),
    ],
)
def test_json_that_cannot_be_trusted_is_refused(found: list[str], said: str) -> None:
    got = lines(*found)
    assert got.table is None
    assert said in str(got.problem)
    assert got.lines >= 1


# What is damaged

ROW = [[i, 0.5, f"name {i}", datetime(2013, 3, 10), date(2013, 3, 10), True, Decimal(1)] for i in range(500)]


@settings(max_examples=25)
@given(share=st.floats(0, 0.999), form=st.sampled_from(["json", "parquet", "csv"]))
def test_what_was_cut_off_after_packing_is_refused_whole(share: float, form: str) -> None:
    data = gzip.compress(FORMATS[form](ROW[:20]))
    found = read_extract(data[: int(len(data) * share)], SOURCE)
    assert found.table is None
    assert found.problem
    assert found.lines >= 1


@settings(max_examples=25)
@given(share=st.floats(0, 0.999))
def test_parquet_cut_off_is_refused(share: float) -> None:
    data = as_parquet(ROW)
    source = SOURCE.model_copy(update={"files": "x_*.parquet"})
    assert "is cut off" in str(read_extract(data[: int(len(data) * share)], source).problem)


@given(at=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_a_parquet_file_with_a_wrong_byte_never_brings_anything_down(at: float, byte: int) -> None:
    data = bytearray(as_parquet(ROW[:20]))
    data[int(at * len(data))] = byte
    found = read_extract(bytes(data), SOURCE)
    assert (found.problem is None) == (found.table is not None)


def test_parquet_that_lacks_columns_says_which() -> None:
    data = as_parquet([[1, "a"]], {"number": pa.int64(), "nmae": pa.string()})
    source = Source(description="x", files="x", columns={"number": "BIGINT", "name": "VARCHAR"}, key=["number"])
    assert read_extract(data, source).problem == "columns missing from the file: 'name' (is it 'nmae'?)"


def test_bytes_after_what_is_packed_are_told_and_zeros_are_padding() -> None:
    data = gzip.compress(as_csv(ROW[:2]))
    assert values(read_extract(data + b"\0" * 100, SOURCE))
    assert "5 bytes follow the end" in str(read_extract(data + b"12345", SOURCE).problem)


def test_what_unpacks_to_more_than_memory_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "MAX_UNPACKED_BYTES", 1 << 20)
    assert "Ask the sender to split it" in str(read_extract(gzip.compress(b"a" * (1 << 20) + b"b"), SOURCE).problem)
    source = Source(description="x", files="x", columns={"x": "VARCHAR"}, key=["x"])
    for values_ in (pa.nulls(200_000, pa.string()), pa.array(["long" * 1000] * 1000)):  # next to nothing on disk
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"x": values_}), sink)
        assert sink.tell() < 20_000
        assert "Ask the sender to split it" in str(read_extract(sink.getvalue().to_pybytes(), source).problem)


# Moments


@pytest.mark.parametrize(
    "text",
    [
        "2013-07-01T14:00:00+02:00",
        "2013-07-01 14:00+02",
        "2013-07-01T12:00:00Z",
        "2013-07-01T12:00",
        "2013-07-01 08:00:00.000-04:00",
        "2013-07-01 12:00:00",
    ],
)
def test_an_offset_counts_whatever_the_format(text: str) -> None:
    source = Source(description="x", files="x", columns={"at": "TIMESTAMP"}, key=["at"])
    for data in (f"at\n{text}\n".encode(), f'{{"at": "{text}"}}'.encode()):
        assert values(read_extract(data, source), source) == [(datetime(2013, 7, 1, 12),)]


@given(moment=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), minutes=st.integers(-14 * 60, 14 * 60))
def test_any_offset_counts(moment: datetime, minutes: int) -> None:
    source = Source(description="x", files="x", columns={"at": "TIMESTAMP"}, key=["at"])
    local = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert values(read_extract(f"at\n{local}\n".encode(), source), source) == [(moment,)]


# Through raw and validated


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_each_format_goes_through_raw_and_validated_partitioned_and_whole(
    tmp_path: Path, form: str, packed: str
) -> None:
    ws = make_workspace(
        tmp_path,
        sources={
            "calls": {"files": f"calls_*.{form}{packed}"},
            "sites": {**SITES, "files": f"sites.{form}{packed}"},
        },
    )
    day = date(2013, 3, 10)
    calls, sites = calls_of(day, 3), [("north", 3), ("south", 5)]
    for name, source, rows in (("calls_a", CALLS, calls), ("sites", SITES, sites)):
        columns = list(source["columns"])
        table = [dict(zip(columns, row, strict=True)) for row in rows]
        if form == "csv":
            data = "\n".join([",".join(columns), *(",".join(map(str, r)) for r in rows)]).encode()
        elif form == "jsonl":
            data = "\n".join(map(json.dumps, table)).encode()
        else:
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(table), sink)
            data = sink.getvalue().to_pybytes()
        land(ws.landing, f"{name}.{form}{packed}", gzip.compress(data) if packed else data)
    for name, partition, rows in (("calls", str(day), calls), ("sites", SNAPSHOT, sites)):
        raw = ingest(ws.use_case, name, ws.lake, ws.landing, [partition], "code")
        assert raw[partition].rows == len(rows)
        verdicts = validate(ws.use_case, name, Suite(description="Anything."), ws.lake, [partition], None, "code")
        assert verdicts[partition].accepted
        entry = ws.lake.entry(f"validated/{name}", partition)
        assert entry is not None
        kept = pq.read_table(ws.lake.local_file(entry)).select(list(ws.use_case.sources[name].columns))
        assert sorted(str(v) for r in kept.to_pylist() for v in r.values()) == sorted(str(v) for r in rows for v in r)
