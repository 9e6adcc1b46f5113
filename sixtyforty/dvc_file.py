"""Keep `dvc.yaml` complete: each DVC stage lists all modules that `dvc_recipe` imports, because it depends on them.

`python -m sixtyforty.dvc_file` rewrites the dependencies in `dvc.yaml`. A test fails if `dvc.yaml` lists other modules.
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
    """Return the source files of `dvc_recipe` and of all modules that it imports, directly or indirectly.

    The paths are relative to `sources`, and sorted.
    """
    paths = (module_path(name, sources) for name in find_closure([RECIPE], sources))
    return sorted(path.relative_to(sources).as_posix() for path in paths if path is not None)


def replace_dependencies(text: str, dependencies: Sequence[str]) -> str:
    """Return the text of `dvc.yaml` with new code dependencies in each stage. Other lines stay unchanged.

    text: the current content of `dvc.yaml`. dependencies: the paths of the Python files to list.
    """

    def replace_block(block: re.Match[str]) -> str:
        indent = " " * (len(block[0]) - len(block[0].lstrip()))
        return "".join(f"{indent}- {dependency}\n" for dependency in dependencies)

    return CODE_LINES.sub(replace_block, text)


def write_dependencies(file: Path = DVC_FILE) -> None:
    """Rewrite the code dependencies of all stages in `dvc.yaml`."""
    write_atomic(file, replace_dependencies(file.read_text(), recipe_dependencies()).encode())


if __name__ == "__main__":
    write_dependencies()
