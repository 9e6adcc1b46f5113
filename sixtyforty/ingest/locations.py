"""Locations where extracts arrive: the interface, its errors, and the implementation for a local folder.

`bucket` holds the other implementation, for object stores and file servers. `landed_files` chooses between the two, and
decides which files are finished.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from sixtyforty.ingest.listing_memory import ListedFile, RecallState
from sixtyforty.spec.errors import SixtyfortyError


class UnreachableSourceError(SixtyfortyError):
    """The location or the database of a source can't be read."""


class FileChangedError(OSError):
    """A file changed while it was read. The next scan reads it again."""


class LinkRefusedError(PermissionError):
    """A file in a folder of extracts is a link that isn't followed. The message says what to do."""


class Location(Protocol):
    """A location of extracts. File names are paths relative to the location."""

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List the files that match a glob. Raises the errors of the file system.

        recall: a function that returns the stored listing state of this glob, with which a big bucket can be listed in
        parts. The location updates this state in place. Without `recall`, all files are listed.
        """

    def open_file(self, file: ListedFile, scratch: Path) -> AbstractContextManager[Path]:
        """Return a context that yields the path of a local file with the same bytes as a listed file.

        scratch: a folder for a copy, which is deleted after the block. Raises FileChangedError if the file differs from
        its listing at the start of the block, or has changed at the end. Raises FileNotFoundError if it no longer
        exists, and OSError if it can't be read.
        """


@dataclass(frozen=True)
class Folder:
    """A local folder. A missing folder counts as empty, unless `required` is set: then it is an error."""

    root: Path
    required: bool = False

    def list_files(self, pattern: str, recall: RecallState | None = None) -> list[ListedFile]:
        """List all files in the folder that match a glob. `recall` has no effect: a folder is never listed in parts."""
        if self.required and not self.root.is_dir():
            raise FileNotFoundError("the folder of the source's extracts doesn't exist; create the folder")
        if self.root.exists() and not self.root.is_dir():  # as a failed mount leaves it
            raise NotADirectoryError("a file is in the place of the folder of the extracts; put the folder back")
        files = []
        for name, path in self._matching(pattern):
            try:
                status = path.stat()
            except OSError as error:
                if path.is_symlink():  # `open_file` says why it can't be read, so that only this file is left out
                    files.append(ListedFile(name, 0, 0))
                elif not isinstance(error, FileNotFoundError):  # the file was moved away after the folder was listed
                    raise
                continue
            if stat.S_ISREG(status.st_mode):
                files.append(ListedFile(name, status.st_size, status.st_mtime_ns))
        return files

    def list_names(self, pattern: str) -> list[str]:
        """List the names of files and folders that match a glob. This takes a fraction of the time of `list_files`."""
        return [name for name, _ in self._matching(pattern)]

    def _matching(self, pattern: str) -> Iterator[tuple[str, Path | os.DirEntry[str]]]:
        if "/" in pattern or "**" in pattern:
            yield from ((path.relative_to(self.root).as_posix(), path) for path in self.root.glob(pattern))
        elif self.root.is_dir():  # for a folder without subfolders, os.scandir takes a third of the time of glob
            matches = re.compile(fnmatch.translate(pattern)).match
            with os.scandir(self.root) as entries:
                yield from ((entry.name, entry) for entry in entries if matches(entry.name))

    @contextmanager
    def open_file(self, file: ListedFile, scratch: Path) -> Iterator[Path]:
        """Return the path of the file itself. See Location.

        Raises LinkRefusedError for a link that `find_link_problem` refuses.
        """
        path = self.root / file.name
        check_links(path, self.root)
        before = path.stat()
        if (before.st_size, before.st_mtime_ns) != (file.size, file.mtime_ns):
            raise file_changed(file)
        yield path
        # A program that writes a file can set back its modification time, but not the time of its last inode change.
        if _stamp(path.stat()) != _stamp(before):
            raise file_changed(file)
        check_links(path, self.root)

    def list_refused_links(self, pattern: str) -> dict[str, str]:
        """Return the files that match a glob and that `open_file` refuses as links, each with the problem."""
        suspects = (name for name, path in self._matching(pattern) if "/" in name or path.is_symlink())
        problems = {name: find_link_problem(self.root / name, self.root) for name in suspects}
        return {name: problem for name, problem in problems.items() if problem}


def find_link_problem(path: Path, root: Path) -> str | None:
    """Return as a clause why a file isn't a file of a folder's own, or None if it is. A missing file is no problem.

    A sender can link any file of the machine into the folder, for example one that only the services may read. A link
    may lead to another file of the folder. Hard links are read, because programs that copy files make them. The system
    refuses hard links to files of others; `sixtyforty doctor` checks that it does.
    """
    if path.is_symlink() and not is_file(path):
        return "links to a file that doesn't exist; put the file itself into the folder"
    if not path.resolve().is_relative_to(root.resolve()):
        return "links to a file outside the folder; put the file itself into the folder"
    return None


def check_links(path: Path, root: Path) -> None:
    """Raise LinkRefusedError if a file isn't a file of a folder's own. See find_link_problem."""
    if problem := find_link_problem(path, root):
        raise LinkRefusedError(f"{path.name} {problem}")


def open_own_file(path: Path, root: Path) -> BinaryIO:
    """Open a file of a folder's own to read it. Raises LinkRefusedError.

    The check is about the opened file, also if somebody puts a link in its place meanwhile. Raises FileNotFoundError if
    the file was replaced after it was opened.
    """
    file = path.open("rb")
    try:
        check_links(path, root)
        opened = os.fstat(file.fileno())
        if not os.path.samestat(opened, path.resolve().lstat()):
            raise FileNotFoundError(f"the file {path.name} was replaced")
    except BaseException:
        file.close()
        raise
    return file


def is_file(path: Path) -> bool:
    """Return whether a path is a file, or a link to one. `Path.is_file` raises OSError for some broken links."""
    return _has_type(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder, or a link to one. `Path.is_dir` raises OSError for some broken links."""
    return _has_type(path, stat.S_ISDIR)


def _has_type(path: Path, is_type: Callable[[int], bool]) -> bool:
    try:
        return is_type(path.stat().st_mode)
    except OSError:
        return False


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_changed(file: ListedFile) -> FileChangedError:
    """Return the error to raise for a file that changed after it was listed."""
    return FileChangedError(f"the file {file.name} changed after it was listed; the next scan reads it again")
