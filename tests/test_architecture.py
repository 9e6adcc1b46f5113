"""The structure that contributors rely on: import contracts, sizes, and the pinned version of Dagster."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from statistics import median

import pytest
from packaging.requirements import Requirement

from pipelines.settings import ROOT

PACKAGES = ("assets", "bench", "desk", "expectations", "pipelines", "sixtyforty")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_imports_point_downward_and_have_no_cycle() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(command), "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_each_layer_is_a_package_or_module() -> None:
    for contract in PYPROJECT["tool"]["importlinter"]["contracts"]:
        for container in contract.get("containers", []):
            children = [child.strip() for layer in contract["layers"] for child in layer.split("|")]
            folder = ROOT / container.replace(".", "/")
            assert all((folder / child).is_dir() or (folder / f"{child}.py").is_file() for child in children)


@pytest.mark.parametrize("package", ["dagster", "dagster-webserver", "dagster-postgres", "dagster-celery"])
def test_dagster_is_pinned_to_the_installed_minor_version(package: str) -> None:
    """Private names of Dagster may change with each minor version."""
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    texts = [*PYPROJECT["project"]["dependencies"], *(text for extra in extras for text in extra)]
    (requirement,) = (r for r in map(Requirement, texts) if r.name == package)
    major, minor = map(int, version(package).split(".")[:2])
    assert version(package) in requirement.specifier
    assert f"{major}.{minor + 1}" not in requirement.specifier


def test_no_repr_shows_an_address_that_may_hold_a_password() -> None:
    """Once, the repr of ledger anchors and of a sender of webhooks did."""
    secret, shown = re.compile(r"(?<!has)(?<!desk)(^|_)(url|remote|secrets?|password|token)$"), []
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list):
                fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
                names = {ast.unparse(each.target) for each in fields if "repr=False" not in ast.unparse(each)}
                shown += [f"{node.name}.{name}" for name in names if secret.search(name)]
    assert sorted(shown) == ["ObjectPath.url", "PublicDesk.url"]  # neither has a password


def test_modules_and_functions_stay_small() -> None:
    modules = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    lines = {file: file.read_text().splitlines() for file in modules}
    functions = {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file in modules
        for node in ast.walk(ast.parse("\n".join(lines[file])))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {str(file.relative_to(ROOT)): len(text) for file, text in lines.items() if len(text) > 350} == {}
    assert {name: length for name, length in functions.items() if length > 60} == {}
    assert median(len(text) for text in lines.values()) < 150
