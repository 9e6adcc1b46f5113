"""A copy of the project, to change its use cases in. Commands on it run in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipelines.settings import ROOT
from tests.warm_commands import COMMANDS, warm_environment

PACKAGES = ("assets", "desk", "docs", "expectations", "pipelines", "sixtyforty")
FILES = ("dagster.yaml", "dvc.yaml", "pyproject.toml", "README.md", "workspace.yaml")


def copy_project(to: Path) -> Path:
    """Copy the project's sources below a folder; its data will be there too."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, to / package)  # with the bytecode: it is valid, as the files keep their times
    for file in FILES:
        shutil.copy2(ROOT / file, to / file)
    return to


def environment(project: Path) -> dict[str, str]:
    """Return the environment of a process that runs the copy: its code, its data, and this environment's tools."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("SIXTYFORTY_", "DAGSTER_"))}
    dagster_home = project / "data" / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    return inherited | {
        "PYTHONPATH": str(project),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SIXTYFORTY_HOME": str(project),
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the copy and wait for its end. The project's commands are forked from a warm server."""
    variables = environment(project)
    if command[0] in COMMANDS:
        variables["PATH"] = f"{warm_environment() / 'bin'}:{variables['PATH']}"
        command = (str(warm_environment() / "bin" / command[0]), *command[1:])
    return subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
