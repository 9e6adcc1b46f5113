"""What the demos' landings share: data that lies in an installed package, and files put in place as of a moment."""

from __future__ import annotations

import os
from datetime import datetime
from importlib import metadata
from pathlib import Path


def packaged(package: str, name: str) -> Path:
    """The path of a data file of a package, found without importing it. Raises RuntimeError when it isn't there."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise RuntimeError(f"{name} of the package {package} is not there: install the demo group")


def deliver(path: Path, content: bytes, moment: datetime) -> Path:
    """Puts the content in place in one step, as of the moment; a file that already holds it stays as it is."""
    if not path.exists() or path.read_bytes() != content:
        temporary = path.with_name(f".{path.name}")
        temporary.write_bytes(content)
        os.utime(temporary, (moment.timestamp(), moment.timestamp()))
        temporary.replace(path)
    elif path.stat().st_mtime != moment.timestamp():
        os.utime(path, (moment.timestamp(), moment.timestamp()))
    return path
