"""Import the project's code in the fork server, and again in a run if source files have changed since then.

Importing the definitions takes longer than most steps of a day's run. A forked run shares the modules of the server, so
the run starts at once. An edit of the code still needs no restart, because each run compares the source files with the
files that the server imported.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

DEFINITIONS = "pipelines.definitions"  # a name, not an import, because this package must not import the definitions
PACKAGES = ("pipelines", "assets", "desk", "expectations", "sixtyforty")
FileStamp = tuple[int, int, int]  # inode, size in bytes, time of the last change in nanoseconds since 1970


class WarmCode:
    """The project's modules that the fork server has imported, with inode, size and change time of their files."""

    def __init__(self) -> None:
        """Import nothing yet: `import_definitions` imports the project's modules."""
        self._imported_at = 0
        self._stamps: dict[Path, FileStamp | None] = {}

    def import_definitions(self) -> None:
        """Import the Dagster definitions with all modules that they need, and call `prepare_runs` of the definitions.

        If that fails, this process forgets all modules of the project. Each run then imports them itself and
        reports the error.
        """
        self._imported_at = time.time_ns()
        try:
            import_module(DEFINITIONS).prepare_runs()
        except Exception:
            forget_project_modules()
        self._stamps = {path: stamp_file(path) for path in source_files(project_modules())}
        gc.freeze()  # exclude the server's objects from garbage collection, which would copy their memory in each run

    def refresh(self) -> None:
        """Remove all modules of the project from this process if a source file has changed since its import."""
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
    """Return the paths of the source files of modules."""
    return [Path(module.__file__) for module in modules.values() if module.__file__]


def stamp_file(path: Path) -> FileStamp | None:
    """Return inode, size (bytes) and change time (ns since 1970) of a file, or None if the file does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_ctime_ns


def forget_project_modules() -> None:
    """Remove the project's modules from this process, so that the next import reads them from disk."""
    for name in project_modules():
        del sys.modules[name]
