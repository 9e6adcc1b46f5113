"""Receipts of messages: which alert or digest was sent to which address. They are append-only JSON lines."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.locks import exclusive_lock


class Receipts:
    """The receipts of one kind of message of one use case, in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[dict[str, Any]]:
        """Return all receipts, oldest first. A last line that a crash left incomplete is skipped."""
        if not self.path.exists():
            return []
        return [json.loads(x) for x in self.path.read_text().splitlines(keepends=True) if x.endswith("\n")]

    def append(self, **fields: Any) -> dict[str, Any]:
        """Append a receipt with these fields and the real time in UTC (`at`), and return the receipt."""
        row = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **fields}
        with self.path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash left the last line incomplete: remove it
                    file.truncate(self.path.read_bytes().rfind(b"\n") + 1)
            file.write(canonical_json(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return row

    def lock(self) -> AbstractContextManager[None]:
        """Return a lock that a sender must hold while it sends, so that nobody receives the same message twice."""
        return exclusive_lock(self.path.with_suffix(".lock"), f"send messages and append to {self.path.name}")
