"""Reading of one landed extract: decompress the file, choose its format, and parse it against the data contract.

Every value stays text, and no line is lost. A line that can't be read as a row is listed with the reason. A file that
can't be trusted as a whole is refused.
"""

from __future__ import annotations

import hashlib

from sixtyforty.ingest.decompression import DecompressionError, decompress
from sixtyforty.ingest.extract import ParsedExtract
from sixtyforty.ingest.formats.registry import choose_format
from sixtyforty.spec.sources import Source


def content_hash(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def read_extract(content: bytes, source: Source) -> ParsedExtract:
    """Parse the bytes of an extract in any registered format, with or without gzip.

    An unreadable file raises no error: `problem` of the returned ParsedExtract says why it is refused.
    """
    try:
        content = decompress(content)
    except DecompressionError as error:
        return ParsedExtract(problem=str(error), lines=1)
    return choose_format(content, source.files).parse(content, source)
