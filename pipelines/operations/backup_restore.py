"""Restore a backup into an empty installation. `backup_folder` describes what a backup holds."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from pydantic import BaseModel, Field

from pipelines.authoring import catalog
from pipelines.operations.backup_folder import (
    DUMP,
    BackupError,
    file_effort,
    file_sha,
    generation_effort,
    list_damages,
    newest_generation,
    read_manifest,
)
from pipelines.operations.postgres_dump import has_tables, is_postgres, restore_database
from pipelines.settings import Settings, load_settings, prepare_dagster_home
from sixtyforty.progress import begin_work, track
from sixtyforty.storage.files import access_errors, create_folder

MUST_BE_EMPTY = ("landing", "models", "deliveries", "reports", "recipe", "dvc/cache", "dvc/remote")


class RestoredBackup(BaseModel):
    """The backup that was restored: its time, its number of files, and how many rows of its ledgers were verified."""

    made: str = Field(description="UTC time of the backup.")
    files: int
    seconds: float = Field(description="How long the restore took.")
    ledgers: dict[str, int] = Field(
        description="Number of verified rows of the champion and rollout ledgers, by use case."
    )


def restore_backup(folder: Path) -> RestoredBackup:
    """Restore a backup into an empty home, lake and PostgreSQL.

    Raises BackupError before anything is changed: if a file of the backup differs from its hash in the backup's
    manifest, or if a target is not empty. Also raises it if a restored file differs from its hash.
    Raises LedgerError if a restored ledger was changed after it was written.
    """
    started, generation = time.monotonic(), newest_generation(folder)
    manifest = read_manifest(generation)
    settings = load_settings()
    _check_empty(settings)
    effort = generation_effort(generation, manifest)
    with begin_work("check backup", "file", len(manifest.files), effort=effort) as work:
        for damage in list_damages(generation, manifest, work):
            raise BackupError(f"{damage} Use another backup.")
    has_dump = DUMP in manifest.files
    if has_dump != is_postgres(settings.database_url):
        content = "a PostgreSQL database" if has_dump else "no PostgreSQL database, but this installation uses one"
        new_url = "Set SIXTYFORTY_DATABASE_URL to an empty PostgreSQL database."
        cure = new_url if has_dump else "Unset SIXTYFORTY_DATABASE_URL."
        raise BackupError(f"The backup in {generation} contains {content}. {cure}")
    if has_dump:
        restore_database(settings.database_url, generation / DUMP)
    names = sorted(manifest.files.keys() - {DUMP})
    for name in track(names, "restore", "file", [file_effort(generation / name) for name in names]):
        target = target_of(settings, name)
        create_folder(target.parent)
        with access_errors(target):
            shutil.copy2(generation / name, target)
        if file_sha(target) != manifest.files[name]:
            raise BackupError(
                f"{target} differs from the file in the backup after it was copied. Check the disk, empty the home and"
                " the lake, then restore again."
            )
    prepare_dagster_home()
    workspaces = catalog.load_workspaces().complete
    ledgers = {name: len(ws.champion_ledger.rows()) + len(ws.rollout_ledger.rows()) for name, ws in workspaces.items()}
    return RestoredBackup(
        made=manifest.made, files=len(manifest.files), ledgers=ledgers, seconds=time.monotonic() - started
    )


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


def target_of(settings: Settings, name: str) -> Path:
    """Return the path to which a file of the backup is restored: in the lake or in the home.

    Raises BackupError if a link on the way leads out of them.
    """
    kind, _, path = name.partition("/")
    root = settings.lake if kind == "lake" and isinstance(settings.lake, Path) else settings.home
    target = root / path
    if not target.resolve().is_relative_to(root.resolve()):
        raise BackupError(f"{target} leads out of {root} by a link. Remove the link, then restore again.")
    return target
