"""Keep the list of use cases in `dvc.yaml` equal to the declared use cases, however they were written or removed."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.authoring import loader
from sixtyforty.dvc_file import write_use_cases
from sixtyforty.storage.files import FileAccessError


def recipe_files(home: Path) -> list[Path]:
    """Return the `dvc.yaml` of the project, and the one of the home if it has its own."""
    return list(dict.fromkeys([loader.FOLDER.parents[1] / "dvc.yaml", home / "dvc.yaml"]))


def follow_use_cases(home: Path) -> list[Path]:
    """Write the declared use cases into `dvc.yaml` if the file lists others. Return the files that were written.

    In a checkout that can't be written, a line on stderr says so, and everything else goes on.
    """
    names, written = loader.list_use_cases(loader.FOLDER), []
    for file in recipe_files(home):
        try:
            if write_use_cases(file, names):
                written.append(file)
        except FileAccessError as error:
            print(
                f"{file} doesn't list exactly the declared use cases ({', '.join(names)}), and can't be written:"
                f" {error.strerror or error}. Load the definitions once in a checkout that can be written.",
                file=sys.stderr,
            )
    return written
