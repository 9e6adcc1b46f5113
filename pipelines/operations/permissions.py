"""Check that other users of the machine can't read or write the databases, ledgers and secrets of the home."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from pipelines.settings import load_settings
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.private_files import find_exposed

SHOWN = 5  # paths that the message names
PROTECTED_LINKS = Path("/proc/sys/fs/protected_hardlinks")  # missing on systems other than Linux


class ExposedFilesError(SixtyfortyError):
    """Other users may read or write files of the home, or have them read. The message names the files or the reason."""


def describe_permissions() -> str:
    """Return that the home's files are private. Raises ExposedFilesError, which names those that are not.

    The folder of the lake and the DVC remote are checked, too, if they are outside of the home.
    """
    settings = load_settings()
    data = settings.home / "data"
    remote = None if "://" in settings.dvc_remote else Path(settings.dvc_remote)
    folders = [path for path in (settings.lake, remote) if isinstance(path, Path) and not path.is_relative_to(data)]
    exposed = [path for folder in (data, *folders) for path in islice(find_exposed(folder), SHOWN)]
    if exposed:
        modes = ", ".join(f"{path} (mode {path.stat().st_mode & 0o777:04o})" for path in exposed[:SHOWN])
        raise ExposedFilesError(f"other users may read or write {modes}")
    return f"only this user reads {data}"


def describe_hard_links() -> str:
    """Return that senders can't link files of others into the landing zone. Raises ExposedFilesError if they can.

    A hard link looks like a file of the landing zone, so only the system can refuse it.
    """
    if PROTECTED_LINKS.exists() and PROTECTED_LINKS.read_text().strip() == "0":
        raise ExposedFilesError("a sender may link any file of this disk into the landing zone")
    return "the system refuses hard links to files of others"
