"""The file format CSV: a header, then one record per row, as Excel and other programs write it.

`csv_header` finds the delimiter, `csv_records` cuts the text into records, and `csv_rows` turns records into rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from sixtyforty.ingest.extract import END_MARK, NAMELESS, Chunk, OpenedExtract
from sixtyforty.ingest.formats.base import ExtractFormat
from sixtyforty.ingest.formats.csv_header import USUAL_DELIMITER, Header, read_header
from sixtyforty.ingest.formats.csv_records import LINE_ENDS, split_records
from sixtyforty.ingest.formats.csv_rows import RecordReader
from sixtyforty.ingest.formats.text_blocks import read_text_blocks
from sixtyforty.spec.file_endings import ENDINGS
from sixtyforty.spec.sources import Source

CTRL_Z = b"\x1a"
LONGEST_END_MARK = 1 << 12  # old programs fill the last sector of a file with Ctrl-Z


class CsvLines(ExtractFormat):
    """The format CSV. `_row` is the number of the line in the file in which the record starts; the header is line 1."""

    kind = "csv"
    title = "CSV"
    endings = ENDINGS["csv"]

    def recognizes(self, head: bytes) -> bool:
        """Return False. Any text could be CSV, so CSV is used only if no other format recognizes a file."""
        return False

    def open(self, file: Path, source: Source) -> OpenedExtract:
        """Open a CSV extract. See ExtractFormat.

        All lines of a record are broken if one of these applies:

        - Its number of fields differs from the header's.
        - A quote is out of place, or is never closed.
        - It has a value in a column without a name, after all named columns.
        - It isn't text in the declared encoding. If none is declared, a file that isn't UTF-8 is refused.

        A last character Ctrl-Z ends the file, as in DOS, and is not a row.
        """
        detected: dict[str, str] = {}
        blocks = _drop_end_mark(read_text_blocks(file, source.encoding, detected=detected), detected)
        header = read_header(blocks, source)
        if header.delimiter not in (source.delimiter, USUAL_DELIMITER):
            detected["delimiter"] = header.delimiter
        if header.left_out:
            detected[NAMELESS] = ", ".join(map(str, header.left_out))
        chunks = _read_chunks(header, blocks, source)
        return OpenedExtract(header.matched.undeclared, chunks, header.matched.absent, detected)


def _drop_end_mark(blocks: Iterator[bytes], detected: dict[str, str]) -> Iterator[bytes]:
    """Yield blocks of text without Ctrl-Z at the end of the text, and add END_MARK to `detected` if there was one.

    Ctrl-Z may be repeated, and line ends may follow it. Within the text, it is an ordinary character.
    """
    end = b""  # the end of the text read so far, from a Ctrl-Z after which only line ends and Ctrl-Z follow
    for block in blocks:
        text = end + block
        content = text.rstrip(CTRL_Z + LINE_ENDS)
        start = text.find(CTRL_Z, len(content))
        end = text[start:] if start >= 0 and len(text) - start <= LONGEST_END_MARK else b""
        if len(end) < len(text):
            yield text[: len(text) - len(end)]
    if end:
        detected[END_MARK] = CTRL_Z.decode()


def _read_chunks(header: Header, blocks: Iterator[bytes], source: Source) -> Iterator[Chunk]:
    reader = RecordReader(header, source)
    for batch in split_records(chain([header.rest], blocks), header.delimiter.encode(), header.line):
        yield reader.read(batch)
