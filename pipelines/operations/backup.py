"""Back up everything that cannot be recalculated, and restore a backup.

A backup is a folder with:
- `home/`: landing zone, models, ledgers, deliveries, reports, DVC's pointers, cache and remote, Dagster's storage;
- `lake/`: the lake, if it is a folder;
- `database.dump`: the database, if it is PostgreSQL (see `postgres_dump.py`);
- `backup.json`: every file's SHA-256. This file is written last, so a folder without it is not a complete backup.

SQLite's backup function copies SQLite files, so that a copy is consistent even while another process writes.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from pipelines.authoring import catalog
from pipelines.operations.postgres_dump import dump_database, has_tables, is_postgres, restore_database
from pipelines.settings import Profile, Settings, load_settings, prepare_dagster_home
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import access_errors, create_folder, write_atomic
from sixtyforty.storage.home_format import FORMAT_FILE

MANIFEST = "backup.json"
DUMP = "database.dump"
DVC_FILES = (".dvc", "dvc.lock")  # DVC's files in the home, outside data/.
LEFT_OUT = ("data/services", ".dvc/tmp", ".dvc/cache")  # Temporary files, and files that each start writes again.
MUST_BE_EMPTY = ("landing", "models", "deliveries", "reports", "recipe", "dvc/cache", "dvc/remote")
TEMPORARY_ENDINGS = (".lock", "-wal", "-shm", "-journal")
SQLITE_HEADER = b"SQLite format 3\0"
ATTEMPTS = 3


class BackupError(SixtyfortyError):
    """A backup cannot be made or restored. The message says why, and what to do next."""


class BackupManifest(BaseModel):
    """The content of `backup.json`, the manifest of a backup."""

    made: str = Field(description="UTC time of the backup.")
    profile: Profile
    files: dict[str, str] = Field(description="SHA-256 of each file, by its path in the backup.")


class RestoredBackup(BaseModel):
    """The backup that was restored: its time, its number of files, and how many rows of its ledgers were verified."""

    made: str = Field(description="UTC time of the backup.")
    files: int
    ledgers: dict[str, int] = Field(
        description="Number of verified rows of the champion and rollout ledgers, by use case."
    )


def backup(folder: Path, wait_seconds: float = 600) -> BackupManifest:
    """Back up the installation into a folder that is new, empty, or an older backup to update.

    Wait up to `wait_seconds` for active runs to end. If a run starts during the copy, copy the changed files again.
    Raises BackupError if runs do not end, the folder cannot be used, or `pg_dump` fails.
    """
    settings = prepare_dagster_home()
    _prepare_folder(folder)
    files = _copy_between_runs(settings, folder, wait_seconds)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()
    manifest = BackupManifest(
        made=datetime.now(UTC).isoformat(timespec="seconds"), profile=settings.profile, files=files
    )
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


def _prepare_folder(folder: Path) -> None:
    """Create the folder, readable by its owner only, and mark an older backup in it as incomplete."""
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
            raise BackupError(f"{folder} contains files that are not a backup. Choose an empty or new folder.")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise BackupError(f"{folder} cannot be used: {error.strerror}. Choose a folder you can write to.") from error


def _copy_between_runs(settings: Settings, folder: Path, wait_seconds: float) -> dict[str, str]:
    """Copy all files while no run is active. Return the SHA-256 of each file, by its path in the backup."""
    for _ in range(ATTEMPTS):
        started = _wait_for_runs(wait_seconds)
        files = {name: _copy_file(source, folder / name) for name, source in _files_to_copy(settings, folder)}
        if is_postgres(settings.database_url):
            dump_database(settings.database_url, folder / DUMP)
            files[DUMP] = _sha256(folder / DUMP)
        if not _was_run_active_since(started):
            return files
    raise BackupError(
        f"Runs started during each of {ATTEMPTS} attempts to copy the files. "
        "Stop the services (make down), or back up at a quieter hour."
    )


def restore_backup(folder: Path) -> RestoredBackup:
    """Restore a backup into an empty home, lake and PostgreSQL.

    Raises BackupError before anything is changed: if a file of the backup differs from its hash in the backup's
    manifest, or if a target is not empty. Also raises it if a restored file differs from its hash.
    Raises LedgerError if a restored ledger was changed after it was written.
    """
    manifest = _read_manifest(folder)
    settings = load_settings()
    _check_empty(settings)
    _check_files(folder, manifest)
    has_dump = DUMP in manifest.files
    if has_dump != is_postgres(settings.database_url):
        content = "a PostgreSQL database" if has_dump else "no PostgreSQL database, but this installation uses one"
        new_url = "Set SIXTYFORTY_DATABASE_URL to an empty PostgreSQL database."
        cure = new_url if has_dump else "Unset SIXTYFORTY_DATABASE_URL."
        raise BackupError(f"The backup in {folder} contains {content}. {cure}")
    if has_dump:
        restore_database(settings.database_url, folder / DUMP)
    for name in manifest.files.keys() - {DUMP}:
        target = _target(settings, name)
        create_folder(target.parent)
        with access_errors(target):
            shutil.copy2(folder / name, target)
        if _sha256(target) != manifest.files[name]:
            raise BackupError(
                f"{target} differs from the file in the backup after it was copied. Check the disk, empty the home and"
                " the lake, then restore again."
            )
    prepare_dagster_home()
    workspaces = catalog.load_workspaces().complete
    ledgers = {name: len(ws.champion_ledger.rows()) + len(ws.rollout_ledger.rows()) for name, ws in workspaces.items()}
    return RestoredBackup(made=manifest.made, files=len(manifest.files), ledgers=ledgers)


def _read_manifest(folder: Path) -> BackupManifest:
    path = folder / MANIFEST
    if not path.exists():
        raise BackupError(
            f"{folder} has no {MANIFEST}: it is not a backup, or the backup was never finished. Use another backup."
        )
    try:
        manifest = BackupManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BackupError(f"{path} is damaged: {error.errors()[0]['msg']}. Use another backup.") from error
    if f"home/data/{FORMAT_FILE}" not in manifest.files:
        raise BackupError(f"The backup in {folder} was made by version 0.1. Restore the backup with version 0.1.")
    return manifest


def _check_files(folder: Path, manifest: BackupManifest) -> None:
    for name, sha in manifest.files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != sha:
            raise BackupError(f"{folder / name} differs from the file that was backed up. Use another backup.")


def _check_empty(settings: Settings) -> None:
    """Raise BackupError if a restore would overwrite files or tables. Files that `doctor` creates are ignored."""
    folders = [settings.home / "data" / kind for kind in MUST_BE_EMPTY]
    if isinstance(settings.lake, Path):
        folders.append(settings.lake)
    for folder in folders:
        if any(path.is_file() for path in folder.rglob("*")):
            raise BackupError(f"{folder} is not empty. Move its files away, then restore again.")
    if is_postgres(settings.database_url) and has_tables(settings.database_url):
        raise BackupError(
            "The database is not empty. Create a new database (createdb), and set SIXTYFORTY_DATABASE_URL to its URL."
        )


def _target(settings: Settings, name: str) -> Path:
    """Return the path to which a file of the backup is restored: in the lake or in the home."""
    kind, _, path = name.partition("/")
    root = settings.lake if kind == "lake" and isinstance(settings.lake, Path) else settings.home
    return root / path


def _files_to_copy(settings: Settings, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file to copy: its path in the backup, and its path in the installation.

    folder: the backup itself. It may lie in the home, and is never copied.
    """
    # A lake in a bucket is not copied, because the bucket's own versions protect it.
    lake = settings.lake if isinstance(settings.lake, Path) else None
    own = folder.resolve()
    left_out = [own, *(settings.home / name for name in LEFT_OUT)]
    if lake:
        left_out.append(lake)
    for root in (settings.home / "data", *(settings.home / name for name in DVC_FILES)):
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if _is_backed_up(path) and not any(path.is_relative_to(folder) for folder in left_out):
                yield f"home/{path.relative_to(settings.home).as_posix()}", path
    if lake:
        for path in sorted(lake.rglob("*")):
            if _is_backed_up(path) and not path.is_relative_to(own):
                yield f"lake/{path.relative_to(lake).as_posix()}", path


def _is_backed_up(path: Path) -> bool:
    """Return whether a path is a file to back up. Locks, unfinished files and SQLite's log files are left out."""
    is_temporary = path.name.startswith(".writing-") or (
        path.name.endswith(TEMPORARY_ENDINGS) and path.name != "dvc.lock"
    )
    return path.is_file() and not is_temporary


def _copy_file(source: Path, target: Path) -> str:
    """Copy a file unless the target already has the same content. Return the file's SHA-256.

    Raises FileAccessError or BackupError if the file can't be copied, for example to a full disk.
    """
    create_folder(target.parent)
    try:
        with access_errors(target):
            return _copy(source, target)
    except sqlite3.Error as error:
        raise BackupError(
            f"{source} can't be copied to {target}: {error}. Check the free space there, and that {source} is intact."
        ) from error


def _copy(source: Path, target: Path) -> str:
    with source.open("rb") as file:
        is_sqlite = file.read(len(SQLITE_HEADER)) == SQLITE_HEADER
    if is_sqlite:
        target.unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
        return _sha256(target)
    sha = _sha256(source)
    if not target.exists() or _sha256(target) != sha:
        shutil.copy2(source, target)
    return sha


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
