"""Keep the list in `dvc.yaml` equal to the declared use cases, also after folders are added or removed by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.authoring import loader
from sixtyforty.dvc_file import write_use_cases
from sixtyforty.storage.files import FileAccessError


def recipe_files(home: Path) -> list[Path]:
    """Return the paths at which a `dvc.yaml` may exist: in the project and in the home."""
    return list(dict.fromkeys([loader.FOLDER.parents[1] / "dvc.yaml", home / "dvc.yaml"]))


def follow_use_cases(home: Path) -> list[Path]:
    """Write the declared use cases into `dvc.yaml` if the file lists others. Return the files that were written.

    If a file can't be written, print a line on stderr and go on.
    """
    names, written = loader.list_use_cases(loader.FOLDER), []
    for file in recipe_files(home):
        try:
            if write_use_cases(file, names):
                written.append(file)
        except FileAccessError as error:
            print(
                f"{file} doesn't list exactly the declared use cases ({', '.join(names)}), and can't be written:"
                f" {error.strerror or error}. Run `dg check defs` once in a checkout that you can write to.",
                file=sys.stderr,
            )
    return written
