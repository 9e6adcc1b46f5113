"""Import the project's code in the server that forks runs, and import it anew in a run whose source files have changed.

Importing the definitions takes longer than most steps of a day. A forked run shares the server's modules, so it starts
at once. An edit still needs no restart: the run compares the source files with those that the server imported.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

DEFINITIONS = "pipelines.definitions"  # named, not imported: runs load this module, which lies above this package
PACKAGES = ("pipelines", "assets", "desk", "expectations", "sixtyforty")
FileStamp = tuple[int, int, int]  # inode, size in bytes, time of the last change in nanoseconds since 1970


class WarmCode:
    """The project's modules that this process has imported, with the stamps of their source files."""

    def __init__(self) -> None:
        """Import nothing yet."""
        self._imported_at = 0
        self._stamps: dict[Path, FileStamp | None] = {}

    def import_definitions(self) -> None:
        """Import the definitions and what they need.

        Code that fails to import is forgotten: each run imports it again, and reports the error as its own.
        """
        self._imported_at = time.time_ns()
        try:
            import_module(DEFINITIONS)
        except Exception:
            forget_project_modules()
        self._stamps = {path: stamp_file(path) for path in source_files(project_modules())}
        gc.freeze()  # the server's objects live as long as it does: a run's collector neither visits nor copies them

    def refresh(self) -> None:
        """Forget all modules of the project if a source file has changed since the server imported it."""
        if any(self._has_changed(path, stamp) for path, stamp in self._stamps.items()):
            forget_project_modules()

    def _has_changed(self, path: Path, stamp: FileStamp | None) -> bool:
        is_edited_during_import = stamp is None or stamp[2] > self._imported_at
        return is_edited_during_import or stamp_file(path) != stamp


warm_code = WarmCode()


def project_modules() -> dict[str, ModuleType]:
    """Return the imported modules of the project, by name."""
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES}


def source_files(modules: Mapping[str, ModuleType]) -> list[Path]:
    """Return the source files of modules."""
    return [Path(module.__file__) for module in modules.values() if module.__file__]


def stamp_file(path: Path) -> FileStamp | None:
    """Return the stamp of a file, or None if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_ctime_ns


def forget_project_modules() -> None:
    """Remove the project's modules from this process, so that the next import reads them from disk."""
    for name in project_modules():
        del sys.modules[name]
