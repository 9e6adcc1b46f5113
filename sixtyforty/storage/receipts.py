"""Receipts of messages: which alert or digest was sent to which address. They are append-only JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.locks import exclusive_lock


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The field that every receipt has: when the message was recorded as sent.

    at: the real time in UTC at which the receipt was appended to its file; empty until then.
    """

    at: str = ""


R = TypeVar("R", bound=Receipt)


class Receipts(Generic[R]):
    """The file with the receipts of one kind of message, alerts or digests, of one use case.

    parse: a function that creates a receipt from the fields of a line, which are its keyword arguments.
    """

    def __init__(self, path: Path, parse: Callable[..., R]) -> None:
        self.path, self._parse = path, parse

    def rows(self) -> list[R]:
        """Return all receipts, oldest first. A last line that a crash left incomplete is skipped."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines(keepends=True)
        return [self._parse(**json.loads(line)) for line in lines if line.endswith("\n")]

    def append(self, receipt: R) -> R:
        """Append a receipt to the file, and return the receipt with its time (`at`)."""
        row = replace(receipt, at=datetime.now(UTC).isoformat(timespec="seconds"))
        with self.path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # remove a last line that a crash left incomplete
                    file.truncate(self.path.read_bytes().rfind(b"\n") + 1)
            file.write(canonical_json(asdict(row)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return row

    def lock(self) -> AbstractContextManager[None]:
        """Return a lock that a sender must hold while it sends, so that nobody receives the same message twice."""
        return exclusive_lock(self.path.with_suffix(".lock"), f"send messages and append to {self.path.name}")
