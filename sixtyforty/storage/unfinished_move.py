"""The journal of a rename or a removal of a use case, so that a killed process is noticed and its work is finished.

The journal is written before the first file is moved, and deleted after the last. While it exists, no run and no
service starts, because half of the use case's files have one name and half have another.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.files import canonical_json, write_atomic
from sixtyforty.storage.object_store import ObjectPath, StoragePath

JOURNAL = ".moving.json"


class UnfinishedMoveError(SixtyfortyError):
    """A rename or a removal of a use case was interrupted, and must be finished first."""


@dataclass(frozen=True)
class Move:
    """A rename or a removal of a use case.

    - old: the old name. new: the new name or, for a removal, the name of the archive folder.
    - by, why: who renames or removes the use case, and the reason. at: the start, an ISO timestamp in UTC.
    - deletes: whether a removal deletes the data instead of archiving them.
    """

    kind: Literal["rename", "remove"]
    old: str
    new: str
    by: str
    why: str
    at: str
    deletes: bool = False

    @property
    def command(self) -> str:
        """The command that finishes the rename or removal of the use case."""
        if self.kind == "rename":
            return f"sixtyforty rename {self.old} {self.new}"
        return f"sixtyforty remove {self.old} --why '{self.why}'" + (" --delete-data" if self.deletes else "")


def _path(home: Path, lakes: StoragePath | None) -> StoragePath:
    """Return the path of the journal of a rename or removal of a use case.

    If the lakes are in the object store, the journal is there too, so that every machine sees it.
    """
    return lakes / JOURNAL if isinstance(lakes, ObjectPath) else home / "data" / JOURNAL


def read_move(home: Path, lakes: StoragePath | None) -> Move | None:
    """Return the rename or removal of a use case that is under way or was interrupted; None if there is none."""
    path = _path(home, lakes)
    try:
        return Move(**json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def write_move(home: Path, lakes: StoragePath | None, move: Move) -> None:
    """Record a rename or removal of a use case in the journal, before its first file is moved."""
    write_atomic(_path(home, lakes), canonical_json(asdict(move)).encode())


def end_move(home: Path, lakes: StoragePath | None) -> None:
    """Delete the journal of a rename or removal, because it is complete."""
    _path(home, lakes).unlink(missing_ok=True)


def refuse_unfinished_move(home: Path, lakes: StoragePath | None, use_case: str | None = None) -> None:
    """Raise UnfinishedMoveError if a rename or removal of a use case is under way or was interrupted.

    use_case: raise only if the rename or removal concerns this use case. None: any use case.
    """
    move = read_move(home, lakes)
    if move and (use_case is None or use_case in (move.old, move.new)):
        noun = "rename" if move.kind == "rename" else "removal"
        raise UnfinishedMoveError(
            f"The {noun} of {move.old} by {move.by}, started at {move.at} UTC,"
            f" is not finished. If no process is working on the {noun}, finish it with this command: {move.command}"
        )
