"""Locations where extracts land: the interface, its errors, and the folder of this machine.

`bucket` holds the other implementation, for object stores and file servers. `landed_files` chooses between them and
knows which files are finished.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sixtyforty.ingest.listing_memory import ListedFile, RecallState
from sixtyforty.spec.errors import SixtyfortyError


class UnreachableSourceError(SixtyfortyError):
    """A source whose location or database can't be read: which one, why, and what to do."""


class FileChangedError(OSError):
    """A file that changed while it was read. The next scan reads it again."""


class Location(Protocol):
    """A location of extracts. File names are paths below it."""

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List the files that match a glob.

        recall: returns what earlier scans remember, so that a big bucket can be listed in parts. The location updates
        the state that it gets. Without `recall`, everything is listed. Raises the errors of the file system.
        """

    def read(self, file: ListedFile) -> bytes:
        """Return a file's bytes.

        Raises FileChangedError if it isn't the file that was listed, FileNotFoundError if it is gone.
        """


@dataclass(frozen=True)
class Folder:
    """A folder of this machine. A missing folder is empty, unless it is `required`."""

    root: Path
    required: bool = False

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List the files that match a glob; all of them, without a memory."""
        if self.required and not self.root.is_dir():
            raise FileNotFoundError("no such folder")
        files = []
        for name, path in self._matching(pattern):
            with suppress(FileNotFoundError):  # archived since the folder was listed
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    files.append(ListedFile(name, status.st_size, status.st_mtime_ns))
        return files

    def _matching(self, pattern: str) -> Iterator[tuple[str, Path | os.DirEntry[str]]]:
        if "/" in pattern or "**" in pattern:
            yield from ((path.relative_to(self.root).as_posix(), path) for path in self.root.glob(pattern))
        elif self.root.is_dir():  # a flat folder, the usual case, takes a third of the time this way
            matches = re.compile(fnmatch.translate(pattern)).match
            with os.scandir(self.root) as entries:
                yield from ((entry.name, entry) for entry in entries if matches(entry.name))

    def read(self, file: ListedFile) -> bytes:
        """Return a file's bytes; a link to a file outside the folder is refused."""
        path = self.root / file.name
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise PermissionError("a link to a file outside the folder: put the file itself there")
        content, status = path.read_bytes(), path.stat()
        if (len(content), status.st_size, status.st_mtime_ns) != (file.size, file.size, file.mtime_ns):
            raise FileChangedError("it changed while it was read")
        return content
