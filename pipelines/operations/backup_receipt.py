"""The receipt of the newest backup, by which the watch sees that backups are made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.settings import Settings
from sixtyforty.storage.files import write_atomic

RECEIPT = "newest_backup.json"


@dataclass(frozen=True)
class BackupReceipt:
    """When the newest backup was made (UTC, ISO format), where it lies, and how many files it has."""

    made: str
    folder: str
    files: int

    def age_hours(self, now: float) -> float:
        """Return the age of the backup in hours. `now`: seconds since 1970."""
        return (now - datetime.fromisoformat(self.made).astimezone(UTC).timestamp()) / 3600


def write_receipt(settings: Settings, generation: Path, made: str, files: int) -> None:
    """Record a complete backup in the home."""
    content = json.dumps(asdict(BackupReceipt(made, str(generation), files)))
    write_atomic(settings.home / "data" / RECEIPT, content.encode())


def read_receipt(settings: Settings) -> BackupReceipt | None:
    """Return the receipt of the newest backup; None if no backup was ever made."""
    try:
        return BackupReceipt(**json.loads((settings.home / "data" / RECEIPT).read_bytes()))
    except FileNotFoundError:
        return None
