"""`sixtyforty remove`: take a use case out of the project, and archive or delete its data.

The ledgers, the model cards, the model records and the findings are kept in any case: auditors follow decisions through
them, and `sixtyforty knowledge` searches them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipelines.automation.use_case_automation import automation_names
from pipelines.operations.moves import (
    MoveError,
    Project,
    Step,
    move_automation,
    moving,
    refuse_while_busy,
    rename_in_lock_file,
    take_steps,
)
from sixtyforty.decisions.database_tables import drop_tables, existing_tables, export_tables, table_names
from sixtyforty.reports.findings import open_findings
from sixtyforty.reports.removed_use_cases import Archive, RemovedPeople, RemovedUseCase, open_archive
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.storage.dvc_setup import write_recipe_list
from sixtyforty.storage.ledger_anchors import delete_anchors
from sixtyforty.storage.moving import delete_path, move_path
from sixtyforty.storage.object_store import ObjectPath, StoragePath
from sixtyforty.storage.unfinished_move import Move

if TYPE_CHECKING:
    from sixtyforty.workspace import Workspace

LEDGER_FILES = (".jsonl", ".head")
# These folders are archived even if the data are deleted.
KEPT_FOLDERS = ("models", "models_copy", "reports", "alerts", "digests", "reads")


@dataclass(frozen=True)
class RemovedAnswer:
    """What `sixtyforty remove` did, and what still mentions the removed use case.

    - archive: the folder with all files that were kept.
    - deleted: whether the data were deleted.
    - tables: the number of rows of each SQL table that was archived or deleted, by table name.
    - findings: the number of findings, which `sixtyforty knowledge` still shows.
    - mentions: places in the project that contain the name, as `file:line`.
    """

    use_case: str
    archive: Path
    deleted: bool
    tables: Mapping[str, int]
    findings: int
    mentions: list[str]


def remove_use_case(
    name: str, by: str, why: str, deletes: bool = False, project: Project | None = None
) -> RemovedAnswer:
    """Remove a use case, or finish a removal that was killed.

    deletes: delete the data instead of archiving them. Raises MoveError if the use case decides live, or a run or a
    service is active.
    """
    project = project or Project()
    settings = project.settings
    with moving(settings) as unfinished:
        if unfinished and (unfinished.kind, unfinished.old, unfinished.deletes) != ("remove", name, deletes):
            raise MoveError(f"Another rename or removal is not finished. Finish it first: {unfinished.command}")
        refuse_while_busy()
        if unfinished is None:
            _check_removable(project, name)
        now = datetime.now(UTC)
        label = f"{name}-{now:%Y%m%dT%H%M%S}"
        move = unfinished or Move("remove", name, label, by, why, now.isoformat(timespec="seconds"), deletes)
        archive = open_archive(settings.home, settings.lake, move.new)
        tables = existing_tables(settings.database_url, table_names(name))
        take_steps(settings, move, list_steps(project, move, archive))
    ws = archive.workspace(project.name_workspace(name).use_case)
    findings = len(open_findings(ws).rows())
    return RemovedAnswer(name, archive.folder, deletes, tables, findings, project.find_mentions(name))


def list_steps(project: Project, move: Move, archive: Archive) -> list[Step]:
    """Return the steps of a removal, each of which can be repeated."""
    name, settings = move.old, project.settings
    ws = project.name_workspace(name)
    targets = archive.workspace(ws.use_case).owned_paths()
    tables = archive.folder / "tables"
    keep = [] if move.deletes else [("export", partial(export_tables, settings.database_url, name, tables))]
    return [
        ("record", lambda: _write_record(project, move, archive)),
        *keep,
        ("tables", partial(drop_tables, settings.database_url, name)),
        ("anchors", partial(_delete_anchors, settings.database_url, archive)),
        *(
            (label, partial(_archive_or_delete, label, path, targets.get(label), move.deletes))
            for label, path in ws.owned_paths().items()
        ),
        ("declaration", partial(_archive_folder, project.folder / name, archive.folder / "declaration")),
        ("suites", partial(_archive_folder, project.rules / name, archive.folder / "suites")),
        ("dvc.lock", partial(rename_in_lock_file, settings.home, name, None)),
        ("params.yaml", partial(write_recipe_list, settings.home)),
        ("sensors", partial(move_automation, dict.fromkeys(automation_names(name)))),
    ]


def _check_removable(project: Project, name: str) -> None:
    project.require_declared(name)
    project.require_writable()
    ws: Workspace = project.name_workspace(name)
    if ws.champion_ledger.promotions("live") and not ws.stage_ledger.is_retired():
        raise MoveError(
            f"{name} decides live. Retire it first, so that the current process decides:"
            f" sixtyforty stage {name} --retire --why TEXT"
        )


def _write_record(project: Project, move: Move, archive: Archive) -> None:
    if not (project.folder / move.old).exists():
        return  # an earlier attempt wrote the record of the removal and archived the declaration
    title, people, former_names = move.old, RemovedPeople(), list[str]()
    with suppress(DeclarationError):  # a declaration with mistakes can be removed, too
        use_case = project.load_use_case(move.old)
        title, former_names = use_case.title, use_case.former_names
        if not isinstance(use_case, Draft):  # the people of a draft may be blank
            research, illustrative = use_case.people.research, use_case.people.illustrative
            people = RemovedPeople(research=research, illustrative=illustrative)
    archive.write_record(
        RemovedUseCase(
            name=move.old,
            title=title,
            former_names=former_names,
            people=people,
            by=move.by,
            why=move.why,
            at=move.at,
            deleted=move.deletes,
        )
    )


def _delete_anchors(database_url: str, archive: Archive) -> None:
    """Delete the anchors of the removed use case's ledgers, so that a new use case can have its name."""
    record = archive.read_record()
    delete_anchors(database_url, record.former_names[0] if record.former_names else record.name)


def _archive_or_delete(label: str, path: StoragePath, target: StoragePath | None, deletes: bool) -> None:
    """Archive a file or folder of the use case, or delete it.

    label: what the path holds, such as `cache` or `models`. target: the path in the archive. deletes: whether the user
    wants the data deleted. A cache is always deleted. Ledgers, model cards and model records are never deleted.
    """
    if label == "cache" or (deletes and label not in KEPT_FOLDERS):
        delete_path(path)
        return
    if deletes and label in ("models", "models_copy", "reports"):
        _prune(path, label)
    assert target is not None, label
    move_path(path, target)


def _prune(folder: StoragePath, label: str) -> None:
    """Delete the files of a folder, except those that are always kept: ledgers, model cards and model records."""
    if isinstance(folder, ObjectPath):
        files = list(folder.list_objects(recursive=True))
    else:
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    for file in map(PurePosixPath, files):
        is_ledger = file.suffix in LEDGER_FILES or file.name == "card.json"
        is_record = label == "reports" and file.parts[0] == "records"
        if not is_ledger and not is_record:
            (folder / str(file)).unlink()


def _archive_folder(folder: Path, target: Path) -> None:
    """Move the folder of a declaration or of suites to the archive, which may be on another disk."""
    if not folder.exists():
        return
    if target.exists():  # an attempt that was killed has copied the folder completely
        shutil.rmtree(folder)
        return
    move_path(folder, target)
