"""Read the archives of removed use cases, so that nobody repeats work whose findings are recorded.

The removal of a use case leaves an archive, a folder with the structure of a home. The archive always holds the
ledgers, with the findings, and `removed.json`: the title, the user research and the reason of the removal. The archive
stores the declaration as text, because a later version of the project may read declarations differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from sixtyforty.spec.people import Research
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.workspace import Workspace

ARCHIVE = "archive"
RECORD = "removed.json"


class RemovedPeople(BaseModel):
    """The user research that the declaration of a removed use case listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    research: Sequence[Research] = ()
    illustrative: bool = False


class RemovedUseCase(BaseModel):
    """The content of `removed.json`: the use case, and who removed it, when and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    title: str
    former_names: Sequence[str] = ()
    people: RemovedPeople = RemovedPeople()
    by: str = Field(description="Who removed the use case.")
    why: str = Field(description="Why the use case was removed.")
    at: str = Field(description="UTC time at which the use case was removed.")
    deleted: bool = Field(
        description="Whether the data of the use case were deleted. The archive always holds the ledgers."
    )

    @property
    def first_name(self) -> str:
        """Empty, so that archived ledgers can be read although a wrong declaration didn't tell the former names."""
        return ""


@dataclass(frozen=True)
class Archive:
    """The archive of a removed use case: a folder in the home, and a second folder if the lakes are outside the home.

    `folder`: the folder in the home. `lakes`: the second folder, inside the folder of the lakes; None without one.
    """

    folder: Path
    lakes: StoragePath | None

    def workspace(self, use_case: UseCase) -> Workspace:
        """Return a workspace that reads the archived files. It has no database: tables are archived as files."""
        return Workspace(use_case, self.folder, "", self.lakes)

    def write_record(self, record: RemovedUseCase) -> None:
        """Write `removed.json`, the record of the removed use case, unless an earlier attempt wrote it."""
        if not (self.folder / RECORD).exists():
            write_atomic(self.folder / RECORD, record.model_dump_json(indent=1).encode())

    def read_record(self) -> RemovedUseCase:
        """Return the content of `removed.json`: the removed use case, and who removed it, when and why."""
        return RemovedUseCase.model_validate_json((self.folder / RECORD).read_bytes())


def open_archive(home: Path, lakes: StoragePath | None, label: str) -> Archive:
    """Return the archive of a removed use case. label: its folder's name, `<use case>-<time of the removal>`."""
    folder = home / "data" / ARCHIVE / label
    if lakes is None or (isinstance(lakes, Path) and lakes.is_relative_to(home)):
        return Archive(folder, None)
    return Archive(folder, lakes / f".{ARCHIVE}" / label)


def list_removed(home: Path, lakes: StoragePath | None) -> list[Workspace]:
    """Return the workspaces of the archives of all removed use cases, oldest removal first.

    The use case of such a workspace has only a name, a title, user research and former names. Only archived files can
    be read.
    """
    records = sorted((home / "data" / ARCHIVE).glob(f"*/{RECORD}"), key=lambda path: path.parent.name)
    archives = (open_archive(home, lakes, path.parent.name) for path in records)
    workspaces = [archive.workspace(cast(UseCase, archive.read_record())) for archive in archives]
    return sorted(workspaces, key=lambda ws: cast(RemovedUseCase, ws.use_case).at)
