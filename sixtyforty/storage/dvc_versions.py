"""Versions of training sets and models, recorded with DVC and restored by hash.

DVC records only the partitions that changed. A pointer is a `.dvc` file or `dvc.lock`. It names the recorded files by
hash. All pointers are also stored in the DVC remote, in `sixtyforty/pointers.json`. Before files are restored, the
hash of all their bytes is compared with the recorded hash.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.dvc_setup import REMOTE_NAME, TEMPORARY_FILES, DvcVersionError, open_repository
from sixtyforty.storage.files import create_folder, write_atomic
from sixtyforty.storage.mirror import mirror_folder
from sixtyforty.storage.object_store import ObjectPath, StoragePath

LOG = logging.getLogger(__name__)
DIRECTORY = ".dir"  # DVC adds this ending to the hash of a folder's listing
POINTERS = "sixtyforty/pointers.json"
MAX_FILE_TARGETS = 64  # if a folder has more new files, DVC records the whole folder faster than the new files


class DvcVersions:
    """Record versions of the files of a home with DVC, push them to the DVC remote, and restore them.

    home: the folder of the DVC repository.
    remote: a folder, or any URL that DVC supports.
    lake: the folder of the lakes; None: below the home. DVC tracks only files in its repository. If the lake is
    elsewhere, folders are copied below the home before they are recorded.
    """

    def __init__(self, home: Path, remote: str, lake: StoragePath | None = None) -> None:
        self.home, self.remote = home.resolve(), remote
        self.lake = lake.resolve() if isinstance(lake, Path) else lake or self.home / "data" / "lake"

    def _open(self, purpose: str) -> AbstractContextManager[Any]:
        return open_repository(self.home, self.remote, purpose)

    def snapshot(self, folders: Sequence[StoragePath]) -> int:
        """Record the current content of files and folders with DVC, and return how many of them DVC recorded.

        DVC reads only files that are new since the last snapshot. Folders that don't exist are skipped. Raises
        DvcVersionError.
        """
        with self._open("record versions with DVC") as repository:
            paths = [self._local_copy(folder) for folder in folders if folder.exists()]
            targets = [target for path in paths for target in self._changed_targets(path)]
            if targets:
                repository.add([str(target) for target in targets])
            return len(targets)

    def _path_in_home(self, folder: StoragePath) -> Path:
        """Return the path that DVC tracks for a folder: the folder itself, or its copy if it is outside the home."""
        if isinstance(folder, Path) and folder.resolve().is_relative_to(self.home):
            return folder.resolve()
        if isinstance(folder, ObjectPath):
            assert isinstance(self.lake, ObjectPath)
            first, *rest = folder.relative_to(self.lake).parts
            # Workspace uses these folder names: `.models/<use case>` there is `data/models/<use case>` in the home.
            parts = (first[1:], *rest) if first.startswith(".") else ("lake", first, *rest)
            return self.home.joinpath("data", *parts)
        assert isinstance(self.lake, Path)
        return self.home / "data" / "lake" / folder.resolve().relative_to(self.lake)

    def _local_copy(self, folder: StoragePath) -> Path:
        copy = self._path_in_home(folder)
        if isinstance(folder, ObjectPath) or folder.resolve() != copy:
            mirror_folder(folder, copy)
        return copy

    def _changed_targets(self, path: Path) -> list[Path]:
        pointer = _pointer(path)
        if not pointer.exists():
            return [path]
        recorded_at = pointer.stat().st_mtime_ns
        if path.is_file():
            return [path] if path.stat().st_mtime_ns >= recorded_at else []
        files = [p for p in path.rglob("*") if p.is_file() and not p.match(TEMPORARY_FILES)]
        new = [file for file in files if file.stat().st_mtime_ns >= recorded_at]
        gone = self._recorded_files(pointer) - {file.relative_to(path).as_posix() for file in files}
        # DVC removes the old file of a replaced partition from its listing only if it records the whole folder.
        return [path] if (gone and new) or len(new) > MAX_FILE_TARGETS else new

    def _recorded_files(self, pointer: Path) -> set[str]:
        listing = self._cached_file(_recorded_hash(pointer))
        return {file["relpath"] for file in json.loads(listing.read_bytes())} if listing.exists() else set()

    def _cached_file(self, md5: str) -> Path:
        """Return the path in DVC's cache of a recorded file or of a folder's listing, by its hash."""
        return self.home / "data" / "dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]

    def _fetch(self, repository: Any, pointers: Sequence[Path]) -> None:
        """Fetch the files of some pointers (`.dvc` files) into DVC's cache, and compare each file with its hash.

        A damaged file of the cache is deleted and fetched again. Raises DvcVersionError if the file is still damaged,
        or if a pointer is.
        """
        targets = [str(pointer) for pointer in pointers]
        for pointer in pointers:
            _recorded_hash(pointer)  # names a damaged pointer better than DVC does
        repository.fetch(targets)
        if damaged := self._find_damaged(pointers):
            for file in damaged:
                file.unlink(missing_ok=True)
            LOG.warning(
                f"{self.home}: fetching {format_plural(len(damaged), 'file')} of DVC's cache from the DVC remote again"
                " (damaged or missing)."
            )
            repository.fetch(targets)
            damaged = self._find_damaged(pointers)
        if damaged:
            raise DvcVersionError(
                f"{self.remote}: the DVC remote has {format_plural(len(damaged), 'missing or damaged file')},"
                f" such as {damaged[0].parent.name}{damaged[0].name}. Nothing was restored. Restore the DVC remote from"
                " a backup."
            )

    def _find_damaged(self, pointers: Sequence[Path]) -> list[Path]:
        """Return the files of some pointers (`.dvc` files) that DVC's cache lacks, or that differ from their hash."""
        damaged = []
        for pointer in pointers:
            md5 = _recorded_hash(pointer)
            listing = self._cached_file(md5)
            if not _has_hash(listing, md5):
                damaged.append(listing)
            elif md5.endswith(DIRECTORY):
                hashes = {file["md5"] for file in json.loads(listing.read_bytes())}
                files = [(self._cached_file(file_md5), file_md5) for file_md5 in sorted(hashes)]
                damaged += [file for file, file_md5 in files if not _has_hash(file, file_md5)]
        return damaged

    def commit(self, stages: Sequence[str]) -> None:
        """Record the current outputs of some stages of `dvc.yaml`, such as `train@USE_CASE`, in `dvc.lock`.

        No stage is run, so the pipeline must have written the outputs already.
        """
        with self._open("commit recipe stages to DVC") as repository:
            repository.stage_cache = _NoRunCache()
            for stage in stages:
                repository.commit(f"{self.home / 'dvc.yaml'}:{stage}", force=True)

    def publish(self) -> int:
        """Push all pointers (`.dvc` files), and the recorded files that the DVC remote lacks.

        Return the number of recorded files that were pushed, without the pointers.
        """
        with self._open("push versions to the DVC remote") as repository:
            pushed = int(repository.push())
            files = [*sorted((self.home / "data").rglob("*.dvc")), self.home / "dvc.lock"]
            pointers = {f.relative_to(self.home).as_posix(): f.read_text() for f in files if f.is_file()}
            file_system, path = _remote_pointers(repository)
            file_system.makedirs(file_system.parent(path), exist_ok=True)
            with file_system.open(path + ".writing", "w") as file:
                file.write(json.dumps(pointers, indent=1, sort_keys=True))
            file_system.move(path + ".writing", path)
            return pushed

    def fetch_pointers(self) -> list[str]:
        """Fetch the pointers (`.dvc` files) that the home lacks from the DVC remote: the first step in a clean clone.

        Return the paths of all published pointers, relative to the home. Raises DvcVersionError.
        """
        with self._open("fetch pointers from the DVC remote") as repository:
            file_system, path = _remote_pointers(repository)
            if not file_system.exists(path):
                raise DvcVersionError(
                    f"{self.remote}: no version was published to this DVC remote yet. Materialize the asset champion."
                )
            with file_system.open(path, "r") as file:
                pointers = json.load(file)
            for name, content in pointers.items():
                if not (self.home / name).exists():
                    write_atomic(self.home / name, content.encode())
            return sorted(pointers)

    def pull(self, pointers: Sequence[str]) -> None:
        """Restore the files of some pointers (`.dvc` files) into the home, from DVC's cache or the DVC remote.

        pointers: paths of the pointers, relative to the home. Raises DvcVersionError if a file is damaged or missing.
        """
        with self._open("pull files from the DVC remote") as repository:
            files = [self.home / pointer for pointer in pointers]
            self._fetch(repository, files)
            repository.checkout([str(file) for file in files])

    def restore(self, folder: StoragePath, target: Path) -> list[Path]:
        """Copy a recorded folder from DVC's cache or the DVC remote into `target`, and return the copied files.

        Raises DvcVersionError if the folder was never recorded, if a file is damaged or missing, or if `target` has a
        file of the same name with other content.
        """
        path = self._path_in_home(folder)
        pointer = _pointer(path)
        if not pointer.exists():
            self.fetch_pointers()
        if not pointer.exists():
            raise DvcVersionError(
                f"{path}: DVC has recorded no version. Materialize the assets training_set and challenger."
            )
        with self._open("restore a version from DVC") as repository:
            self._fetch(repository, [pointer])
            listing = json.loads(self._cached_file(_recorded_hash(pointer)).read_bytes())
            files = {target / file["relpath"]: self._cached_file(file["md5"]) for file in listing}
            others = [
                file for file, copy in files.items() if file.exists() and not filecmp.cmp(file, copy, shallow=False)
            ]
            if others:
                raise DvcVersionError(
                    f"{others[0]}: the file exists with other content, so nothing was restored. Name an empty folder."
                )
            for file, source in files.items():
                create_folder(file.parent)
                shutil.copyfile(source, file)
            return sorted(files)

    def find_changes(self) -> set[str]:
        """Return the DVC stages and pointers (`.dvc` files) whose files differ from their recorded versions.

        A stage is returned by its name, a pointer by its path relative to the home.
        """
        with self._open("compare files with their recorded versions") as repository:
            return {self._stage_name(address) for address in repository.status()}

    def _stage_name(self, address: str) -> str:
        """Return the name of a DVC stage, or the path of a pointer (`.dvc` file) relative to the home.

        address: the stage or pointer as DVC names it, relative to the working directory.
        """
        path, _, stage = address.rpartition(":")
        if not path and not address.endswith(".dvc"):
            return address
        file = Path(os.path.abspath(path or address)).relative_to(self.home)  # noqa: PTH100  symlinks stay as they are
        return stage if path and file == Path("dvc.yaml") else file.as_posix() + (f":{stage}" if path else "")


class _NoRunCache:
    """An empty substitute for DVC's run cache, which would look for files below the working directory."""

    def save(self, stage: Any) -> None:
        """Save nothing, because DVC ran no stage."""


def _pointer(path: Path) -> Path:
    return path.with_name(path.name + ".dvc")


def _recorded_hash(pointer: Path) -> str:
    """Return the hash that a pointer (`.dvc` file) records. Raises DvcVersionError if it isn't the pointer of its file.

    A power cut may leave an empty pointer, and a person may copy one over another.
    """
    import yaml

    try:
        recorded = yaml.safe_load(pointer.read_text())["outs"][0]
        is_own, md5 = recorded["path"] == pointer.stem, str(recorded["md5"])
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError):
        is_own, md5 = False, ""
    if not is_own:
        raise DvcVersionError(
            f"{pointer}: the pointer of DVC is damaged, or belongs to another file. Delete it, then run: sixtyforty"
            " fetch-training-data USE_CASE. This fetches the published pointer."
        )
    return md5


def _has_hash(file: Path, md5: str) -> bool:
    """Return whether a file exists and its MD5 hash is `md5`. DVC adds `.dir` to the hash of a folder's listing."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest() == md5.removesuffix(DIRECTORY)


def _remote_pointers(repository: Any) -> tuple[Any, str]:
    """Return the file system of the DVC remote, and the path of `pointers.json` in this file system."""
    objects = repository.cloud.get_remote(REMOTE_NAME).odb
    base = objects.path.removesuffix("files/md5").rstrip("/")
    return objects.fs, f"{base}/{POINTERS}"
