"""Read files with or without gzip, block by block. A gzip file is recognized by its first bytes."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from sixtyforty.ingest.extract import RefusedExtractError
from sixtyforty.storage.scratch import current_scratch_folder

GZIP_START = b"\x1f\x8b"
SEND_AGAIN = " Ask the sender to send the file again."
LARGEST_RATIO = 50  # an unpacked copy on disk may have at most this many times the size of the gzip file
SMALLEST_LIMIT = 1 << 30  # an unpacked copy of at most this many bytes is always written


def read_blocks(file: Path, size: int) -> Iterator[bytes]:
    """Yield the content of a file in blocks of `size` bytes, unpacked if the file is packed with gzip.

    A gzip file may consist of several members, and zeros may follow the last one. Raises RefusedExtractError if it is
    damaged, incomplete or followed by other data.
    """
    with _open(file) as stream:
        while block := _read(stream, size):
            yield block


def read_head(file: Path, size: int) -> bytes:
    """Return the first `size` bytes of a file, or of its unpacked content if it is gzip. Raises RefusedExtractError."""
    return next(read_blocks(file, size), b"")


def copy_unpacked(file: Path, block_size: int) -> IO[bytes]:
    """Unpack a gzip file into a temporary file in the scratch folder, and return the open temporary file.

    Closing the temporary file deletes it. Raises RefusedExtractError if the gzip file can't be unpacked, or if it
    unpacks to far more bytes than is usual.
    """
    limit = max(SMALLEST_LIMIT, LARGEST_RATIO * file.stat().st_size)
    copy = tempfile.NamedTemporaryFile(dir=current_scratch_folder())  # noqa: SIM115  the caller closes it
    try:
        for block in read_blocks(file, block_size):
            copy.write(block)
            if copy.tell() > limit:
                raise RefusedExtractError(
                    f"the file unpacks to more than {limit >> 20:,} MB. Ask the sender to send it without gzip."
                )
        copy.flush()
    except BaseException:
        copy.close()
        raise
    return copy


def is_packed(file: Path) -> bool:
    """Return whether a file is packed with gzip."""
    with file.open("rb") as stream:
        return stream.read(len(GZIP_START)) == GZIP_START


def _open(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file)) if is_packed(file) else file.open("rb")


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except EOFError:
        raise RefusedExtractError(f"the gzip data of the file is cut off.{SEND_AGAIN}") from None
    except gzip.BadGzipFile as error:
        if "Not a gzipped file" in str(error):  # one gzip member has ended, and no other member follows
            raise RefusedExtractError(f"other data follows the end of the gzip data.{SEND_AGAIN}") from None
        raise RefusedExtractError(f"the file is not readable as gzip: {error}.{SEND_AGAIN}") from None
    except zlib.error as error:
        raise RefusedExtractError(f"the file is not readable as gzip: {error}.{SEND_AGAIN}") from None
