"""Reading of one landed extract: choose the format of the file, and read it chunk by chunk against the data contract.

Every value stays text, and no line is lost. A line that can't be read as a row is listed with the reason. A file that
can't be trusted as a whole is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from sixtyforty.ingest.decompression import decompress
from sixtyforty.ingest.extract import OpenedExtract, ParsedExtract, RefusedExtractError, empty_rows
from sixtyforty.ingest.formats.registry import choose_format
from sixtyforty.spec.sources import Source


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def read_extract(file: Path, source: Source) -> OpenedExtract:
    """Open a local extract in any registered format, with or without gzip, and return its chunks.

    Raises RefusedExtractError if the file can't be trusted as a whole. The iteration over the chunks may raise it, too.
    """
    return choose_format(decompress(file.read_bytes()), source.files).open(file, source)


def parse_extract(file: Path, source: Source) -> ParsedExtract:
    """Read all chunks of an extract into memory. A refused extract has its reason in `problem`."""
    import pyarrow as pa

    try:
        opened = read_extract(file, source)
        chunks = list(opened.chunks)
    except RefusedExtractError as error:
        return ParsedExtract(problem=str(error), lines=error.lines)
    table = pa.concat_tables([empty_rows(list(source.columns)), *(chunk.rows for chunk in chunks)]).combine_chunks()
    broken = [line for chunk in chunks for line in chunk.broken]
    return ParsedExtract(table, broken, lines=table.num_rows + len(broken), undeclared=opened.undeclared)
