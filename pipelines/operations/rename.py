"""`sixtyforty rename`: rename a use case with its declaration, data, ledgers, tables and findings.

No decision is taken again. Manifests, which tell whether a partition is stale, contain no use case name. Decision ids,
the draw of the holdout and the code version use the name with which the use case was created. Dagster's records of
earlier runs keep the old name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from desk import accounts
from pipelines.automation.use_case_automation import automation_names
from pipelines.operations.moves import (
    MoveError,
    Project,
    Step,
    count_run_hours,
    move_automation,
    moving,
    refuse_while_busy,
    rename_in_lock_file,
    running_automation,
    take_steps,
)
from sixtyforty.accounting.run_hours import rename_run_hours
from sixtyforty.decisions.database_tables import existing_tables, rename_tables, table_names
from sixtyforty.lifecycle.name_ledger import open_name_ledger, record_renaming
from sixtyforty.spec.base import NAME
from sixtyforty.spec.names import has_name, write_new_name
from sixtyforty.storage.dvc_setup import write_recipe_list
from sixtyforty.storage.files import write_atomic
from sixtyforty.storage.moving import delete_path, move_path, path_exists
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.unfinished_move import Move


@dataclass(frozen=True)
class RenamedUseCase:
    """What `sixtyforty rename` renamed, and what still mentions the old name.

    - tables: the SQL tables, under their new names.
    - sensors: the sensors and schedules that are still switched on, under their new names.
    - mentions: places in the project that still contain the old name, as `file:line`.
    """

    old: str
    new: str
    tables: Sequence[str]
    sensors: Sequence[str]
    mentions: Sequence[str]


def rename_use_case(old: str, new: str, by: str, why: str = "", project: Project | None = None) -> RenamedUseCase:
    """Rename a use case, or finish a rename that was killed.

    If git has brought a declaration that has the new name already, move only the data of this home. Raises MoveError if
    the new name is invalid or taken, or a run or a service is active.
    """
    project = project or Project()
    with moving(project.settings) as unfinished:
        if unfinished and (unfinished.kind, unfinished.old, unfinished.new) != ("rename", old, new):
            raise MoveError(f"Another rename or removal is not finished. Finish it first: {unfinished.command}")
        refuse_while_busy()
        if unfinished is None:
            _check_names(project, old, new)
            _check_targets(project, old, new)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        move = unfinished or Move("rename", old, new, by, why, at)
        take_steps(project.settings, move, list_steps(project, move))
    tables = existing_tables(project.settings.database_url, table_names(new))
    sensors = running_automation(automation_names(new))
    return RenamedUseCase(old, new, list(tables), sensors, project.find_mentions(old))


def list_steps(project: Project, move: Move) -> list[Step]:
    """Return the steps of a rename, each of which can be repeated."""
    old, new, settings = move.old, move.new, project.settings
    paths, new_paths = (project.name_workspace(name).owned_paths() for name in (old, new))
    automation = dict(zip(automation_names(old), automation_names(new), strict=True))
    return [
        ("declaration", partial(_move_declaration, project, old, new)),
        ("ledger of names", partial(_record_renaming, project, move)),
        *((label, partial(_move, label, path, new_paths[label])) for label, path in paths.items()),
        ("tables", partial(rename_tables, settings.database_url, old, new)),
        ("desk accounts", partial(accounts.rename_use_case, settings.database_url, old, new)),
        ("dvc.lock", partial(rename_in_lock_file, settings.home, old, new)),
        ("params.yaml", partial(write_recipe_list, settings.home)),
        ("run hours", partial(_move_run_hours, project, old, new)),
        ("sensors", partial(move_automation, automation)),
    ]


def _check_names(project: Project, old: str, new: str) -> None:
    if not re.fullmatch(NAME, new):
        raise MoveError(
            f"'{new}' is not a valid use case name. Use lower case letters, digits and _, and start with a letter."
        )
    names = project.list_names()
    if new in names and old not in names and old in project.load_use_case(new).former_names:
        return  # the declaration was renamed in another checkout
    project.require_declared(old)
    project.require_writable()
    if (project.folder / new).exists() or (project.rules / new).exists():
        raise MoveError(f"The use case '{new}' or its suites exist already. Choose another name.")
    for name in names:
        if name != old and new in project.load_use_case(name).former_names:
            raise MoveError(
                f"'{new}' is a former name of the use case {name}, whose decision ids contain it. Choose another name."
            )
    project.load_use_case(old)  # raises DeclarationError: a declaration with mistakes can't be renamed safely
    write_new_name((project.folder / old / "defs.yaml").read_text(), old, new)  # raises NameFieldError


def _check_targets(project: Project, old: str, new: str) -> None:
    """Raise MoveError if files or tables already have the new name, such as those of a removed use case."""
    paths, new_paths = (project.name_workspace(name).owned_paths() for name in (old, new))
    taken = [str(new_paths[label]) for label in paths if label != "cache" and path_exists(new_paths[label])]
    tables = existing_tables(project.settings.database_url, table_names(new))
    taken += [f"the table {name}" for name, rows in tables.items() if rows]
    if taken:
        raise MoveError(
            f"These files or tables already have the name '{new}': {', '.join(taken)}."
            " Move them away, or choose another name."
        )


def _move_declaration(project: Project, old: str, new: str) -> None:
    for folder in (project.folder, project.rules):
        if (folder / old).exists():
            (folder / old).rename(folder / new)
    file = project.folder / new / "defs.yaml"
    if has_name(file.read_text(), old):
        write_atomic(file, write_new_name(file.read_text(), old, new).encode())


def _move(label: str, path: StoragePath, new_path: StoragePath) -> None:
    """Move a file or folder. Delete a cache that already has the new name, such as that of a removed use case."""
    if label == "cache" and path_exists(path):
        delete_path(new_path)
    move_path(path, new_path)


def _move_run_hours(project: Project, old: str, new: str) -> None:
    """Move the recorded run hours to the new name, after adding the runs that Dagster records under the old name."""
    count_run_hours(project, [*project.list_names(), old])
    rename_run_hours(project.settings.home, old, new)


def _record_renaming(project: Project, move: Move) -> None:
    """Record the rename in the ledger of names, unless an earlier attempt recorded it and moved the ledger."""
    new_ws = project.open_workspace(move.new)  # an earlier step has moved the declaration
    ws = new_ws.named(move.old)
    if any(path_exists(path) for path in (ws.lake.root, ws.models.root)) and not open_name_ledger(new_ws).rows():
        record_renaming(ws, move.old, move.new, move.by, move.why)
