"""Gzip is unpacked whole or refused."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import extract
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import (
    SAMPLE_ROWS,
    SOURCE,
    WRITERS,
    parse_content,
    typed_rows,
    write_csv,
)


@settings(max_examples=25)
@given(share=st.floats(0, 0.999), extension=st.sampled_from(["json", "parquet", "csv"]))
def test_a_truncated_file_is_refused(share: float, extension: str) -> None:
    data = gzip.compress(WRITERS[extension](SAMPLE_ROWS[:20]))
    parsed = parse_content(data[: int(len(data) * share)], SOURCE)
    assert parsed.table is None
    assert parsed.problem
    assert parsed.lines >= 1


def test_bytes_after_the_end_are_refused_and_zeros_are_padding() -> None:
    data = gzip.compress(write_csv(SAMPLE_ROWS[:2]))
    assert typed_rows(parse_content(data + b"\0" * 100, SOURCE))
    assert "5 bytes of other data after the end" in str(parse_content(data + b"12345", SOURCE).problem)


def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "MAX_UNPACKED_BYTES", 1 << 20)
    assert "Ask the sender to split it" in str(parse_content(gzip.compress(b"a" * (1 << 20) + b"b"), SOURCE).problem)
    source = Source(description="x", files="x", columns={"x": "VARCHAR"}, key=["x"])
    for values_ in (pa.nulls(200_000, pa.string()), pa.array(["long" * 1000] * 1000)):  # next to nothing on disk
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"x": values_}), sink)
        assert sink.tell() < 20_000
        assert "Ask the sender to split it" in str(parse_content(sink.getvalue().to_pybytes(), source).problem)
