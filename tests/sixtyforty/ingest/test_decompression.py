"""Gzip is unpacked block by block, or the file is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sixtyforty.ingest import decompression
from sixtyforty.ingest.decompression import copy_unpacked, read_blocks, read_head
from sixtyforty.ingest.extract import RefusedExtractError
from tests.sixtyforty.ingest.formats.samples import (
    SAMPLE_ROWS,
    WRITERS,
    parse_content,
    typed_rows,
    write_csv,
)


@settings(max_examples=25)
@given(share=st.floats(0, 0.999), extension=st.sampled_from(["json", "parquet", "csv"]))
def test_a_truncated_file_is_refused(share: float, extension: str) -> None:
    data = gzip.compress(WRITERS[extension](SAMPLE_ROWS[:20]))
    parsed = parse_content(data[: int(len(data) * share)])
    assert parsed.table is None
    assert parsed.problem
    assert parsed.lines >= 1


def test_bytes_after_the_end_are_refused_and_zeros_are_padding() -> None:
    data = gzip.compress(write_csv(SAMPLE_ROWS[:2]))
    assert typed_rows(parse_content(data + b"\0" * 100))
    assert "other data follows the end of the gzip data" in str(parse_content(data + b"12345").problem)


@settings(max_examples=25)
@given(at=st.floats(0, 0.999), byte=st.integers(0, 255), extension=st.sampled_from(["json", "parquet", "csv"]))
def test_a_file_with_a_wrong_byte_is_read_or_refused(at: float, byte: int, extension: str) -> None:
    data = bytearray(gzip.compress(WRITERS[extension](SAMPLE_ROWS[:20])))
    data[int(at * len(data))] = byte
    parsed = parse_content(bytes(data))
    assert (parsed.problem is None) == (parsed.table is not None)


@given(st.binary(max_size=100), st.binary(max_size=100), st.integers(1, 9))
def test_members_are_read_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, a: bytes, b: bytes, n: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.gz"
    file.write_bytes(gzip.compress(a) + gzip.compress(b))
    assert b"".join(read_blocks(file, n)) == a + b
    assert read_head(file, n) == (a + b)[:n]
    with copy_unpacked(file, n) as copy:
        assert Path(copy.name).read_bytes() == a + b
    assert not Path(copy.name).exists()


def test_a_file_that_unpacks_to_far_too_much_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "SMALLEST_LIMIT", 1 << 20)
    file = tmp_path / "any.gz"
    file.write_bytes(gzip.compress(bytes(10 << 20)))
    with pytest.raises(RefusedExtractError, match=r"unpacks to more than 1 MB\. Ask"):
        copy_unpacked(file, 1 << 16)
