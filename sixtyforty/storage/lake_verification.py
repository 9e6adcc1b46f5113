"""Verify a lake: hash each Parquet file again, and follow the versions that manifests name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sixtyforty.storage.files import access_errors, file_sha256
from sixtyforty.storage.lake import HISTORY, Lake
from sixtyforty.storage.manifests import Entry
from sixtyforty.storage.object_store import ObjectPath, StoragePath

FIELDS = frozenset({"dataset", "partition", "file", "rows", "sha256"})  # of each manifest


@dataclass(frozen=True)
class LakeIndex:
    """The manifests of a lake.

    - current: the manifests in force.
    - known: their versions and those of all replaced manifests.
    - problems: a sentence, without full stop, for each manifest that can't be read or that was changed.
    """

    current: list[Entry]
    known: frozenset[str]
    problems: list[str]


def index_lake(lake: Lake) -> LakeIndex:
    """Read all manifests of a lake."""
    current, known, problems, unread = [], set[str](), [], []
    for name in _list_files(lake.root, ".json"):
        folder, _, file = name.rpartition("/")
        entry = _read_manifest(lake.root / name)
        if entry is None:
            if folder == HISTORY:
                problems.append(f"{name}: the replaced manifest can't be read")
            unread.append((folder, name))
        elif folder == HISTORY:
            known.add(entry.version)
            if file != f"{entry.version}.json":
                problems.append(f"{name}: the replaced manifest was changed, because its hash isn't its name")
        elif (entry.dataset, f"{entry.partition}.json") != (folder, file):
            problems.append(f"{name}: the manifest describes {entry.dataset}/{entry.partition}")
        else:
            current.append(entry)
            known.add(entry.version)
    datasets = {name.rpartition("/")[0] for name in _list_files(lake.root, ".parquet")} if unread else set()
    problems += [f"{name}: the manifest is damaged" for folder, name in unread if folder in datasets]
    return LakeIndex(current, frozenset(known), problems)


def find_file_differences(lake: Lake, entries: Iterable[Entry]) -> Iterator[str]:
    """Yield "" for each sound Parquet file, and one sentence without full stop for each one that differs."""
    for entry in entries:
        path = lake.root / entry.dataset / entry.file
        name = f"{entry.dataset}/{entry.partition}"
        try:
            sha256 = storage_sha256(path)
        except FileNotFoundError:
            yield f"{name}: the file {entry.file} is missing"
        else:
            yield "" if sha256 == entry.sha256 else f"{name}: the file {entry.file} differs from its manifest"


def find_lost_inputs(index: LakeIndex, datasets: Collection[str]) -> Iterator[str]:
    """Yield one sentence, without full stop, for each version that a manifest names and that the lake doesn't know.

    datasets: the datasets whose manifests the lake never deletes. A manifest that was rewritten has a new version, so
    the manifests that name the old one show it.
    """
    for entry in index.current:
        for dataset in sorted(entry.inputs.keys() & set(datasets)):
            for partition, version in sorted(entry.inputs[dataset].items()):
                if version not in index.known:
                    yield (
                        f"{entry.dataset}/{entry.partition} was calculated from {dataset}/{partition}, version"
                        f" {version}, which the lake no longer has: the manifest was rewritten, or the history cut"
                    )


def storage_sha256(path: StoragePath) -> str:
    """Return the SHA-256 of a local file or of an object, in hex. Raises FileNotFoundError."""
    if isinstance(path, ObjectPath):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with access_errors(path):
        return file_sha256(path)


def _list_files(root: StoragePath, ending: str) -> list[str]:
    """Return the files below a folder whose name has an ending, as paths relative to the folder, sorted."""
    if isinstance(root, ObjectPath):
        names: Iterable[str] = root.list_objects(recursive=True)
    else:
        names = (path.relative_to(root).as_posix() for path in Path(root).rglob(f"*{ending}"))
    return sorted(name for name in names if name.endswith(ending))


def _read_manifest(path: StoragePath) -> Entry | None:
    """Return the manifest in a file; None if the file holds something else."""
    try:
        with access_errors(path):
            content: Any = json.loads(path.read_bytes())
        return Entry(**content) if isinstance(content, dict) and content.keys() >= FIELDS else None
    except (ValueError, TypeError):
        return None
