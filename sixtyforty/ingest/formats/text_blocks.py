"""Read a text file as blocks of UTF-8, whichever encoding the file has.

The byte order mark of a file names its encoding. Without a mark, it is the declared encoding of the source. If none is
declared, it is UTF-16 if every second byte at the start of the file is zero, and otherwise UTF-8.

Bytes that are invalid in the encoding of the file stay invalid in the blocks, so that the formats can name their lines.
The same holds for single zero bytes. A long run of them is no text.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from sixtyforty.ingest.decompression import read_blocks
from sixtyforty.ingest.extract import CHUNK_BYTES, OTHER_TEXT, RefusedExtractError

BYTE_ORDER_MARKS = (  # UTF-32 comes first, because its mark starts with the mark of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
UTF_8 = ("utf-8", "utf-8-sig")
SNIFFED_BYTES = 1 << 12
HOLE = bytes(1 << 12)  # so many zero bytes in a row are binary content, or a part of the file that was never written
NOT_TEXT = "the file is not a text file: byte {} is zero. Ask the sender for a text file."
MOSTLY, HARDLY = 0.7, 0.1  # a text is read as UTF-16 if these shares of every second byte and of other bytes are zero


def read_text_blocks(
    file: Path, declared: str | None = None, size: int = CHUNK_BYTES, *, detected: dict[str, str] | None = None
) -> Iterator[bytes]:
    """Yield the content of a text file as UTF-8 without a byte order mark, in blocks of about `size` bytes.

    The file may be packed with gzip. declared: the encoding of the source; None if it declares none. At the end,
    OTHER_TEXT is added to `detected` if the file looks like UTF-8 and is read in another declared encoding. Raises
    RefusedExtractError if the file isn't a text file, can't be unpacked, or is cut off within a character.
    """
    blocks = read_blocks(file, size)
    first = next(blocks, b"")
    encoding, mark = detect_encoding(first, declared)
    texts = _chain(first[len(mark) :], blocks)
    if encoding not in UTF_8:
        watched = texts if mark or detected is None else _watch_for_utf_8(texts, detected)
        texts = _transcode(watched, encoding)
    position, zeros = 0, 0
    for block in texts:
        hole = (b"\0" * zeros + block).find(HOLE)
        if hole >= 0:
            raise RefusedExtractError(NOT_TEXT.format(position - zeros + hole))
        position += len(block)
        zeros = min(len(HOLE) - 1, len(block) - len(block.rstrip(b"\0")) + (zeros if not block.strip(b"\0") else 0))
        yield block


def detect_encoding(head: bytes, declared: str | None = None) -> tuple[str, bytes]:
    """Return the encoding of a file, and the byte order mark at its start; the mark is empty if the file has none.

    head: the first bytes of the file. declared: the encoding that its source declares.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding, mark
    if declared:
        return codecs.lookup(declared).name, b""
    start = head[:SNIFFED_BYTES]
    zeros = [start[offset::2].count(0) / max(1, len(start[offset::2])) for offset in (0, 1)]
    if zeros[1] > MOSTLY and zeros[0] < HARDLY:
        return "utf-16-le", b""
    if zeros[0] > MOSTLY and zeros[1] < HARDLY:
        return "utf-16-be", b""
    return "utf-8", b""


def decode_head(head: bytes) -> bytes:
    """Return the first bytes of a file as UTF-8 without a byte order mark."""
    encoding, mark = detect_encoding(head)
    content = head.removeprefix(mark)
    return content if encoding in UTF_8 else content.decode(encoding, "replace").encode()


def _chain(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


def _watch_for_utf_8(blocks: Iterator[bytes], detected: dict[str, str]) -> Iterator[bytes]:
    """Yield blocks of bytes, and add OTHER_TEXT to `detected` if they are valid UTF-8 with a letter beyond ASCII.

    A text of another encoding is hardly ever valid UTF-8 by chance.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_valid, is_ascii = True, True
    for block in chain(blocks, [b""]):
        if is_valid:
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                is_valid = False
        is_ascii = is_ascii and block.isascii()
        if block:
            yield block
    if is_valid and not is_ascii:
        detected[OTHER_TEXT] = "utf-8"


def _transcode(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    try:
        for block in blocks:
            yield _encode(decoder.decode(block))
        yield _encode(decoder.decode(b"", final=True))
    except UnicodeError as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error
        raise RefusedExtractError(
            f"the file is not readable as {encoding}: {reason}. Ask the sender to send the file again, or declare"
            " the `encoding` of the source."
        ) from None


def _encode(text: str) -> bytes:
    """Encode text as UTF-8. A byte of the file that couldn't be decoded becomes bytes that are not valid UTF-8."""
    return text.encode("utf-8", "surrogatepass")
