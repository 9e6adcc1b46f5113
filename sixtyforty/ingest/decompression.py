"""Decompression of gzip files. A gzip file is recognized by its first bytes. Decompression stops at a size limit."""

from __future__ import annotations

import zlib

from sixtyforty.ingest import extract
from sixtyforty.ingest.extract import RefusedExtractError
from sixtyforty.spec.wording import format_plural

GZIP_START = b"\x1f\x8b"
GZIP_WINDOW_BITS = 31  # tells zlib to expect a gzip header


def decompress(content: bytes) -> bytes:
    """Return the decompressed content of a gzip file. Bytes that are not gzip are returned unchanged.

    A gzip file may consist of several members. Raises RefusedExtractError if the file is damaged, incomplete or too
    large.
    """
    if not content.startswith(GZIP_START):
        return content
    parts, room = [], extract.MAX_UNPACKED_BYTES
    while content.strip(b"\0"):  # some senders pad the file with zeros
        part, content = _decompress_member(content, room)
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _decompress_member(content: bytes, room: int) -> tuple[bytes, bytes]:
    """Decompress the first gzip member, and return its content and the bytes that follow the member.

    room: the largest number of bytes to which the member may decompress.
    """
    if not content.startswith(GZIP_START):
        raise RefusedExtractError(
            f"the file has {format_plural(len(content), 'byte')} of other data after the end of the gzip data."
            " Ask the sender to send the file again."
        )
    stream = zlib.decompressobj(wbits=GZIP_WINDOW_BITS)
    try:
        part = stream.decompress(content, room + 1)
    except zlib.error as error:
        raise RefusedExtractError(
            f"the file is not readable as gzip: {error}. Ask the sender to send the file again."
        ) from None
    if len(part) > room:
        raise RefusedExtractError(extract.TOO_LARGE)
    if not stream.eof:
        raise RefusedExtractError("the gzip data of the file is cut off. Ask the sender to send the file again.")
    return part, stream.unused_data
