"""Each partition of a sorted stream is written once with exactly its rows, whether it is small or large."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage import partition_stream
from sixtyforty.storage.partition_stream import write_partitions


def stream(keys: list[str], batch_rows: int) -> pa.RecordBatchReader:
    table = pa.table({"n": range(len(keys)), "key": pa.array(keys, pa.string())})
    return pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=batch_rows))


def read(_: str, rows: pa.Table | pa.RecordBatchReader) -> list[int]:
    table = rows if isinstance(rows, pa.Table) else rows.read_all()
    assert table.column_names == ["n"]
    return list(table["n"].to_pylist())


@given(st.lists(st.sampled_from("abcd")).map(sorted), st.integers(1, 5), st.sampled_from([0, 16, 1 << 20]))
def test_each_partition_is_written_with_its_rows(keys: list[str], batch_rows: int, small_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition_stream, "SMALL_PARTITION_BYTES", small_bytes)
        written = write_partitions(stream(keys, batch_rows), "key", read)
    assert written == {key: [n for n, k in enumerate(keys) if k == key] for key in sorted(set(keys))}


@pytest.mark.parametrize("small_bytes", [0, 1 << 20])
def test_the_error_of_a_writer_is_raised(monkeypatch: pytest.MonkeyPatch, small_bytes: int) -> None:
    monkeypatch.setattr(partition_stream, "SMALL_PARTITION_BYTES", small_bytes)

    def fail(partition: str, rows: pa.Table | pa.RecordBatchReader) -> None:
        if partition == "b":
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_partitions(stream(sorted("abcdefghij" * 3), 2), "key", fail)
