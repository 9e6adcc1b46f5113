"""The reader process: it reads extracts for a run, and its memory has a hard limit.

`reader_process` starts it with two arguments: the descriptor of a socket, and the memory limit in bytes. For each
request, the reader process sends the chunks of an extract, then an `ExtractEnd`. The reader process ends when the run
ends, after a minute without a request, or when an extract needs more memory than the limit.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest.extract import BrokenLine, RefusedExtractError
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.spec.sources import Source

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pyarrow as pa

OUT_OF_MEMORY = 3  # exit code if an extract needs more memory than the limit
IDLE_SECONDS = 60  # a reader process without requests ends, because the process of the sensors runs for weeks


@dataclass(frozen=True)
class ReadRequest:
    """A request to read one extract. scratch: the folder for temporary files."""

    file: Path
    source: Source
    scratch: Path


@dataclass(frozen=True)
class ChunkStart:
    """The message about a chunk: its broken lines, and the number of bytes of the Arrow stream that follows.

    The stream isn't a message of its own, because Python would copy it several times.
    """

    broken: list[BrokenLine]
    size: int


@dataclass(frozen=True)
class ExtractEnd:
    """The last message about an extract, after all chunks: how it differs from the contract, or why it is unreadable.

    undeclared, absent, detected: see OpenedExtract. error: why the extract could not be read to its end; None if it
    was. lines: see RefusedExtractError.
    """

    undeclared: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    detected: dict[str, str] = field(default_factory=dict)
    error: RefusedExtractError | OSError | None = None
    lines: int = 0


def serve(connection: Connection) -> None:
    """Read each extract that the run requests, until the run ends or requests none for a minute.

    Raises MemoryError if an extract needs more memory than this process has, and ConnectionError if the run has ended.
    """
    while connection.poll(IDLE_SECONDS):
        try:
            request = connection.recv()
        except EOFError:
            return
        tempfile.tempdir = str(request.scratch)
        connection.send(_send_chunks(connection, request))


def _send_chunks(connection: Connection, request: ReadRequest) -> ExtractEnd:
    try:
        opened = read_extract(request.file, request.source)
        for chunk in opened.chunks:
            rows = _encode_rows(chunk.rows)
            connection.send(ChunkStart(chunk.broken, rows.size))
            _send_bytes(connection.fileno(), rows)
    except RefusedExtractError as error:
        return ExtractEnd(error=error, lines=error.lines)
    except ConnectionError:
        raise
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(str(error)) from None
        return ExtractEnd(error=error)
    return ExtractEnd(opened.undeclared, opened.absent, opened.detected)


def _send_bytes(descriptor: int, content: pa.Buffer) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def _encode_rows(rows: pa.Table) -> pa.Buffer:
    import pyarrow as pa

    size = pa.MockOutputStream()  # a buffer that grows would copy the rows again and again
    _write_rows(size, rows)
    buffer = pa.allocate_buffer(size.size())
    _write_rows(pa.FixedSizeBufferWriter(buffer), rows)
    return buffer


def _write_rows(sink: pa.NativeFile, rows: pa.Table) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)


def _limit_memory(limit: int) -> None:
    """Limit the writable memory of this process. Mapped libraries and reserved addresses don't count."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


class _WithoutPandas(MetaPathFinder):
    """Hides pandas, which Arrow would import. That import takes as long as all other imports together."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for pandas. Other modules are left to the other finders."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is hidden from the reader process, because importing it takes too long")


def main() -> int:
    """Read extracts for one run, and return the exit code of this process."""
    from multiprocessing.connection import Connection

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the reader process, too, but the run ends it
    descriptor, limit = map(int, sys.argv[1:])
    _limit_memory(limit)
    sys.meta_path.insert(0, _WithoutPandas())
    try:
        with Connection(descriptor) as connection:
            serve(connection)
    except MemoryError:
        return OUT_OF_MEMORY
    except ConnectionError:
        return 0  # the run has ended
    return 0
