"""A copy of the project, to change its use cases in; commands on it run in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipelines.settings import ROOT

PARTS = ("assets", "desk", "docs", "expectations", "pipelines", "sixtyforty")
FILES = ("dagster.yaml", "dvc.yaml", "pyproject.toml", "README.md", "workspace.yaml")


def copy_project(to: Path) -> Path:
    """The project's sources below a folder; its data lies there too."""
    for part in PARTS:
        shutil.copytree(ROOT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy2(ROOT / file, to / file)
    return to


def environment(project: Path) -> dict[str, str]:
    """For processes that are to run the copy: its code, its data, and the tools of this environment by name."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SIXTYFORTY_", "DAGSTER_"))}
    home = project / "data" / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    return kept | {
        "PYTHONPATH": str(project),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SIXTYFORTY_HOME": str(project),
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the copy, to its end."""
    return subprocess.run(command, cwd=project, env=environment(project), capture_output=True, text=True, check=False)
