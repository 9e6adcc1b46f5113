"""Read one landed extract: choose the format of the file, and read it chunk by chunk against the data contract.

Every value stays text, and no line is lost. A line that can't be read as a row is listed with the reason. A file that
can't be trusted as a whole is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sixtyforty.ingest.decompression import GZIP_START, read_blocks, read_head
from sixtyforty.ingest.extract import (
    CHUNK_BYTES,
    Chunk,
    OpenedExtract,
    RefusedExtractError,
)
from sixtyforty.ingest.formats.base import ExtractFormat
from sixtyforty.ingest.formats.registry import HEAD_BYTES, choose_format, describe_formats
from sixtyforty.ingest.formats.text_blocks import SNIFFED_BYTES, UTF_8, detect_encoding
from sixtyforty.spec.file_endings import FORMAT_NAMES
from sixtyforty.spec.sources import Source

COUNTED_BYTES = 1 << 30  # the lines of a refused file are counted in its first bytes, up to this number
SMALL_FILE_BYTES = 1 << 22  # a run itself reads text files up to this size
OTHER_FILES = {  # the first bytes of files that people send by mistake
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"%PDF-": "a PDF document",
    b"BZh91AY&SY": "packed with bzip2",
    b"\xfd7zXZ\x00": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard",
}
MEMORY_PER_BYTE = 100  # memory to read a byte of a text file; measured: 85 for a JSON list of one-digit numbers


def is_bounded(file: Path, source: Source) -> bool:
    """Return whether a run may read a local extract itself, because this takes little memory.

    This holds for small text files: 4 MB need at most 400 MB, less than the smallest setting of SIXTYFORTY_MEMORY. The
    reader process reads all other files, because a few bytes of gzip or Parquet may hold gigabytes. Starting the reader
    process takes longer than reading many small files.
    """
    if file.stat().st_size > SMALL_FILE_BYTES:
        return False
    with file.open("rb", buffering=0) as stream:
        head = stream.read(SNIFFED_BYTES)
    return not head.startswith(GZIP_START) and choose_format(head, source.files, file.name).is_bounded


def read_extract(file: Path, source: Source) -> OpenedExtract:
    """Open a local extract in any registered format, with or without gzip, and return its chunks.

    Raises RefusedExtractError if the file can't be trusted as a whole. The iteration over the chunks may raise it, too.
    """
    with _lines_counted(file):
        head = read_head(file, HEAD_BYTES)
        _refuse_other_files(head)
        extract_format = choose_format(head, source.files, file.name)
        _require_written_forms(extract_format, source)
        opened = extract_format.open(file, source)
    opened.chunks = _read_chunks(opened.chunks, file)
    if not (source.encoding or extract_format.is_typed):
        encoding = detect_encoding(head)[0]
        opened.detected |= {} if encoding in UTF_8 else {"encoding": encoding}
    return opened


def _refuse_other_files(head: bytes) -> None:
    """Refuse a file of a well-known format that is no extract. head: the first bytes of the unpacked file."""
    kind = next((kind for start, kind in OTHER_FILES.items() if head.startswith(start)), None)
    if kind:
        formats = f"{describe_formats()}, with or without gzip"
        raise RefusedExtractError(f"the file is {kind}. Ask the sender for {formats}.")


def _require_written_forms(extract_format: ExtractFormat, source: Source) -> None:
    """Refuse a file that isn't CSV if the source declares how its CSV files write numbers or dates."""
    if extract_format.kind != "csv" and source.written_forms:
        forms = ", ".join(f"`{form}`" for form in source.written_forms)
        raise RefusedExtractError(
            f"the file is {FORMAT_NAMES[extract_format.kind]}, but the source declares {forms}, which only CSV has."
            " Declare another source for such files.",
            lines=1 if extract_format.is_typed else 0,  # a binary file has no lines to count
        )


def _read_chunks(chunks: Iterator[Chunk], file: Path) -> Iterator[Chunk]:
    while True:
        with _lines_counted(file):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


@contextmanager
def _lines_counted(file: Path) -> Iterator[None]:
    """Add the number of lines of the file to any RefusedExtractError that the `with` block raises."""
    try:
        yield
    except RefusedExtractError as error:
        if not error.lines:
            error.lines = count_lines(file)
        raise


def count_lines_of_format(file: Path, source: Source) -> int:
    """Return the number of lines of an extract without its header, but at least 1; 1 if its format has no lines."""
    try:
        has_lines = choose_format(read_head(file, HEAD_BYTES), source.files, file.name).is_bounded
    except RefusedExtractError:  # a gzip file is damaged, but its start may be readable
        has_lines = True
    return count_lines(file) if has_lines else 1


def count_lines(file: Path) -> int:
    """Return the number of lines of a text file without its header, but at least 1.

    In a big or damaged file, only the lines at its start are counted.
    """
    line_ends, size, last = 0, 0, b""
    with suppress(RefusedExtractError):  # a file that can't be unpacked is refused already
        for block in read_blocks(file, CHUNK_BYTES):
            line_ends += block.count(b"\n") or block.count(b"\r")
            size, last = size + len(block), block[-1:]
            if size > COUNTED_BYTES:
                break
    return max(1, line_ends - 1 + (last not in b"\r\n"))
