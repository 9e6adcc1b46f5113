"""Keep the files of a home private: only the user of the services may read databases, ledgers and secrets.

New files are private because every process that the project starts sets the umask PRIVATE_UMASK. Homes of earlier
versions are corrected at the next start. The folder `data` itself shuts other users out of everything below it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
OTHER_USERS = stat.S_IRWXG | stat.S_IRWXO
# Ledgers with their .head files, databases of SQLite with their logs, and the settings and sockets of the services.
PRIVATE_NAMES = (".jsonl", ".head", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".db", ".db-wal", ".db-shm", ".conf")
# Folders with many files and neither ledgers nor databases. The folder `data` protects them.
UNSEARCHED = frozenset({"landing", "raw", "validated", "quarantine", "features", "cache", "data_docs", "files"})


def use_private_umask() -> None:
    """Let this process, and those that it starts, create files and folders that other users can't read or write."""
    os.umask(PRIVATE_UMASK)


def find_exposed(folder: Path) -> Iterator[Path]:
    """Yield a folder, and the databases, ledgers and secrets below it, that other users may read or write.

    Links aren't followed. A missing folder yields nothing.
    """
    if _is_exposed(folder):
        yield folder
    for place, names, files in os.walk(folder):
        names[:] = sorted(set(names) - UNSEARCHED)
        private = (Path(place, file) for file in sorted(files) if file.endswith(PRIVATE_NAMES))
        yield from (file for file in private if _is_exposed(file))


def make_private(folder: Path) -> None:
    """Take the rights of other users from a folder, and from the databases, ledgers and secrets below it.

    A folder that is already private is left as it is, so only the first start after an upgrade searches it. Files of
    another user stay as they are: `sixtyforty doctor` names them.
    """
    if not _is_exposed(folder):
        return
    for path in [*find_exposed(folder)][::-1]:  # the folder last: until then, an interrupted search is repeated
        with suppress(PermissionError, FileNotFoundError):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHER_USERS)


def _is_exposed(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return not stat.S_ISLNK(status.st_mode) and bool(status.st_mode & OTHER_USERS)
