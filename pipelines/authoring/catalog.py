"""The declared use cases by name, without Dagster, so that a command answers at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.authoring import loader
from pipelines.settings import load_settings
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError, SixtyfortyError, closest_match
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.dvc_versions import DvcVersions
from sixtyforty.workspace import Workspace

FOLDER = loader.FOLDER


class UnknownUseCaseError(SixtyfortyError):
    """No use case of that name is declared."""


@dataclass(frozen=True)
class LoadedWorkspaces:
    """The workspaces of the complete use cases by name, and for each invalid use case the reason."""

    complete: dict[str, Workspace] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)


def list_use_cases() -> list[str]:
    """Return the names of the declared use cases, valid or not."""
    return loader.list_use_cases(FOLDER)


def load_use_case(name: str, sql: bool = False) -> UseCase:
    """Return a use case by name, or a Draft if it has blanks.

    sql: also check its SQL against the data contract. Raises UnknownUseCaseError with the closest name, or
    DeclarationError with all problems.
    """
    names = list_use_cases()
    if name not in names:
        meant = closest_match(name, names)
        hint = f"Did you mean {meant}?" if meant else f"Declared are: {', '.join(names)}."
        raise UnknownUseCaseError(f"There is no use case '{name}'. {hint}")
    return loader.load_declaration(FOLDER / name, sql=sql)


def load_workspaces() -> LoadedWorkspaces:
    """Return the workspaces of the use cases that can decide. Drafts are left out, invalid ones are named."""
    loaded = LoadedWorkspaces()
    for name in list_use_cases():
        try:
            workspace = open_workspace(name)
        except DeclarationError as error:
            loaded.invalid[name] = str(error)
            continue
        if not isinstance(workspace.use_case, Draft):
            loaded.complete[name] = workspace
    return loaded


def open_workspace(name: str) -> Workspace:
    """Return a use case with its folders and stores, by the current settings."""
    settings = load_settings()
    return Workspace(load_use_case(name), settings.home, settings.database_url, settings.lake)


def open_dvc_versions() -> DvcVersions:
    """Return the DVC repository of the current settings."""
    settings = load_settings()
    return DvcVersions(settings.home, settings.dvc_remote, settings.lake)
