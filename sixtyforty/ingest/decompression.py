"""Extracts that come packed: gzip, known by its first bytes and unpacked no further than memory allows."""

from __future__ import annotations

import zlib

from sixtyforty.ingest import extract

MAGIC = b"\x1f\x8b"


class Packed(ValueError):
    """What is packed can't be trusted: why, in words."""


def unpacked(data: bytes) -> bytes:
    """The content of a gzip file of one or several members; other bytes as they are. Raises Packed."""
    if not data.startswith(MAGIC):
        return data
    parts, room = [], extract.LARGEST
    while data.strip(b"\0"):  # some pad with zeros
        if not data.startswith(MAGIC):
            raise Packed(f"{len(data)} bytes after the end of what is packed: it was not written whole")
        stream = zlib.decompressobj(wbits=31)
        try:
            parts.append(stream.decompress(data, room + 1))
        except zlib.error as error:
            raise Packed(f"not readable as gzip: {error}") from None
        room -= len(parts[-1])
        if room < 0:
            raise Packed(extract.TOO_LARGE)
        if not stream.eof:
            raise Packed("cut off: what is packed has no end; have the sender send it again")
        data = stream.unused_data
    return b"".join(parts)
