"""The code dependencies in `dvc.yaml`: its stages depend on every module that the recipe's code imports.

`python -m sixtyforty.dvc_file` writes the dependencies. A test compares them with the import closure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sixtyforty.import_closure import PACKAGES, SOURCES, find_closure, module_path
from sixtyforty.storage.files import write_atomic

RECIPE = "sixtyforty.modeling.dvc_recipe"
DVC_FILE = SOURCES / "dvc.yaml"
CODE_LINES = re.compile(rf"(?:^ +- (?:{'|'.join(PACKAGES)})/\S+\.py\n)+", re.MULTILINE)


def recipe_dependencies(sources: Path = SOURCES) -> list[str]:
    """Return the files of the recipe's import closure, relative to the source folder and sorted by path."""
    paths = (module_path(name, sources) for name in find_closure([RECIPE], sources))
    return sorted(path.relative_to(sources).as_posix() for path in paths if path is not None)


def replace_dependencies(text: str, dependencies: Sequence[str]) -> str:
    """Return the text of `dvc.yaml` with each block of code dependencies replaced. The rest stays as it is."""

    def replace_block(block: re.Match[str]) -> str:
        indent = " " * (len(block[0]) - len(block[0].lstrip()))
        return "".join(f"{indent}- {dependency}\n" for dependency in dependencies)

    return CODE_LINES.sub(replace_block, text)


def write_dependencies(file: Path = DVC_FILE) -> None:
    """Write the recipe's dependencies into `dvc.yaml`."""
    write_atomic(file, replace_dependencies(file.read_text(), recipe_dependencies()).encode())


if __name__ == "__main__":
    write_dependencies()
