"""Open a scratch copy of a use case's lake and models, in which an edited declaration can be tried out.

The copy is a temporary folder with links to the files of the home. Files are replaced, never changed in place, so a
write in the copy leaves the home unchanged. Links into an object store aren't possible, so objects are fetched. Locks,
accounts, raw extracts and deliveries are left out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import PARALLEL_REQUESTS, ObjectPath, StoragePath
from sixtyforty.workspace import Workspace

# The datasets that a plan reads, and those that it also writes. All other datasets are left out.
READ = ("validated", "features", "outcomes")
WRITTEN = ("decisions", "backtest", "tainted", "history", "constants")


@contextmanager
def open_scratch_copy(ws: Workspace, rewritten: Collection[str] = ()) -> Iterator[Workspace]:
    """Yield a workspace with a scratch copy of the use case's lake, models and ledgers. The copy is deleted at the end.

    rewritten: the datasets in the list `READ` that the caller also writes in the copy. Each other dataset in the list
    is linked as a folder, because links to thousands of files take seconds. The declaration is the one on disk.
    """
    with tempfile.TemporaryDirectory(prefix="sixtyforty-plan-") as folder:
        home = Path(folder)
        linked = () if isinstance(ws.lake.root, ObjectPath) else (ws.lake.root, *ws.linked_lakes)
        url = f"sqlite:///{home / 'deliveries.sqlite'}"
        scratch = replace(ws, home=home, database_url=url, lakes=None, linked_lakes=linked)
        for dataset in (*READ, *WRITTEN):
            is_read_only = dataset in READ and dataset not in rewritten
            _copy(ws.lake.root / dataset, home / "data" / "lake" / ws.use_case.name / dataset, is_read_only)
        _copy(ws.models.root, home / "data" / "models" / ws.use_case.name)
        yield scratch


def _copy(source: StoragePath, target: Path, is_read_only: bool = False) -> None:
    if isinstance(source, ObjectPath):
        _fetch_objects(source, target)
    elif is_read_only and source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source, target_is_directory=True)
    else:
        _link_files(source, target)


def _link_files(source: Path, target: Path) -> None:
    for folder, _, files in os.walk(source):
        path = Path(folder)
        copy = target / path.relative_to(source)
        copy.mkdir(parents=True, exist_ok=True)
        for name in files:
            if not name.endswith(".lock"):
                (copy / name).symlink_to(path / name)


def _fetch_objects(source: ObjectPath, target: Path) -> None:
    names = list(source.list_objects(recursive=True))
    for start in range(0, len(names), PARALLEL_REQUESTS):  # limits how many objects are in memory at once
        for name, content in source.read_many(names[start : start + PARALLEL_REQUESTS]).items():
            write_atomic(target / name, content)
