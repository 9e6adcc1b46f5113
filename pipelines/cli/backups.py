"""Commands that back up an installation and restore a backup: backup and restore-backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import OPERATE, command
from sixtyforty.spec.wording import format_plural


@dataclass(frozen=True, kw_only=True)
class BackupAnswer(Answer):
    """Answer of `sixtyforty backup`: the backup that was made."""

    made: Annotated[str, "UTC time at which the backup was made."]
    profile: Annotated[str, "Profile of the installation: embedded, production or cluster."]
    files: Annotated[int, "Number of files in the backup."]


@command(OPERATE, "backup", "--to /backups/sixtyforty")
def backup(
    folder: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Folder for the backup: new, empty, or an older backup.")
    ],
    wait_seconds: Annotated[float, typer.Option(min=0, help="Seconds to wait for active runs to end.")] = 600,
) -> BackupAnswer:
    """Back up everything that cannot be recalculated: extracts, models, ledgers, decisions, reports."""
    from pipelines.operations import backup as backups

    manifest = backups.backup(folder.resolve(), wait_seconds)
    count = len(manifest.files)
    text = f"Backed up {format_plural(count, 'file')} to {folder}"
    return BackupAnswer(made=manifest.made, profile=manifest.profile, files=count, text=text)


@dataclass(frozen=True, kw_only=True)
class RestoredAnswer(Answer):
    """Answer of `sixtyforty restore-backup`: the backup that was restored."""

    made: Annotated[str, "UTC time at which the backup was made."]
    files: Annotated[int, "Number of restored files."]
    ledgers: Annotated[Mapping[str, int], "Rows in the champion and rollout ledgers of each use case."]


@command(OPERATE, "restore-backup", "--from /backups/sixtyforty")
def restore_backup(
    folder: Annotated[Path, typer.Option("--from", metavar="FOLDER", help="The folder of the backup to restore.")],
) -> RestoredAnswer:
    """Restore a backup into an empty installation. The command first checks every file, and overwrites nothing."""
    from pipelines.operations import backup as backups

    restored = backups.restore_backup(folder.resolve())
    text = (
        f"Restored {restored.files:,} files from the backup of {restored.made}."
        " Next: sixtyforty doctor, then sixtyforty up."
    )
    return RestoredAnswer(made=restored.made, files=restored.files, ledgers=restored.ledgers, text=text)
