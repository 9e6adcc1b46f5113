"""The declared use cases, without Dagster: what the command line needs to answer at once."""

from __future__ import annotations

import difflib
from pathlib import Path

import yaml

from pipelines.profiles import profile
from sixtyforty.use_case import UseCase
from sixtyforty.versions import Versions
from sixtyforty.workspace import Workspace

FOLDER = Path(__file__).parent / "use_cases"


class NoSuchUseCase(ValueError):
    """Nothing of that name is declared."""


def names() -> list[str]:
    """The declared use cases."""
    return sorted(p.parent.name for p in FOLDER.glob("*/defs.yaml"))


def load(name: str) -> UseCase:
    """A use case by name. Raises NoSuchUseCase with the nearest one."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(names())}"
        raise NoSuchUseCase(f"there is no use case '{name}'{hint}")
    folder = FOLDER / name
    return UseCase(**yaml.safe_load((folder / "defs.yaml").read_text())["attributes"], folder=folder)


def workspace(name: str) -> Workspace:
    """A use case's folders and stores on this profile."""
    chosen = profile()
    return Workspace(load(name), chosen.home, chosen.database_url, chosen.lake)


def versions() -> Versions:
    """The DVC repository of this profile."""
    chosen = profile()
    return Versions(chosen.home, chosen.dvc_remote, chosen.lake)
