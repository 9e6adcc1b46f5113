"""Receipts of messages: which alert or digest was sent to which address. They are append-only JSON lines.

On a full disk no receipt can be written. Messages are sent all the same: the alert about the disk is one of them. The
process then remembers the receipts, so that nobody gets a message twice, and writes them when there is space again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from sixtyforty.storage.files import canonical_json
from sixtyforty.storage.locks import exclusive_lock


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The field that every receipt has: when the message was recorded as sent.

    at: the real time in UTC at which the receipt was appended to its file; empty until then.
    """

    at: str = ""


R = TypeVar("R", bound=Receipt)
_UNWRITTEN: dict[Path, list[Any]] = {}  # receipts of this process that couldn't be written, by file


class Receipts(Generic[R]):
    """The file with the receipts of one kind of message, alerts or digests, of one use case.

    parse: a function that creates a receipt from the fields of a line, which are its keyword arguments.
    """

    def __init__(self, path: Path, parse: Callable[..., R]) -> None:
        self.path, self._parse = path, parse

    def rows(self) -> list[R]:
        """Return all receipts, oldest first. A last line that a crash left incomplete is skipped."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        written = [self._parse(**json.loads(line)) for line in lines if line.endswith("\n")]
        return written + _UNWRITTEN.get(self.path, [])

    def append(self, receipt: R) -> R:
        """Append a receipt to the file, and return the receipt with its time (`at`).

        If the file can't be written, the process remembers the receipt, and appends it together with a later one.
        """
        row = replace(receipt, at=datetime.now(UTC).isoformat(timespec="seconds"))
        rows = [*_UNWRITTEN.pop(self.path, []), row]
        try:
            self._write(rows)
        except OSError as error:
            _UNWRITTEN[self.path] = rows
            print(
                f"receipts: {self.path.name} can't be written ({error.strerror or error})", file=sys.stderr, flush=True
            )
        return row

    def _write(self, rows: Sequence[R]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # remove a last line that a crash left incomplete
                    file.truncate(self.path.read_bytes().rfind(b"\n") + 1)
            file.write(b"".join(canonical_json(asdict(row)).encode() + b"\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold a lock while a sender sends, so that nobody receives the same message twice.

        If the lock's file can't be written, send without it: a message that comes twice is better than none.
        """
        with ExitStack() as stack:
            with suppress(OSError):
                what = f"send messages and append to {self.path.name}"
                stack.enter_context(exclusive_lock(self.path.with_suffix(".lock"), what))
            yield
