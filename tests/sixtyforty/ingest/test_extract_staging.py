"""Chunks of extracts wait for one query, but only as many of them as fit the budget of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sixtyforty.ingest import extract_staging
from sixtyforty.ingest.extract import BrokenLine, Chunk, OpenedExtract, RefusedExtractError, empty_rows
from sixtyforty.ingest.extract_staging import ExtractStaging
from sixtyforty.ingest.listing_memory import ListedFile
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import Lake
from tests.helpers import CALLS


def test_the_texts_of_broken_lines_count(
    tiny_use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = Chunk(empty_rows(list(CALLS["columns"])), [BrokenLine(number, "broken", "x" * 1000) for number in range(9)])
    monkeypatch.setattr(extract_staging, "read_extract", lambda *_: OpenedExtract([], iter([chunk] * 3)))
    monkeypatch.setattr(extract_staging, "is_bounded", lambda *_: True)
    monkeypatch.setattr(extract_staging, "BYTES_PER_BATCH", 15_000)
    batches: list[int] = []
    monkeypatch.setattr(extract_staging, "add_chunks", lambda chunks, *_: batches.append(len(chunks)))
    staging = ExtractStaging(tiny_use_case, "calls", Lake(tmp_path), None)
    staging.read(tmp_path / "x.csv", ListedFile("x.csv", 0, 0), "hash", "")
    assert batches == [2]
    staging.flush()
    assert batches == [2, 1]


def test_an_error_of_the_thread_belongs_to_the_extract_whose_lines_it_assigned(
    tiny_use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = Chunk(empty_rows(list(CALLS["columns"])), [BrokenLine(1, "broken", "x")])
    monkeypatch.setattr(extract_staging, "read_extract", lambda *_: OpenedExtract([], iter([chunk])))
    monkeypatch.setattr(extract_staging, "is_bounded", lambda *_: True)
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 1)
    failures: list[Exception] = [OSError("the disk is slow")]
    assigned: list[int] = []

    def add(chunks: list[object], *_: object) -> None:
        if failures:
            raise failures.pop()
        assigned.append(len(chunks))

    monkeypatch.setattr(extract_staging, "add_chunks", add)
    staging = ExtractStaging(tiny_use_case, "calls", Lake(tmp_path), None)
    with pytest.raises(OSError, match="the disk is slow"):
        staging.read(tmp_path / "x.csv", ListedFile("x.csv", 0, 0), "hash", "")
    staging.read(tmp_path / "y.csv", ListedFile("y.csv", 0, 0), "hash", "")
    staging.flush()
    assert assigned == [1]


def test_no_line_of_a_refused_extract_stays_if_the_thread_fails(
    tiny_use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chunks() -> Iterator[Chunk]:
        for line_count in (2, 1):
            lines = [BrokenLine(number, "broken", "x") for number in range(line_count)]
            yield Chunk(empty_rows(list(CALLS["columns"])), lines)
        raise RefusedExtractError("the file is cut off")

    monkeypatch.setattr(extract_staging, "read_extract", lambda *_: OpenedExtract([], chunks()))
    monkeypatch.setattr(extract_staging, "is_bounded", lambda *_: True)
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 2)
    assigned: list[int] = []

    def add(chunks: list[object], *_: object) -> None:
        assigned.append(len(chunks))
        if len(assigned) == 1:
            raise OSError("the disk is slow")

    monkeypatch.setattr(extract_staging, "add_chunks", add)
    staging = ExtractStaging(tiny_use_case, "calls", Lake(tmp_path), None)
    with pytest.raises(OSError, match="the disk is slow"):
        staging.read(tmp_path / "x.csv", ListedFile("x.csv", 0, 0), "hash", "")
    staging.flush()
    assert assigned == [1]


def test_lines_of_another_extract_in_a_failed_batch_are_not_lost_silently(
    tiny_use_case: UseCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = Chunk(empty_rows(list(CALLS["columns"])), [BrokenLine(1, "broken", "x")])
    monkeypatch.setattr(extract_staging, "read_extract", lambda *_: OpenedExtract([], iter([chunk])))
    monkeypatch.setattr(extract_staging, "is_bounded", lambda *_: True)
    monkeypatch.setattr(extract_staging, "ROWS_PER_BATCH", 2)
    failures = [MemoryError("malloc failed")]

    def add(*_: object) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(extract_staging, "add_chunks", add)
    staging = ExtractStaging(tiny_use_case, "calls", Lake(tmp_path), None)
    staging.read(tmp_path / "x.csv", ListedFile("x.csv", 0, 0), "hash", "")
    with pytest.raises(MemoryError):
        staging.read(tmp_path / "y.csv", ListedFile("y.csv", 0, 0), "hash", "")
    with pytest.raises(MemoryError):
        staging.flush()
