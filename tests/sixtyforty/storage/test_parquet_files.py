"""Row groups are bounded by rows and by bytes, and the bytes of a file depend only on its rows."""

from __future__ import annotations

import io
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage import parquet_files
from sixtyforty.storage.files import parquet_bytes
from sixtyforty.storage.parquet_files import (
    GROUP_ROWS,
    PAGE_BYTES,
    PAGE_ROWS,
    SMALL_GROUP_ROWS,
    row_groups,
    write_parquet,
)


def stream_bytes(rows: pa.Table) -> bytes:
    file = io.BytesIO()
    assert write_parquet(file, rows.to_reader()) == rows.num_rows
    return file.getvalue()


@pytest.mark.parametrize("count", [0, 1, 1000, SMALL_GROUP_ROWS - 1])
def test_a_small_file_has_the_same_bytes_as_one_written_at_once(count: int) -> None:
    rows = pa.table(
        {"n": pa.array(range(count), pa.int32()), "text": [None if n % 3 else f"x{n}" for n in range(count)]}
    )
    assert stream_bytes(rows) == parquet_bytes(rows)


def test_a_large_file_has_row_groups_of_the_same_size() -> None:
    file = pq.ParquetFile(io.BytesIO(stream_bytes(pa.table({"n": range(2 * GROUP_ROWS + 1)}))))
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert sizes == [GROUP_ROWS, GROUP_ROWS, 1]
    assert file.read()["n"].to_pylist() == list(range(2 * GROUP_ROWS + 1))


def test_only_columns_whose_values_repeat_have_a_dictionary() -> None:
    count = 2 * SMALL_GROUP_ROWS
    kinds = pa.array(["card", "cash"] * SMALL_GROUP_ROWS).dictionary_encode()
    rows = pa.table(
        {
            "key": range(count),
            "shop": [f"shop {n % 500}" for n in range(count)],
            "nothing": pa.nulls(count),
            "kind": kinds,
        }
    )
    content = stream_bytes(rows)
    group = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    without_dictionary = [group.column(n).path_in_schema for n in range(4) if not group.column(n).has_dictionary_page]
    assert without_dictionary == ["key"]
    assert pq.read_table(io.BytesIO(content)).to_pylist() == rows.to_pylist()
    assert len(content) < 0.8 * len(parquet_bytes(rows))


def test_a_large_file_with_nested_values_is_written() -> None:
    rows = pa.table({"list": [[n, n] for n in range(SMALL_GROUP_ROWS)]})
    assert pq.read_table(io.BytesIO(stream_bytes(rows))) == rows


TEXTS = st.lists(st.none() | st.text("aé", max_size=6), max_size=30)


@given(TEXTS, st.lists(st.integers(0, 30)), st.integers(1, 8), st.integers(1, 12))
def test_groups_are_full_and_do_not_depend_on_the_batches(
    texts: list[str | None], cuts: list[int], group_rows: int, group_bytes: int
) -> None:
    rows = pa.table({"text": pa.array(texts, pa.string()), "n": pa.array(range(len(texts)))})
    ends = sorted({0, len(texts), *(cut for cut in cuts if cut < len(texts))})
    batches = [batch for i, end in enumerate(ends[1:]) for batch in rows.slice(ends[i], end - ends[i]).to_batches()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_files, "GROUP_ROWS", group_rows)
        patch.setattr(parquet_files, "GROUP_TEXT_BYTES", group_bytes)
        groups = list(row_groups(batches, rows.schema))
        assert groups == list(row_groups(rows.to_batches(), rows.schema))
    assert pa.concat_tables(groups).to_pylist() == rows.to_pylist()
    sizes = [[len((text or "").encode()) for text in group["text"].to_pylist()] for group in groups]
    for size, following in pairwise(sizes):
        assert len(size) == group_rows or sum(size) + following[0] > group_bytes
    assert all(len(size) <= group_rows and (len(size) == 1 or sum(size) <= group_bytes) for size in sizes if size)
    assert list(accumulate(map(len, sizes)))[-1] == len(texts)


@pytest.mark.parametrize(("length", "expected"), [(10, PAGE_ROWS), (100_000, 10), (2 * PAGE_BYTES, 1)])
def test_long_texts_are_added_to_pages_one_by_one(length: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 1024 texts of 130,000 characters was as large as its row group, and the writer copied it four times."""
    counts = []

    class RecordedWriter(pq.ParquetWriter):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            counts.append(options["write_batch_size"])
            super().__init__(*arguments, **options)

    monkeypatch.setattr(pq, "ParquetWriter", RecordedWriter)
    rows = pa.table({"text": [f"{n}".zfill(length) for n in range(4)]})
    assert pq.read_table(io.BytesIO(stream_bytes(rows))).equals(rows)
    assert counts == [expected]
