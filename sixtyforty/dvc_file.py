"""Keep `dvc.yaml` complete: its use cases, and the modules that `dvc_recipe` imports, on which each stage depends.

`python -m sixtyforty.dvc_file` rewrites the dependencies. A test fails if the file lists other modules. The list of use
cases is rewritten whenever Dagster's definitions are loaded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sixtyforty.import_closure import PACKAGES, SOURCES, find_closure, module_path
from sixtyforty.storage.files import write_atomic

RECIPE = "sixtyforty.modeling.dvc_recipe"
DVC_FILE = SOURCES / "dvc.yaml"
USE_CASE_LIST = re.compile(r"foreach: \[(.*?)\]", re.DOTALL)
CODE_LINES = re.compile(rf"(?:^ +- (?:{'|'.join(PACKAGES)})/\S+\.py\n)+", re.MULTILINE)


def recipe_dependencies(sources: Path = SOURCES) -> list[str]:
    """Return the source files of `dvc_recipe` and of all modules that it imports, directly or indirectly.

    The paths are relative to `sources`, and sorted.
    """
    paths = (module_path(name, sources) for name in find_closure([RECIPE], sources))
    return sorted(path.relative_to(sources).as_posix() for path in paths if path is not None)


def replace_dependencies(text: str, dependencies: Sequence[str]) -> str:
    """Return the text of `dvc.yaml` with new code dependencies in each stage. Other lines stay unchanged.

    text: the current content of the file. dependencies: the paths of the Python files to list.
    """

    def replace_block(block: re.Match[str]) -> str:
        indent = " " * (len(block[0]) - len(block[0].lstrip()))
        return "".join(f"{indent}- {dependency}\n" for dependency in dependencies)

    return CODE_LINES.sub(replace_block, text)


def replace_use_cases(text: str, use_cases: Sequence[str]) -> str:
    """Return the text of `dvc.yaml` with the names of these use cases in each stage. Other lines stay unchanged.

    Names that a stage already lists come first, in the same order.
    """

    def replace_list(match: re.Match[str]) -> str:
        listed = [name for name in re.split(r"[,\s]+", match[1]) if name in use_cases]
        added = [name for name in use_cases if name not in listed]
        return f"foreach: [{', '.join([*listed, *added])}]"

    return USE_CASE_LIST.sub(replace_list, text)


def write_use_cases(file: Path, use_cases: Sequence[str]) -> bool:
    """List these use cases in each DVC stage of `dvc.yaml`. Return whether the file had to be rewritten.

    A missing file is not created. Raises FileAccessError if the file can't be written.
    """
    if not file.exists():
        return False
    text = file.read_text()
    updated = replace_use_cases(text, use_cases)
    if updated != text:
        write_atomic(file, updated.encode())
    return updated != text


def write_dependencies(file: Path = DVC_FILE) -> None:
    """Rewrite the code dependencies of all stages in `dvc.yaml`."""
    write_atomic(file, replace_dependencies(file.read_text(), recipe_dependencies()).encode())


if __name__ == "__main__":
    write_dependencies()
