"""Locations where extracts arrive: the interface, its errors, and the implementation for a local folder.

`bucket` holds the other implementation, for object stores and file servers. `landed_files` chooses between the two, and
decides which files are finished.
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
    """The location or the database of a source can't be read."""


class FileChangedError(OSError):
    """A file changed while it was read. The next scan reads it again."""


class Location(Protocol):
    """A location of extracts. File names are paths relative to the location."""

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List the files that match a glob. Raises the errors of the file system.

        recall: a function that returns the stored listing state of this glob, with which a big bucket can be listed in
        parts. The location updates this state in place. Without `recall`, all files are listed.
        """

    def read(self, file: ListedFile) -> bytes:
        """Return a file's bytes.

        Raises FileChangedError if the file differs from its listing, FileNotFoundError if it no longer exists.
        """


@dataclass(frozen=True)
class Folder:
    """A local folder. A missing folder counts as empty, unless `required` is set: then it is an error."""

    root: Path
    required: bool = False

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List all files that match a glob. `recall` is not used."""
        if self.required and not self.root.is_dir():
            raise FileNotFoundError("the folder of the source's extracts doesn't exist; create the folder")
        files = []
        for name, path in self._matching(pattern):
            with suppress(FileNotFoundError):  # the file was moved away after the folder was listed
                status = path.stat()
                if stat.S_ISREG(status.st_mode):
                    files.append(ListedFile(name, status.st_size, status.st_mtime_ns))
        return files

    def _matching(self, pattern: str) -> Iterator[tuple[str, Path | os.DirEntry[str]]]:
        if "/" in pattern or "**" in pattern:
            yield from ((path.relative_to(self.root).as_posix(), path) for path in self.root.glob(pattern))
        elif self.root.is_dir():  # for a folder without subfolders, os.scandir takes a third of the time of glob
            matches = re.compile(fnmatch.translate(pattern)).match
            with os.scandir(self.root) as entries:
                yield from ((entry.name, entry) for entry in entries if matches(entry.name))

    def read(self, file: ListedFile) -> bytes:
        """Return a file's bytes. See Location. Raises PermissionError for a link to a file outside the folder."""
        path = self.root / file.name
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise PermissionError(
                f"{file.name} links to a file outside the folder; put the file itself into the folder"
            )
        content, status = path.read_bytes(), path.stat()
        if (len(content), status.st_size, status.st_mtime_ns) != (file.size, file.size, file.mtime_ns):
            raise FileChangedError(f"the file {file.name} changed after it was listed; the next scan reads it again")
        return content
