"""Back up everything that cannot be recalculated. `backup_folder` describes what a backup holds.

The hash of a file is that of the bytes in the backup, also if the file grows meanwhile. SQLite's backup function copies
SQLite files, so that a copy is consistent even while another process writes. Files that are still being written are
left out by their names. A file that somebody moves away during the backup is left out, too. So is a link that a sender
may have planted in the landing zone, because it could lead to any file of the machine.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pipelines.operations.backup_folder import (
    DUMP,
    LOCK,
    MANIFEST,
    WRITING,
    BackupError,
    BackupManifest,
    file_effort,
    file_sha,
    generation_effort,
    list_damages,
    list_generations,
    newest_generation,
    prepare_folder,
    publish,
    read_manifest,
    remove_old,
)
from pipelines.operations.backup_receipt import write_receipt
from pipelines.operations.postgres_dump import dump_database, is_postgres
from pipelines.settings import Settings, prepare_dagster_home
from sixtyforty.ingest.landed_files import is_unfinished
from sixtyforty.ingest.locations import LinkRefusedError, open_own_file
from sixtyforty.progress import begin_work, track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import access_error, access_errors, create_folder, write_atomic
from sixtyforty.storage.locks import exclusive_lock

LOG = logging.getLogger(__name__)
DVC_FILES = (".dvc", "dvc.lock")  # DVC's files in the home, outside data/.
LEFT_OUT = ("data/services", ".dvc/tmp", ".dvc/cache")  # Temporary files, and files that each start writes again.
TEMPORARY_ENDINGS = (".lock", "-wal", "-shm", "-journal")
SQLITE_HEADER = b"SQLite format 3\0"
ATTEMPTS = 3
KEPT_GENERATIONS = 7
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Backup:
    """A backup that was made or verified: its generation's folder and manifest, and how long that took (seconds).

    refused_links: the files of the landing zone that were left out, by path in the backup, each with the reason.
    """

    generation: Path
    manifest: BackupManifest
    seconds: float
    refused_links: Mapping[str, str] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class _SourceFile:
    """A file to copy: its path in the backup and on the disk.

    landing: the folder in which senders put it, which it must not leave by a link; None for files of the project.
    """

    name: str
    path: Path
    landing: Path | None = None


def backup(folder: Path, wait_seconds: float = 600, keep: int = KEPT_GENERATIONS) -> Backup:
    """Add a generation to a folder of backups, and remove all but the newest `keep` generations.

    Wait up to `wait_seconds` for active runs to end. If a run starts during the copy, copy the changed files again.
    Raises BackupError if runs do not end, the folder cannot be used, or `pg_dump` fails, and LockTimeoutError while
    another backup into the folder is under way. Earlier generations then stay as they are.
    """
    settings, started = prepare_dagster_home(), time.monotonic()
    prepare_folder(folder)
    with exclusive_lock(folder / LOCK, "back up", timeout=0):
        generations = list_generations(folder)
        remove_old(folder, keep)
        made = datetime.now(UTC)
        writing = folder / f"{WRITING}{made:%Y%m%d%H%M%S}"
        writing.mkdir(mode=0o700)
        try:
            previous = generations[-1] if generations else None
            files, refused_links = _copy_between_runs(settings, writing, previous, wait_seconds)
            manifest = BackupManifest(made=made.isoformat(timespec="seconds"), profile=settings.profile, files=files)
            write_atomic(writing / MANIFEST, manifest.model_dump_json(indent=1).encode())
        except BaseException:
            shutil.rmtree(writing, ignore_errors=True)
            raise
        generation = publish(writing, folder, made)
        write_receipt(settings, generation, manifest.made, len(files))
        remove_old(folder, keep)
    return Backup(generation, manifest, time.monotonic() - started, refused_links=refused_links)


def verify_backup(folder: Path) -> Backup:
    """Rehash the newest generation in a folder of backups. Raises BackupError, which names the first damaged files."""
    started, generation = time.monotonic(), newest_generation(folder)
    manifest = read_manifest(generation)
    with begin_work(
        "check backup", "file", len(manifest.files), effort=generation_effort(generation, manifest)
    ) as work:
        damages = list(list_damages(generation, manifest, work))
    if damages:
        others = f" {len(damages) - 1} more files differ." if len(damages) > 1 else ""
        raise BackupError(f"{damages[0]}{others} Make a new backup, and check the disk of {folder}.")
    return Backup(generation, manifest, time.monotonic() - started)


def _copy_between_runs(
    settings: Settings, target: Path, previous: Path | None, wait_seconds: float
) -> tuple[dict[str, str], dict[str, str]]:
    """Copy all files while no run is active. Return the SHA-256 of each file, and why files were refused.

    Both are by the path in the backup.
    """
    earlier = _read_hashes(previous)
    for _ in range(ATTEMPTS):
        started = _wait_for_runs(wait_seconds)
        files, refused_links = dict[str, str](), dict[str, str]()
        listed = list(_files_to_copy(settings, target.parent))
        for source in track(listed, "backup", "file", [file_effort(source.path) for source in listed]):
            name = source.name
            same = previous / name if previous and name in earlier else None
            try:
                sha = _copy_file(source, target / name, same, earlier.get(name))
            except LinkRefusedError as refusal:
                refused_links[name] = str(refusal)
                continue
            if sha:
                files[name] = sha
        if is_postgres(settings.database_url):
            dump_database(settings.database_url, target / DUMP)
            files[DUMP] = file_sha(target / DUMP)
        if not _was_run_active_since(started):
            _remove_uncounted(target, files)
            return files, refused_links
    raise BackupError(
        f"Runs started during each of {ATTEMPTS} attempts to copy the files. "
        "Stop the services (make down), or back up at a quieter hour."
    )


def _read_hashes(generation: Path | None) -> dict[str, str]:
    """Return the hashes in a generation's manifest; none if it is damaged, because then nothing is shared with it."""
    try:
        return read_manifest(generation).files if generation else {}
    except BackupError as error:
        LOG.warning(f"{error} This backup copies all files.")
        return {}


def _remove_uncounted(target: Path, files: dict[str, str]) -> None:
    """Remove the files that an earlier attempt copied and that have been deleted since."""
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target).as_posix() not in files:
            path.unlink()


def _files_to_copy(settings: Settings, folder: Path) -> Iterator[_SourceFile]:
    """Yield each file to copy.

    folder: the folder of the backups. It may lie in the home, and is never copied.
    """
    # A lake in a bucket is not copied, because the bucket's own versions protect it.
    lake = settings.lake if isinstance(settings.lake, Path) else None
    landing, own = settings.home / "data" / "landing", folder.resolve()
    left_out = [own, *((settings.home / name).resolve() for name in LEFT_OUT), *([lake.resolve()] if lake else [])]
    for root in (settings.home / "data", *(settings.home / name for name in DVC_FILES)):
        for path in [root] if root.is_file() else _list_files(root, landing, left_out):
            if _is_backed_up(path):
                name = f"home/{path.relative_to(settings.home).as_posix()}"
                yield _SourceFile(name, path, _find_own_folder(path, landing))
    if lake:
        for path in filter(_is_backed_up, _list_files(lake, landing, [own])):
            yield _SourceFile(f"lake/{path.relative_to(lake).as_posix()}", path)


def _find_own_folder(path: Path, landing: Path) -> Path | None:
    """Return the folder of a use case in the landing zone that holds a file; None for a file elsewhere.

    A file in the landing zone itself belongs to no use case, so the landing zone is its folder.
    """
    if landing not in path.parents:
        return None
    parts = path.relative_to(landing).parts
    return landing / parts[0] if len(parts) > 1 else landing


def _list_files(folder: Path, landing: Path, left_out: list[Path]) -> Iterator[Path]:
    """Yield the files below a folder, in order. left_out: folders that aren't listed, as paths without links.

    A link to a folder is followed, for example to another disk, unless it leads back to a folder above. Inside the
    landing folder of a use case it isn't followed, because a sender could have planted it.
    """
    real_folder = folder.resolve()
    if real_folder in left_out:
        return
    try:
        with access_errors(folder):
            paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        is_planted = path.is_symlink() and landing in path.parent.parents
        if not path.is_dir():
            yield path
        elif not is_planted:
            yield from _list_files(path, landing, [*left_out, real_folder])


def _is_backed_up(path: Path) -> bool:
    """Return whether a path is a file to back up.

    Locks, SQLite's log files, unfinished files of this project, and unfinished extracts such as `x.csv.part` are left
    out.
    """
    is_temporary = path.name.startswith(".writing-") or (
        path.name.endswith(TEMPORARY_ENDINGS) and path.name != "dvc.lock"
    )
    is_unfinished_extract = "landing" in path.parts and is_unfinished(path.name)
    return path.is_file() and not is_temporary and not is_unfinished_extract


def _copy_file(source: _SourceFile, target: Path, same: Path | None = None, same_sha: str | None = None) -> str | None:
    """Copy a file, or link the same file of the previous generation. Return its SHA-256; None if it was moved away.

    same, same_sha: the file of the previous generation, and its hash in the manifest. A damaged one is not linked.
    Raises FileAccessError or BackupError if the file can't be copied, for example to a full disk, and LinkRefusedError
    for a link that a sender may have planted.
    """
    create_folder(target.parent)
    target.unlink(missing_ok=True)
    try:
        with _open(source) as file, access_errors(target):
            return _copy(source, file, target, same, same_sha)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        return None
    except sqlite3.Error as error:
        raise BackupError(
            f"{source.path} can't be copied to {target}: {error}. Check the free space there, and that {source.path} is"
            " intact."
        ) from error


def _open(source: _SourceFile) -> BinaryIO:
    try:
        return open_own_file(source.path, source.landing) if source.landing else source.path.open("rb")
    except (LinkRefusedError, FileNotFoundError):
        raise
    except OSError as error:
        raise access_error(source.path, error) from error


def _copy(source: _SourceFile, file: BinaryIO, target: Path, same: Path | None, same_sha: str | None) -> str | None:
    is_sqlite = file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    file.seek(0)
    if is_sqlite and not source.landing:  # nobody writes to a landed file, and its path may become a link
        return _copy_database(source.path, target)
    if same and same_sha:
        is_same = _hash(file) == same_sha
        if is_same and _share(same, same_sha, target):
            return same_sha
        file.seek(0)
    sha = _copy_bytes(file, target)
    shutil.copystat(source.path, target)
    return sha


def _share(same: Path, sha: str, target: Path) -> bool:
    """Link a file of the previous generation. Return False if it is damaged, or the disk has no hard links."""
    if not same.is_file() or file_sha(same) != sha:
        return False
    try:
        os.link(same, target)
    except OSError:
        return False
    return True


def _copy_database(source: Path, target: Path) -> str:
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
    return file_sha(target)


def _hash(file: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        hashed.update(chunk)
    return hashed.hexdigest()


def _copy_bytes(file: BinaryIO, target: Path) -> str:
    """Copy an open file, and return the SHA-256 of the copied bytes, also if the file grows meanwhile."""
    hashed = hashlib.sha256()
    with target.open("wb") as copy:
        while chunk := file.read(CHUNK_BYTES):
            hashed.update(chunk)
            copy.write(chunk)
    return hashed.hexdigest()


def _wait_for_runs(wait_seconds: float) -> float:
    """Wait until no run is active. Return the time at which no run was active, in seconds since 1970."""
    import dagster as dg

    from pipelines.automation.housekeeping import UNDER_WAY

    deadline = time.monotonic() + wait_seconds
    with dg.DagsterInstance.get() as instance:
        while runs := instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
            if time.monotonic() > deadline:
                raise BackupError(
                    f"{format_plural(len(runs), 'run')} still active after {wait_seconds:.0f} s. "
                    "Wait longer with --wait-seconds, or stop the services."
                )
            time.sleep(1)
    return time.time()


def _was_run_active_since(started: float) -> bool:
    import dagster as dg

    updated_after = datetime.fromtimestamp(started, UTC)
    with dg.DagsterInstance.get() as instance:
        records = instance.get_run_records(dg.RunsFilter(updated_after=updated_after))
    return any(record.start_time and record.start_time >= started for record in records)
