"""Records are cut as Python's csv module cuts them, however the text arrives, and no line is lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sixtyforty.ingest.extract import MAX_RECORD_BYTES
from sixtyforty.ingest.formats import csv_records
from sixtyforty.ingest.formats.csv_records import list_records, split_records

Lines = list[tuple[int, str]]


def split(text: bytes, sizes: Sequence[int] = (), delimiter: bytes = b",") -> tuple[Lines, Lines]:
    """The sound records and the broken lines of a text that arrives in blocks, each with its number."""
    records, broken = [], []
    for batch in split_records(cut(text, sizes), delimiter, 1):
        assert len(batch.numbers) + len(batch.broken) <= csv_records.CHUNK_ROWS
        assert len(batch.numbers) or batch.broken
        contents = list_records(batch, delimiter)
        records += [(int(n), record.decode()) for n, record in zip(batch.numbers, contents, strict=True)]
        broken += [(line.number, line.text) for line in batch.broken]
    return records, broken


def cut(text: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    for size in sizes:
        yield text[:size]
        text = text[size:]
    yield text


TEXTS = st.text('ab,"\n\r', max_size=40).map(str.encode)
SIZES = st.lists(st.integers(0, 9), max_size=12)


@given(TEXTS, SIZES)
@example(b'a,"\n"\n', [4])
@example(b"a\r\nb", [2])
def test_blocks_change_nothing(text: bytes, sizes: list[int]) -> None:
    assert split(text, sizes) == split(text)


@given(TEXTS)
def test_every_line_is_in_one_record_or_broken(text: bytes) -> None:
    records, broken = split(text)
    lines = {number: line.decode() for number, line in enumerate(text.splitlines(), 1) if line}
    numbers = [n for n, record in records for n in range(n, n + len(record.encode().splitlines()))]
    assert sorted({*numbers, *(n for n, _ in broken)} & lines.keys()) == sorted(lines)
    assert len(numbers) == len(set(numbers))
    assert not set(numbers) & {n for n, _ in broken}
    assert all(lines[n] == line for n, line in broken)


@given(TEXTS)
def test_the_records_are_those_of_the_csv_module(text: bytes) -> None:
    records, broken = split(text)
    reader = csv.reader(io.StringIO(text.decode(), newline=""))
    starts, line = {}, 1
    for row in reader:
        starts[line] = row
        line = reader.line_num + 1
    for number, record in records:
        (row,) = csv.reader(io.StringIO(record, newline=""), strict=True)
        assert starts[number] == row
    broken_numbers = {n for n, _ in broken}
    assert {n for n, row in starts.items() if row} == {n for n, _ in records} | (broken_numbers & starts.keys())


@given(TEXTS, SIZES)
def test_a_long_record_is_broken_and_the_next_one_is_not(text: bytes, sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "MAX_RECORD_BYTES", 6)
        records, broken = split(text, sizes)
    assert {n for n, _ in records} <= {n for n, _ in split(text)[0]}
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line]
    inner = {n for n, record in records for n in range(n, n + len(record.encode().splitlines()))}
    assert sorted((inner | {n for n, _ in broken}) & set(lines)) == lines


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_batch_has_a_largest_number_of_records(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    text = b'1,a\n2,b\n\n3,"c\nd"\n4,e"\n5,"f"g\n6,"h'
    complete = split(text)
    monkeypatch.setattr(csv_records, "CHUNK_ROWS", rows)
    assert split(text) == complete
    assert [n for n, _ in complete[0]] == [1, 2, 4, 6]
    assert [n for n, _ in complete[1]] == [7, 8]


def test_a_line_of_quotes_is_cut_in_linear_time() -> None:
    text = b"a,b\n" + b'"' * (40 << 20) + b"\n1,2\n"
    blocks = (text[start : start + (1 << 23)] for start in range(0, len(text), 1 << 23))
    batches = list(split_records(blocks, b",", 1))
    assert [n for batch in batches for n in batch.numbers] == [1, 3]
    assert [line.number for batch in batches for line in batch.broken] == [2]


@pytest.mark.parametrize("block_size", [1 << 20, 5 << 20, 1 << 23, (1 << 23) + 7])
@pytest.mark.parametrize(("length", "is_broken"), [(MAX_RECORD_BYTES - 9, False), (MAX_RECORD_BYTES + 99, True)])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_the_length_of_a_record_decides_and_not_the_size_of_the_blocks(
    length: int, is_broken: bool, block_size: int, quote: bytes
) -> None:
    text = b"1,a\n2," + quote + b"x" * length + quote + b"\n3,c\n"
    blocks = (text[start : start + block_size] for start in range(0, len(text), block_size))
    batches = list(split_records(blocks, b",", 1))
    numbers = [number for batch in batches for number in batch.numbers]
    broken = [line.number for batch in batches for line in batch.broken]
    assert (numbers, broken) == (([1, 3], [2]) if is_broken else ([1, 2, 3], []))
