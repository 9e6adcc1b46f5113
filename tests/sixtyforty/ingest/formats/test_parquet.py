"""A Parquet value becomes the text of itself, and a damaged file is refused."""

from __future__ import annotations

import errno
import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest.extract import CHUNK_BYTES, MAX_RECORD_BYTES, MISSING_CURE, Chunk, RefusedExtractError
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.formats import parquet
from sixtyforty.spec.sources import Source
from sixtyforty.storage.scratch import scratch_folder
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
        (pa.binary(), b"\xff", "VARCHAR", "\\xff"),
        (pa.binary(), b"\\xff", "VARCHAR", "\\x5c786666"),
        (pa.binary(2), b" a", "VARCHAR", "\\x2061"),
        (pa.dictionary(pa.int8(), pa.binary()), b"\x00", "VARCHAR", "\\x00"),
        (pa.list_(pa.int32()), [1, 2], "VARCHAR", "[1,2]"),
        (pa.struct([("a", pa.string())]), {"a": 'x"y'}, "VARCHAR", '{"a":"x\\"y"}'),
        (pa.map_(pa.string(), pa.string()), [("a", "b")], "VARCHAR", '{"a":"b"}'),
        (pa.map_(pa.int64(), pa.int64()), [(1, 2)], "VARCHAR", '{"1":2}'),
        (pa.list_(pa.map_(pa.string(), pa.int64())), [[("a", 1)], []], "VARCHAR", '[{"a":1},{}]'),
        (pa.struct([("m", pa.map_(pa.string(), pa.int64()))]), {"m": [("a", 1)]}, "VARCHAR", '{"m":{"a":1}}'),
        (pa.float16(), 0.5, "DOUBLE", 0.5),
        (pa.list_(pa.float16()), [0.5], "VARCHAR", "[0.5]"),
        (pa.decimal256(50, 2), Decimal("1.50"), "DECIMAL(12,2)", Decimal("1.50")),
        (pa.decimal256(76, 0), Decimal(10**60), "VARCHAR", "1" + "0" * 60),
        (pa.float32(), 0.1, "FLOAT", pytest.approx(0.1)),
        (pa.uint64(), 2**64 - 1, "UBIGINT", 2**64 - 1),
        (pa.time64("us"), None, "TIME", None),
        (pa.null(), None, "INTEGER", None),
        (pa.bool_(), True, "VARCHAR", "true"),
        (pa.string(), "NA", "VARCHAR", "NA"),
        (
            pa.list_(pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])),
            [{"a": 1, "b": ["x", None]}],
            "VARCHAR",
            '[{"a":1,"b":["x",null]}]',
        ),
        (pa.large_list(pa.large_string()), ["x"], "VARCHAR", '["x"]'),
        (pa.large_binary(), b"x", "VARCHAR", "x"),
        (pa.dictionary(pa.int32(), pa.large_string()), "north", "VARCHAR", "north"),
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


ONE = Source(description="One.", files="x", columns={"x": "VARCHAR"}, key=["x"])


def read_chunks(tmp_path: Path, table: pa.Table, **options: Any) -> list[Chunk]:
    file = tmp_path / "x.parquet"
    pq.write_table(table, file, **options)
    return list(read_extract(file, ONE).chunks)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_a_text_that_repeats_comes_in_small_chunks(tmp_path: Path, kind: pa.DataType) -> None:
    """200 MB of text are a few kilobytes in the file."""
    texts = pa.array(["long" * 25_000] * 2_000).cast(kind)
    chunks = read_chunks(tmp_path, pa.table({"x": texts}))
    assert (tmp_path / "x.parquet").stat().st_size < 30_000
    assert sum(chunk.rows.num_rows for chunk in chunks) == 2_000
    assert max(chunk.rows.nbytes for chunk in chunks) < 2 * CHUNK_BYTES
    assert [row for chunk in chunks for row in chunk.rows["_row"].to_pylist()] == list(range(1, 2_001))


def test_a_row_that_is_too_long_is_broken(tmp_path: Path) -> None:
    chunks = read_chunks(tmp_path, pa.table({"x": ["a", "b" * (MAX_RECORD_BYTES + 1), "c"]}))
    assert [row for chunk in chunks for row in chunk.rows["x"].to_pylist()] == ["a", "c"]
    assert [row for chunk in chunks for row in chunk.rows["_row"].to_pylist()] == [1, 3]
    assert [line.number for chunk in chunks for line in chunk.broken] == [2]


def test_lists_that_are_too_long_are_refused(tmp_path: Path) -> None:
    """One row may hold all values of its row group."""
    lists = pa.ListArray.from_arrays(pa.array([0, 70_000_000]), pa.nulls(70_000_000, pa.int8()))
    with pytest.raises(RefusedExtractError, match="the lists of the column 'x' are too long"):
        read_chunks(tmp_path, pa.table({"x": lists}))


def test_rows_have_their_numbers_over_row_groups(tmp_path: Path) -> None:
    chunks = read_chunks(tmp_path, pa.table({"x": list(map(str, range(1_000)))}), row_group_size=7)
    rows = pa.concat_tables(chunk.rows for chunk in chunks)
    assert rows["x"].to_pylist() == list(map(str, range(1_000)))
    assert rows["_row"].to_pylist() == list(range(1, 1_001))


def test_dates_beyond_nanoseconds_are_read(tmp_path: Path) -> None:
    times = pa.array([datetime(9999, 12, 31), datetime(2013, 3, 10, 12)], pa.timestamp("us"))
    (chunk,) = read_chunks(tmp_path, pa.table({"x": times}), use_deprecated_int96_timestamps=True)
    assert chunk.rows["x"].to_pylist() == ["9999-12-31 00:00:00", "2013-03-10 12:00:00"]


def test_an_old_timestamp_beyond_microseconds_keeps_its_digits(tmp_path: Path) -> None:
    """So that the cast to TIMESTAMP quarantines it, because it isn't exact."""
    count = 400_000  # several batches
    times = [1_362_916_800_000_000_000 + 1000 * number + (number % 3 == 1) * 7 for number in range(count)]
    table = pa.table({"x": pa.array(times, pa.timestamp("ns")), "more": ["text"] * count})
    chunks = read_chunks(tmp_path, table, use_deprecated_int96_timestamps=True, row_group_size=150_001)
    texts = [text for chunk in chunks for text in chunk.rows["x"].to_pylist()]
    assert texts[:4] == [
        "2013-03-10 12:00:00",
        "2013-03-10 12:00:00.000001007",
        "2013-03-10 12:00:00.000002",
        "2013-03-10 12:00:00.000003",
    ]
    assert [text[-3:] == "007" and len(text) == 29 for text in texts] == [number % 3 == 1 for number in range(count)]


def test_old_timestamps_of_all_years_keep_their_digits(tmp_path: Path) -> None:
    times = pa.array([datetime(9999, 12, 31, 1, 1, 1, 5), None, datetime(1, 1, 1)], pa.timestamp("us"))
    (chunk,) = read_chunks(tmp_path, pa.table({"x": times}), use_deprecated_int96_timestamps=True)
    assert chunk.rows["x"].to_pylist() == ["9999-12-31 01:01:01.000005", None, "0001-01-01 00:00:00"]


@pytest.mark.parametrize("nanoseconds", [0, 123])
@pytest.mark.parametrize("in_structure", [False, True])
def test_old_timestamps_in_lists_lose_no_digits(tmp_path: Path, nanoseconds: int, in_structure: bool) -> None:
    time = 1_362_916_800_000_001_000 + nanoseconds
    times = pa.array([None, time], pa.timestamp("ns"))
    lists = (
        pa.StructArray.from_arrays([times], ["a"])
        if in_structure
        else pa.array([[], [None, time]], pa.list_(times.type))
    )
    table = pa.table({"x": lists})
    if nanoseconds:
        with pytest.raises(RefusedExtractError, match="the column 'x' hold times of nanoseconds in the old form INT96"):
            read_chunks(tmp_path, table, use_deprecated_int96_timestamps=True)
    else:
        (chunk,) = read_chunks(tmp_path, table, use_deprecated_int96_timestamps=True)
        assert "2013-03-10 12:00:00.000001" in chunk.rows["x"].to_pylist()[1]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (pa.ArrowMemoryError("malloc of size 8 failed"), MemoryError),
        (duckdb.OutOfMemoryException("failed to allocate"), MemoryError),
        (duckdb.IOException("could not write to the temporary file"), OSError),
        (OSError(errno.EIO, "Input/output error"), OSError),
    ],
)
def test_a_lack_of_memory_or_of_access_says_nothing_about_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    def fail(*_args: Any) -> Any:
        raise error

    monkeypatch.setattr(parquet, "_text_table", fail)
    with pytest.raises(kind) as raised:
        read_chunks(tmp_path, pa.table({"x": ["a"]}))
    assert not isinstance(raised.value, RefusedExtractError)


def test_the_footer_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    real = pq.read_metadata
    monkeypatch.setattr(pq, "read_metadata", lambda *args, **options: reads.append(args) or real(*args, **options))
    opened: list[Any] = []
    parquet_file = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda *a, **kw: opened.append(kw.get("metadata")) or parquet_file(*a, **kw))
    read_chunks(tmp_path, pa.table({"x": ["a"]}))
    assert len(reads) == len(opened) == 1
    assert opened[0] is not None


def test_a_packed_file_is_unpacked_in_the_scratch_folder_of_the_process(tmp_path: Path) -> None:
    scratch = scratch_folder(tmp_path / "cache")
    file = tmp_path / "x.parquet.gz"
    file.write_bytes(gzip.compress(write_parquet(SAMPLE_ROWS)))
    opened = read_extract(file, SOURCE)
    assert len(list(scratch.iterdir())) == 1
    list(opened.chunks)
    assert not list(scratch.iterdir())


def test_a_repeated_name_matters_only_in_the_contract(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    (chunk,) = read_chunks(tmp_path, pa.Table.from_arrays(columns, names=["y", "x", "y"]))
    assert chunk.rows["x"].to_pylist() == ["b"]
    with pytest.raises(RefusedExtractError, match="the column 'x' occurs twice"):
        read_chunks(tmp_path, pa.Table.from_arrays(columns, names=["x", "x", "y"]))


def test_a_list_of_a_text_that_repeats_is_measured_before_it_is_written(tmp_path: Path) -> None:
    """10 GB of text in one row are a few kilobytes in the file."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 100_000]))
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 100_000]), texts)
    chunks = read_chunks(tmp_path, pa.table({"x": lists}))
    assert [row for chunk in chunks for row in chunk.rows["_row"].to_pylist()] == [1]
    assert [line.number for chunk in chunks for line in chunk.broken] == [2]
