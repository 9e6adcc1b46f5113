"""Check that other users of the machine can't read or write the databases, ledgers and secrets of the home."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from pipelines.settings import load_settings
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.private_files import find_exposed

SHOWN = 5  # paths that the message names


class ExposedFilesError(SixtyfortyError):
    """Other users may read or write files of the home. The message names the files."""


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
