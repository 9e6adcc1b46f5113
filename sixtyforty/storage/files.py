"""File utilities: canonical JSON, hashes, atomic writes, errors of file access, Parquet bytes, and parallel work."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.object_store import ObjectPath, ObjectStat, StoragePath

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")
PARALLEL_THREADS = 4
TEMPORARY_PREFIX = ".writing-"
USUAL_MODE, PRIVATE_MODE = 0o644, 0o600
FREE_SPACE = "Free some disk space, then try again."
GRANT_ACCESS = "Give the user of this process the right to read and write there, or choose another folder."
MOVE_AWAY = "A file is where a folder should be, or a folder is where a file should be. Move that file or folder away."
CURES = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EACCES: GRANT_ACCESS,
    errno.EPERM: GRANT_ACCESS,
    errno.EROFS: GRANT_ACCESS,
    errno.ENOTDIR: MOVE_AWAY,
    errno.EEXIST: MOVE_AWAY,
    errno.EISDIR: MOVE_AWAY,
}
OTHER_CURE = "Check that the folder can be created, or choose another folder."


class FileAccessError(SixtyfortyError, OSError):
    """A file or folder can't be read or written. For example, the disk is full or read-only, or access is denied.

    A missing file stays a FileNotFoundError, because callers handle it.
    """


def access_error(path: StoragePath | str, error: OSError) -> FileAccessError:
    """Convert an error of the operating system into a FileAccessError with the same `errno` and a cure."""
    cure = CURES.get(error.errno or 0, OTHER_CURE)
    converted = FileAccessError(f"{path}: can't be used ({error.strerror or error}). {cure}")
    converted.errno = error.errno
    return converted


@contextmanager
def access_errors(path: StoragePath | str) -> Iterator[None]:
    """Turn each OSError in a `with` block into a FileAccessError, except FileNotFoundError.

    path: the file or folder that the message of the error names.
    """
    try:
        yield
    except (FileNotFoundError, SixtyfortyError):
        raise
    except OSError as error:
        raise access_error(path, error) from error


def create_folder(folder: Path) -> None:
    """Create a folder and the folders above it, unless the folder exists.

    Raises FileAccessError if the folder can't be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise access_error(folder, error) from error


def canonical_json(content: Any) -> str:
    """Return JSON text with sorted keys and no spaces. Equal content gives equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)


def digest(content: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of bytes or of JSON-like content."""
    blob = content if isinstance(content, bytes) else canonical_json(content).encode()
    return hashlib.sha256(blob).hexdigest()[:16]


def write_atomic(path: StoragePath, content: bytes) -> None:
    """Write a file so that readers see either the complete new content or the complete old content.

    A local file is written under a temporary name, flushed to the disk, then renamed. A missing folder is created. In
    an object store, one PUT request replaces the object. Raises FileAccessError or ObjectStoreError if the file can't
    be written.
    """
    if isinstance(path, ObjectPath):
        path.write_bytes(content)
        return
    try:
        _replace_file(path, content)
    except FileAccessError:
        raise
    except OSError as error:
        raise access_error(path, error) from error


def write_private(path: Path, content: bytes) -> None:
    """Write a local file as `write_atomic` does, but so that nobody except its owner can ever read the file."""
    with access_errors(path):
        _replace_file(path, content, PRIVATE_MODE)


def _replace_file(path: Path, content: bytes, mode: int = USUAL_MODE) -> None:
    with unfinished_file(path.parent, mode) as file:
        file.write(content)
        file.publish(path)


class UnfinishedFile(io.RawIOBase):
    """A file that is written in parts under a temporary name, `path`, until it is published.

    mode: who may read and write the file, as bits of a file mode.
    """

    def __init__(self, path: Path, mode: int = USUAL_MODE) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            self._descriptor = os.open(path, flags, mode)
        except FileNotFoundError:  # a check for the folder before each write would make all writes 10% slower
            create_folder(path.parent)
            self._descriptor = os.open(path, flags, mode)
        self.path, self._hash = path, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes that were written so far, in hex."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Return True: this file object accepts bytes."""
        return True

    def write(self, content: Any) -> int:
        """Write bytes to the unfinished file, and return the number of bytes."""
        remaining = memoryview(content)
        size = remaining.nbytes
        self._hash.update(remaining)
        while remaining:
            remaining = remaining[os.write(self._descriptor, remaining) :]
        return size

    def publish(self, path: Path) -> None:
        """Flush the file to the disk, and give it its final name. A missing folder is created."""
        os.fsync(self._descriptor)
        try:
            self.path.replace(path)
        except FileNotFoundError:
            create_folder(path.parent)
            self.path.replace(path)

    def close(self) -> None:
        """Close the file, and delete it unless it was published."""
        if not self.closed:
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)
        super().close()


def unfinished_file(folder: Path, mode: int = USUAL_MODE) -> UnfinishedFile:
    """Create an unfinished file in a folder, and the folder if it is missing. The caller must always close the file.

    mode: see UnfinishedFile.
    """
    return UnfinishedFile(folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}", mode)


def rename_file(path: StoragePath, new_path: StoragePath) -> None:
    """Rename a file. In an object store, the file is copied and then deleted, so a killed process may leave both files.

    Raises FileNotFoundError, and FileAccessError if the folder can't be written.
    """
    if isinstance(path, ObjectPath):
        write_atomic(new_path, path.read_bytes())
        path.unlink()
    else:
        with access_errors(path):
            path.rename(str(new_path))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex. The file is read in parts."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_stamp(path: StoragePath) -> tuple[Any, ...]:
    """Return a cache key for a file. The key changes when the file is replaced.

    Raises FileNotFoundError, and FileAccessError if access is denied.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, SixtyfortyError):
        raise
    except OSError as error:
        raise access_error(path, error) from error
    if isinstance(status, ObjectStat):
        return (status.tag,)
    return (status.st_ino, status.st_mtime_ns, status.st_size)  # replacing a file changes its inode


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file. Equal tables give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # lz4 takes half the time of zstd and gives 20% larger files. No reader of the lake uses the statistics.
    pq.write_table(table.combine_chunks(), sink, compression="lz4", write_statistics=False)
    return sink.getvalue().to_pybytes()


def run_in_parallel(work: Callable[[T], R], items: Collection[T]) -> list[R]:
    """Apply `work` to each item with up to four threads, and return the results in the order of the items.

    Threads are faster only for work that waits for the disk or releases Python's global interpreter lock, such as work
    in DuckDB, Parquet and model libraries.
    """
    with ThreadPoolExecutor(min(PARALLEL_THREADS, len(items) or 1)) as pool:
        return list(pool.map(work, items))


def read_ahead(batches: Iterable[T]) -> Iterator[T]:
    """Yield batches, while a thread reads the next batch, so that reading and writing use two processors."""
    iterator, end = iter(batches), None
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, iterator, end)
        while (batch := following.result()) is not None:
            following = thread.submit(next, iterator, end)
            yield batch
