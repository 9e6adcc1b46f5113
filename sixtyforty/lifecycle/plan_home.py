"""Open a scratch copy of a use case's lake and models, in which an edited declaration can be tried out.

The copy is a temporary folder. In a folder home, its files are links. Each writer replaces a file by another one and
never changes it in place, so a write in the copy leaves the home unchanged. An object store has no links, so its
objects are fetched. Locks, raw extracts and deliveries are left out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import PARALLEL_REQUESTS, ObjectPath, StoragePath
from sixtyforty.workspace import Workspace

LEFT_OUT = ("raw", "rejected", "quarantine", "arrivals")  # folders that neither features nor decisions are made from


@contextmanager
def open_scratch_copy(ws: Workspace) -> Iterator[Workspace]:
    """Yield a workspace with a scratch copy of the use case's lake, models and ledgers. The copy is deleted at the end.

    The declaration is the one on disk. Whatever is written in the copy, the home doesn't change.
    """
    with tempfile.TemporaryDirectory(prefix="sixtyforty-plan-") as folder:
        home = Path(folder)
        scratch = replace(ws, home=home, database_url=f"sqlite:///{home / 'deliveries.sqlite'}", lakes=None)
        for source, target in ((ws.lake.root, scratch.lake.root), (ws.models.root, scratch.models.root)):
            assert isinstance(target, Path), "a scratch copy is a folder"
            if isinstance(source, ObjectPath):
                _fetch_objects(source, target)
            else:
                _link_files(source, target)
        yield scratch


def _link_files(source: Path, target: Path) -> None:
    for folder, subfolders, files in os.walk(source):
        path = Path(folder)
        if path == source:
            subfolders[:] = [name for name in subfolders if name not in LEFT_OUT]
        copy = target / path.relative_to(source)
        copy.mkdir(parents=True, exist_ok=True)
        for name in files:
            if not name.endswith(".lock"):
                (copy / name).symlink_to(path / name)


def _fetch_objects(source: ObjectPath, target: StoragePath) -> None:
    names = [name for name in source.list_objects(recursive=True) if name.partition("/")[0] not in LEFT_OUT]
    for start in range(0, len(names), PARALLEL_REQUESTS):  # limits how many objects are in memory at once
        for name, content in source.read_many(names[start : start + PARALLEL_REQUESTS]).items():
            write_atomic(target / name, content)
