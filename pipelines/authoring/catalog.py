"""The declared use cases, without Dagster: what the command line needs to answer at once."""

from __future__ import annotations

import difflib

from pipelines.authoring import loader
from pipelines.settings import profile
from sixtyforty.spec.draft import Draft
from sixtyforty.spec.errors import DeclarationError
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.dvc_versions import Versions
from sixtyforty.workspace import Workspace

FOLDER = loader.FOLDER


class NoSuchUseCase(ValueError):
    """Nothing of that name is declared."""


def names() -> list[str]:
    """The declared use cases."""
    return loader.names(FOLDER)


def load(name: str) -> UseCase:
    """A use case by name, a Draft where it has blanks. Raises NoSuchUseCase with the nearest one, or Mistakes."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(names())}"
        raise NoSuchUseCase(f"there is no use case '{name}'{hint}")
    return loader.load(FOLDER / name)


def checked(name: str) -> UseCase:
    """As `load`, its SQL bound to its contract as well."""
    load(name)
    return loader.load(FOLDER / name, sql=True)


def complete() -> tuple[dict[str, Workspace], dict[str, str]]:
    """The use cases that can decide, neither drafts nor broken, by name; and why the broken ones can't be loaded."""
    found, broken = {}, {}
    for name in names():
        try:
            ws = workspace(name)
        except DeclarationError as error:
            broken[name] = str(error)
            continue
        if not isinstance(ws.use_case, Draft):
            found[name] = ws
    return found, broken


def workspace(name: str) -> Workspace:
    """A use case's folders and stores on this profile."""
    chosen = profile()
    return Workspace(load(name), chosen.home, chosen.database_url, chosen.lake)


def versions() -> Versions:
    """The DVC repository of this profile."""
    chosen = profile()
    return Versions(chosen.home, chosen.dvc_remote, chosen.lake)
