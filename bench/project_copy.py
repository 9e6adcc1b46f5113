"""Copy the project with only the benchmark's use case, so that the benchmark can change the copy's declaration."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench.measure import ROOT, BenchError
from bench.use_case import USE_CASE

PACKAGES = ("assets", "bench", "desk", "expectations", "pipelines", "sixtyforty")
FILES = ("dagster.yaml", "pyproject.toml")


def copy_project(folder: Path) -> None:
    """Copy the project's packages to a folder, with only the benchmark's use case. An old copy is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "results.json")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    for declaration in use_cases_folder(folder).glob("*/defs.yaml"):
        if declaration.parent.name != USE_CASE:
            shutil.rmtree(declaration.parent)


def copy_with_use_cases(folder: Path, count: int, landing: Path) -> None:
    """Copy the project with `count` copies of the use case, each with a link to the same landing folder."""
    copy_project(folder)
    use_cases, suites = use_cases_folder(folder), folder / "expectations"
    use_case_template = shutil.move(use_cases / USE_CASE, folder / "use-case-template")
    suites_template = shutil.move(suites / USE_CASE, folder / "suites-template")
    landing_root = folder / "home" / "data" / "landing"
    landing_root.mkdir(parents=True)
    for number in range(count):
        name = f"{USE_CASE}_{number:03}"
        shutil.copytree(use_case_template, use_cases / name)
        shutil.copytree(suites_template, suites / name)
        edit_declaration(folder, name, f"name: {USE_CASE}\n", f"name: {name}\n")
        (landing_root / name).symlink_to(landing, target_is_directory=True)


def edit_declaration(folder: Path, use_case: str, old: str, new: str) -> None:
    """Replace a text in the declaration of a use case. Raises BenchError unless the text occurs exactly once."""
    declaration = use_cases_folder(folder) / use_case / "defs.yaml"
    text = declaration.read_text()
    if text.count(old) != 1:
        raise BenchError(
            f"{declaration}: '{old.strip()}' occurs {text.count(old)} times, expected once. Adapt the benchmark."
        )
    declaration.write_text(text.replace(old, new))


def use_cases_folder(folder: Path) -> Path:
    """Return the folder of the use cases in a copy of the project."""
    return folder / "pipelines" / "use_cases"


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment variables of a process that runs the code of a project copy on the copy's home."""
    return {"PYTHONPATH": str(folder), "SIXTYFORTY_HOME": str(folder / "home"), "PYTHONWARNINGS": "ignore"}


def worker_command(worker: str, *arguments: str) -> list[str]:
    """Return the command that starts a module of `bench.workers` as a process."""
    return [sys.executable, "-m", f"bench.workers.{worker}", *arguments]
