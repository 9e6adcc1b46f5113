"""Write demo extracts into a landing zone: find the packaged data, and write each file with its landing time."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import access_errors
from sixtyforty.storage.object_store import StoragePath


class DemoDataError(SixtyfortyError):
    """The demo has no data for a use case or a range of days, or the package with the data is not installed."""


def find_packaged_file(package: str, name: str) -> Path:
    """Return the path of a data file of an installed package, without importing the package.

    Raises DemoDataError if the package or the file is missing.
    """
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise DemoDataError(
        f"The package {package}, which contains {name}, is not installed. Install it: pip install '.[demo]'."
    )


def write_extract(path: Path, content: bytes, landed_at: datetime) -> Path:
    """Write an extract in one step, with `landed_at` as its modification time.

    A file that already has the content is not written again.
    """
    timestamp = landed_at.timestamp()
    if not path.exists() or path.read_bytes() != content:
        temporary = path.with_name(f".{path.name}")
        with access_errors(path):
            temporary.write_bytes(content)
            os.utime(temporary, (timestamp, timestamp))
            temporary.replace(path)
    elif path.stat().st_mtime != timestamp:
        os.utime(path, (timestamp, timestamp))
    return path


def land_into(landing_zone: StoragePath, land: Callable[[Path], list[Path]]) -> list[Path]:
    """Write extracts into a landing zone: a folder or a bucket. Return the files in order of landing.

    `land` writes the extracts into a folder. For a bucket, the folder is temporary and its files are uploaded in order.
    """
    if isinstance(landing_zone, Path):
        return land(landing_zone)
    with TemporaryDirectory() as folder:
        files = land(Path(folder))
        for file in files:
            (landing_zone / file.name).write_bytes(file.read_bytes())
        return files
