"""Read extracts in a separate process, the reader process, so that no extract can use up the run's memory or crash it.

The first extract that needs the reader process starts it, and it reads all further extracts of the run. Its memory is
limited to SIXTYFORTY_MEMORY plus 500 MB. `extract_reader.is_bounded` decides which extracts need it.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sixtyforty.ingest import reader_worker
from sixtyforty.ingest.extract import Chunk, OpenedExtract, RefusedExtractError
from sixtyforty.ingest.reader_worker import OUT_OF_MEMORY, ChunkStart, ReadRequest
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.sources import Source
from sixtyforty.storage.memory import VARIABLE, memory_limit

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    import pyarrow as pa

WORKER = reader_worker.__name__  # the module that the reader process runs
ROOT = Path(__file__).parents[2]
LIBRARY_BYTES = 500 * 10**6  # bytes that the reader process may use in addition to SIXTYFORTY_MEMORY
END_SECONDS = 30  # the longest time to wait for the end of a reader process that has lost its connection
# Arrow's own allocator reserves 1 GB at once, and each thread of a library takes memory. The reader process needs
# neither.
ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class BrokenReaderError(SixtyfortyError):
    """The reader process ended while it read an extract. The message says why, and what to do."""


@contextmanager
def open_in_reader(file: Path, source: Source, scratch: Path) -> Iterator[OpenedExtract]:
    """Open a local extract in the reader process. Its chunks must be read within the `with` block.

    scratch: the folder for the temporary files of the reader process. The fields `undeclared`, `absent` and `detected`
    of the opened extract are complete after the last chunk. The iteration over the chunks raises RefusedExtractError
    and OSError like `read_extract`, and BrokenReaderError if the reader process ends. Only one thread at a time can
    use the reader process; other threads wait.
    """
    opened = OpenedExtract([], iter(()))
    with _lock:
        reader = _running_reader()
        opened.chunks = reader.read(ReadRequest(file, source, scratch), opened)
        try:
            yield opened
        finally:
            if reader.is_busy:  # the rest of the extract is not needed
                stop_reader()


def memory_of_reader() -> int:
    """Return how much memory the reader process may use, in bytes."""
    return memory_limit() + LIBRARY_BYTES


class _Reader:
    """A running reader process. is_busy: whether it has started to read an extract and has not completed it."""

    def __init__(self, limit: int) -> None:
        from multiprocessing.connection import Connection

        own, other = socket.socketpair()
        with other:
            start = f"import sys; from {WORKER} import main; sys.exit(main())"
            command = [sys.executable, "-P", "-c", start, str(other.fileno()), str(limit)]
            paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | ENVIRONMENT | {"PYTHONPATH": paths},
                pass_fds=[other.fileno()],
            )
        self._connection: Connection = Connection(own.detach())
        self.limit, self.is_busy = limit, False

    def read(self, request: ReadRequest, opened: OpenedExtract) -> Iterator[Chunk]:
        """Yield the chunks of an extract. Then store in `opened` how the extract differs from its data contract."""
        self.is_busy = True
        try:
            self._connection.send(request)
            while isinstance(message := self._connection.recv(), ChunkStart):
                yield Chunk(_decode_rows(self._receive_bytes(message.size)), message.broken)
        except (EOFError, ConnectionError):
            raise BrokenReaderError(self._describe_end()) from None
        self.is_busy = False
        if isinstance(message.error, RefusedExtractError):
            raise RefusedExtractError(str(message.error), message.lines)
        if message.error:
            raise message.error
        opened.undeclared += message.undeclared
        opened.absent += message.absent
        opened.detected |= message.detected

    def _receive_bytes(self, size: int) -> pa.Buffer:
        """Return the next bytes from the reader process. Raises EOFError if it ends before it has sent all of them."""
        import pyarrow as pa

        content = pa.allocate_buffer(size)
        remaining = memoryview(content)
        while remaining:
            count = os.readv(self._connection.fileno(), [remaining])
            if not count:
                raise EOFError
            remaining = remaining[count:]
        return content

    def stop(self) -> None:
        """End the reader process."""
        self._connection.close()
        self.process.kill()
        self.process.wait()

    def _describe_end(self) -> str:
        """Return as text why the reader process ended while it read an extract, and what the user can do."""
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if code == OUT_OF_MEMORY:
            return (
                f"reading the file needs more than {self.limit // 10**6:,} MB of memory. Raise {VARIABLE}, or ask the"
                " sender to split the file."
            )
        end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return (
            f"the process that reads extracts ended at this file ({end}). Ask the sender to check the file. If the"
            f" machine ran out of memory, lower {VARIABLE} or ask the sender to split the file."
        )


def _decode_rows(content: pa.Buffer) -> pa.Table:
    import pyarrow as pa

    return pa.ipc.open_stream(content).read_all()


_lock = threading.Lock()
_reader: _Reader | None = None


def _running_reader() -> _Reader:
    """Return the reader process. Start a new one if none runs, or if the memory limit in the settings has changed."""
    global _reader
    limit = memory_of_reader()
    if _reader and (_reader.process.poll() is not None or _reader.limit != limit):
        stop_reader()
    if _reader is None:
        _reader = _Reader(limit)
    return _reader


def stop_reader() -> None:
    """End the reader process if it runs. The next extract that needs a reader process starts another one."""
    global _reader
    if _reader:
        _reader.stop()
    _reader = None


def _forget_reader() -> None:
    """Forget the parent's reader process in a forked process, which starts a reader process of its own."""
    global _lock, _reader
    _lock, _reader = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_reader)
atexit.register(stop_reader)
