"""The installed packages satisfy each other, except for the conflicts that pyproject.toml overrides."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipelines.settings import ROOT

OVERRIDDEN = {
    ("hydra-core", "antlr4-python3-runtime"),
    ("omegaconf", "antlr4-python3-runtime"),
    ("dbt-core", "dbt-core-experimental-parser"),
}


def find_conflicts() -> set[tuple[str, str]]:
    """Return the pairs of an installed package and a requirement of it that the environment doesn't satisfy."""
    conflicts = set()
    for package in distributions():
        for requirement in map(Requirement, package.requires or []):
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            try:
                is_satisfied = requirement.specifier.contains(version(requirement.name), prereleases=True)
            except PackageNotFoundError:
                is_satisfied = False
            if not is_satisfied:
                conflicts.add((str(package.name).lower(), requirement.name))
    return conflicts


def test_only_the_overridden_requirements_conflict() -> None:
    assert find_conflicts() == OVERRIDDEN
    assert version("antlr4-python3-runtime").startswith("4.13.")


def test_nothing_compiles_grammars_whenever_jsonschema_is_imported() -> None:
    """rfc3987-syntax made the start of each process that imports Great Expectations 1.6 CPU seconds longer."""
    assert find_spec("rfc3987_syntax") is None


@pytest.mark.parametrize(
    ("report", "is_accepted"),
    [
        ("Checked 9 packages in 6ms\nAll installed packages are compatible\n", True),
        (
            "Checked 9 packages in 6ms\nFound 1 incompatibility\n"
            "The package `omegaconf` requires `antlr4-python3-runtime==4.9.*`, but `4.13.2` is installed\n",
            True,
        ),
        (
            "Checked 9 packages in 6ms\nFound 1 incompatibility\n"
            "The package `dbt-core` requires `dbt-core-experimental-parser>=2.0.0b1,<3`, but it's not installed\n",
            True,
        ),
        ("Checked 9\nThe package `dbt-core` requires `pathspec<1.1,>=0.9`, but it's not installed\n", False),
        ("Checked 9 packages in 6ms\nThe package `dvc` requires `x>=2`, but `1` is installed\n", False),
        (
            "Checked 9\nThe package `omegaconf` requires `antlr4-python3-runtime==4.9.*`, but it's not installed\n",
            False,
        ),
        ("Checked 9\nThe package `omegaconf` requires `pyyaml>=5`, but `4` is installed\n", False),
        ("error: unexpected argument\n", False),
    ],
)
def test_make_tolerates_exactly_these_conflicts(report: str, is_accepted: bool, tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (tmp_path / "Makefile").write_text(f"{makefile}\nconflicts:\n\t@awk '$(CONFLICTS)'\n", encoding="utf-8")
    command = ["make", "--no-print-directory", "-C", str(tmp_path), "conflicts"]
    done = subprocess.run(command, input=report, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == is_accepted, done.stdout + done.stderr


def test_each_locked_package_is_in_the_sbom(tmp_path: Path) -> None:
    """`make sbom`, on the first packages of the lock, because all of them take long."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.findall(r"^[^#\s].*\n(?:    .*\n)*", lock, re.M)[:5]
    (tmp_path / "requirements.lock").write_text("".join(packages), encoding="utf-8")
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run(["make", "-C", str(tmp_path), "-o", ".venv/.installed", "sbom"], check=True, capture_output=True)
    components = json.loads((tmp_path / "build" / "sbom.json").read_bytes())["components"]
    listed = {
        f"{package['name']}=={package['version']}": {
            f"sha256:{digest['content']}" for link in package["externalReferences"] for digest in link["hashes"]
        }
        for package in components
    }
    assert listed == {text.split()[0]: set(re.findall(r"sha256:\w+", text)) for text in packages}


@pytest.mark.parametrize("command", ["repro", "status", "push", "pull", "add"])
def test_the_commands_of_dvc_that_the_docs_name_do_not_import_hydra(command: str) -> None:
    program = f"""
import sys
from dvc.cli import main
try:
    main([{command!r}, "--help"])
except SystemExit as ended:
    assert not ended.code
import dvc.repo, dvc.repo.reproduce, dvc.repo.status, dvc.repo.push, dvc.repo.pull, dvc.repo.add
assert not {{"hydra", "omegaconf"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=ROOT)
