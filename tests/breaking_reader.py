"""A reader process that ends at some extracts. Tests start it in place of the real one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sixtyforty.ingest import extract_staging, reader_process, reader_worker
from sixtyforty.ingest.extract import Chunk, OpenedExtract
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.spec.sources import Source

ENDS = ("needs_memory", "is_killed", "crashes", "is_killed_once")
MEMORY_NEEDED = 1 << 31


def _read(file: Path, source: Source) -> OpenedExtract:
    """Read an extract. After its first chunk, this process ends as the name of the file says."""
    opened = read_extract(file, source)
    return OpenedExtract(opened.undeclared, _end_after_a_chunk(opened.chunks, file))


def _end_after_a_chunk(chunks: Iterator[Chunk], file: Path) -> Iterator[Chunk]:
    yield next(chunks)
    end = next((end for end in ENDS if file.name.endswith(f"_{end}.csv")), "")
    if end == "needs_memory":
        bytearray(MEMORY_NEEDED)
    elif end == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif end == "is_killed" or (end and not file.with_suffix(".read").exists()):
        file.with_suffix(".read").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield from chunks


def main() -> int:
    """Read extracts for one run, and return the exit code of this process."""
    reader_worker.read_extract = _read
    return reader_worker.main()


def use_breaking_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read every extract in this reader process, with the smallest setting of SIXTYFORTY_MEMORY."""
    reader_process.stop_reader()
    monkeypatch.setenv("SIXTYFORTY_MEMORY", "512MB")
    monkeypatch.setattr(reader_process, "WORKER", __name__)
    monkeypatch.setattr(extract_staging, "is_bounded", lambda file, source: False)
