"""Load declared use cases by name, without importing Dagster, so that commands start fast."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipelines.authoring import loader
from pipelines.settings import load_settings
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError, SixtyfortyError, closest_match
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.dvc_versions import DvcVersions
from sixtyforty.storage.unfinished_move import refuse_unfinished_move
from sixtyforty.workspace import Workspace

FOLDER = loader.FOLDER


class UnknownUseCaseError(SixtyfortyError):
    """No use case with the requested name is declared."""


@dataclass(frozen=True)
class LoadedWorkspaces:
    """Workspaces and errors by use case.

    - complete: the workspaces of complete use cases.
    - invalid: the error texts of invalid declarations.
    - unread: workspaces of use cases whose data can't be read, and the error. Only `load_workspaces_to_watch` fills it.
    """

    complete: dict[str, Workspace] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    unread: dict[str, tuple[Workspace, Exception]] = field(default_factory=dict, kw_only=True)


def list_use_cases() -> list[str]:
    """Return the names of all declared use cases, including those with an invalid declaration."""
    return loader.list_use_cases(FOLDER)


def load_use_case(name: str, sql: bool = False) -> UseCase:
    """Load a use case by name. Return a Draft if its declaration has TODO fields.

    sql: also check the use case's SQL against the data contract. Raises UnknownUseCaseError with the closest declared
    name, or DeclarationError with all problems.
    """
    if not name or Path(name).name != name or not (FOLDER / name / "defs.yaml").is_file():
        names = list_use_cases()
        meant = closest_match(name, names)
        hint = f"Did you mean {meant}?" if meant else f"Declared are: {', '.join(names)}."
        raise UnknownUseCaseError(f"There is no use case '{name}'. {hint}")
    return loader.load_declaration(FOLDER / name, sql=sql)


def load_workspaces() -> LoadedWorkspaces:
    """Return the workspaces of complete use cases and the error texts of invalid ones. Drafts are in neither.

    Raises the error of the first use case whose data can't be read.
    """
    loaded = load_workspaces_to_watch()
    for _, error in loaded.unread.values():
        raise error
    return loaded


def load_workspaces_to_watch() -> LoadedWorkspaces:
    """Return all workspaces, also of use cases whose data can't be read, such as while the lake is unreachable."""
    loaded = LoadedWorkspaces()
    for name in list_use_cases():
        try:
            workspace = open_workspace(name)
        except DeclarationError as error:
            loaded.invalid[name] = str(error)
            continue
        except Exception as error:  # who loads workspaces to watch reports it; load_workspaces raises it
            loaded.unread[name] = open_without_data(name), error
            continue
        if not isinstance(workspace.use_case, Draft):
            loaded.complete[name] = workspace
    return loaded


def read_alert_roles(name: str) -> dict[str, list[str]]:
    """Return the roles and address variables that an invalid declaration still names for alerts; empty if it can't be
    read so far.
    """
    return loader.read_alert_roles(FOLDER / name)


def open_workspace(name: str) -> Workspace:
    """Load a use case by name and return its workspace: the use case with its home, database and lake.

    The workspace uses the keys, timezone and partitions under which the data was stored. So the data stays readable
    after an edit of the declaration. Home, database and lake come from the settings of this process.
    """
    from sixtyforty.lifecycle.fixed_parts import with_stored_parts

    return with_stored_parts(open_declared_workspace(name))


def open_declared_workspace(name: str) -> Workspace:
    """Load a use case by name and return its workspace, exactly as its `defs.yaml` declares it now.

    `open_workspace` instead keeps the keys, timezone and partitions under which the data was stored. Raises
    UnfinishedMoveError if the use case is being renamed or removed, and MissingDataError if the data folders still have
    a former name.
    """
    settings = load_settings()
    refuse_unfinished_move(settings.home, settings.lake, name)
    return open_without_data(name).require_data_under_name()


def open_without_data(name: str) -> Workspace:
    """Load a use case by name and return its workspace, without a look at its data."""
    settings = load_settings()
    return Workspace(load_use_case(name), settings.home, settings.database_url, settings.lake)


def open_dvc_versions() -> DvcVersions:
    """Return the DVC repository that keeps the versions of training sets and models of this home."""
    settings = load_settings()
    return DvcVersions(settings.home, settings.dvc_remote, settings.lake)
