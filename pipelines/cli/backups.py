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
    """Answer of `sixtyforty backup`: the backup that was made or verified."""

    made: Annotated[str, "UTC time at which the backup was made."]
    profile: Annotated[str, "Profile of the installation: embedded, production or cluster."]
    files: Annotated[int, "Number of files in the backup."]
    generation: Annotated[str, "Folder of the backup."]
    seconds: Annotated[float, "How long making or verifying the backup took."]
    refused_links: Annotated[
        Mapping[str, str], "Links in the landing zone that were left out: the reason of each, by path in the backup."
    ]


@command(OPERATE, "backup", "--to /backups/sixtyforty", "--to /backups/sixtyforty --verify")
def backup(
    folder: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Folder of the backups: new, empty, or with earlier backups.")
    ],
    wait_seconds: Annotated[float, typer.Option(min=0, help="Seconds to wait for active runs to end.")] = 600,
    keep: Annotated[int, typer.Option(min=1, help="Number of backups to keep. Older ones are removed.")] = 7,
    verify: Annotated[
        bool, typer.Option("--verify", help="Make no backup. Check every file of the newest one against its hash.")
    ] = False,
) -> BackupAnswer:
    """Back up everything that cannot be recalculated: extracts, models, ledgers, decisions, reports."""
    from pipelines.operations import backup as backups

    backed_up = (
        backups.verify_backup(folder.resolve()) if verify else backups.backup(folder.resolve(), wait_seconds, keep)
    )
    manifest = backed_up.manifest
    count = len(manifest.files)
    text = (
        f"Verified {format_plural(count, 'file')} of {backed_up.generation}, made at {manifest.made}"
        if verify
        else f"Backed up {format_plural(count, 'file')} to {backed_up.generation}"
    )
    refused = "".join(f"\nLeft out {name}: {reason}." for name, reason in backed_up.refused_links.items())
    return BackupAnswer(
        made=manifest.made,
        profile=manifest.profile,
        files=count,
        generation=str(backed_up.generation),
        seconds=round(backed_up.seconds, 3),
        refused_links=backed_up.refused_links,
        text=f"{text} ({backed_up.seconds:.1f} s).{refused}",
    )


@dataclass(frozen=True, kw_only=True)
class RestoredAnswer(Answer):
    """Answer of `sixtyforty restore-backup`: the backup that was restored."""

    made: Annotated[str, "UTC time at which the backup was made."]
    files: Annotated[int, "Number of restored files."]
    seconds: Annotated[float, "How long the restore took."]
    ledgers: Annotated[Mapping[str, int], "Rows in the champion and rollout ledgers of each use case."]


@command(OPERATE, "restore-backup", "--from /backups/sixtyforty")
def restore_backup(
    folder: Annotated[
        Path,
        typer.Option(
            "--from", metavar="FOLDER", help="Folder of the backups, whose newest is restored, or one backup in it."
        ),
    ],
) -> RestoredAnswer:
    """Restore a backup into an empty installation. The command first checks every file, and overwrites nothing."""
    from pipelines.operations import backup_restore

    restored = backup_restore.restore_backup(folder.resolve())
    text = (
        f"Restored {restored.files:,} files from the backup of {restored.made} in {restored.seconds:.1f} s."
        " Next: sixtyforty doctor, then sixtyforty up."
    )
    return RestoredAnswer(
        made=restored.made,
        files=restored.files,
        seconds=round(restored.seconds, 3),
        ledgers=restored.ledgers,
        text=text,
    )
