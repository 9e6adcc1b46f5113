"""The wheel works in the Dagster project of a company that has a package `assets` of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from pipelines.settings import ROOT
from setup import move_names
from tests.declared_project import declare_use_case
from tests.helpers import CALLS, calls_on, csv_text
from tests.landed_calls import DAY

PACKAGES = ("assets", "desk", "expectations", "pipelines", "sixtyforty")
COMPONENT = "sixtyforty.pipelines.component.DecisionPipeline"
PYPROJECT = """
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "company"
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(loaded, dg.Definitions(executor=dg.in_process_executor))
"""
ORDERS = """
import dagster as dg
from assets import OWNER


@dg.asset(owners=[OWNER])
def orders() -> None: ...
"""
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the libraries of this environment, but without the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("LICENSE", "dagster.yaml", "pyproject.toml", "setup.py", "workspace.yaml"):
        shutil.copy2(ROOT / file, folder / "source")
    build = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(build, cwd=folder / "source", capture_output=True, check=True)
    venv.create(folder / "venv", symlinks=True)
    (installed,) = (folder / "venv").glob("lib/*/site-packages")
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(installed)
    (installed / "libraries.pth").write_text(sysconfig.get_path("purelib"))  # read without the clone's own .pth file
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster project with a package `assets`, an asset of its own, and a folder with a use case."""
    project = tmp_path_factory.mktemp("company")
    declare_use_case(project / "company" / "defs", project / "rules", "calls_in_time")
    declaration = project / "company" / "defs" / "calls_in_time" / "defs.yaml"
    declaration.write_text(declaration.read_text().replace("pipelines.component", "sixtyforty.pipelines.component"))
    files = {
        "pyproject.toml": PYPROJECT,
        "assets/__init__.py": 'OWNER = "team:shop"\n',
        "company/__init__.py": "",
        "company/definitions.py": DEFINITIONS,
        "company/defs/orders.py": ORDERS,
        "data/landing/calls_in_time/calls_1.csv": csv_text(CALLS, calls_on(DAY)),
        "dagster/dagster.yaml": "telemetry: {enabled: false}\n",
        ".env": f"SIXTYFORTY_HOME={project}\nSIXTYFORTY_USE_CASES=company/defs\nSIXTYFORTY_SUITES=rules\n",
    }
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    return project


def dg(python: Path, project: Path, *arguments: str) -> str:
    """Run `dg` in the company's project, and return its output."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("SIXTYFORTY_", "PYTHON"))}
    environment = inherited | {"DAGSTER_HOME": str(project / "dagster"), "VIRTUAL_ENV": str(python.parents[1])}
    command = [str(python), "-m", "dagster_dg_cli.cli", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_dg_sees_the_component_of_the_wheel(python: Path, company: Path) -> None:
    components = json.loads(dg(python, company, "list", "components", "--json"))
    assert COMPONENT in {component["key"] for component in components["items"]}


def test_a_use_case_runs_next_to_the_assets_of_the_company(python: Path, company: Path) -> None:
    dg(python, company, "launch", "--assets", 'key:"calls_in_time/raw/calls"+1', "--partition", str(DAY))
    lake = company / "data" / "lake" / "calls_in_time"
    assert (lake / "validated" / "calls" / f"{DAY}.json").is_file()


@pytest.mark.parametrize(
    ("source", "moved"),
    [
        ("from assets.stage import Stage\n", "from sixtyforty.assets.stage import Stage\n"),
        ("    from desk import accounts\n", "    from sixtyforty.desk import accounts\n"),
        ('run("-m", "pipelines.cli")', 'run("-m", "sixtyforty.pipelines.cli")'),
        ('show("desk.html", assets=assets.stages)', 'show("desk.html", assets=assets.stages)'),
    ],
)
def test_names_of_modules_move_and_other_names_stay(source: str, moved: str) -> None:
    assert move_names(source) == moved
