"""Install the tools that the chain is compared with, each in a separate Python environment in the cache folder.

These tools are not dependencies of the project.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.measure import BenchError

# What the plain scripts need, in the versions of the project's own environment.
SCRIPT_PACKAGES = ("duckdb", "numpy", "pandas", "pyarrow", "pyyaml", "scikit-learn", "skops")
INSTALL_TIMEOUT = 600  # seconds
PIP_OPTIONS = ("--quiet", "--no-compile", "--disable-pip-version-check", "--retries", "1")


def create_environment(cache: Path, name: str, packages: Sequence[str]) -> Path:
    """Return the path of Python in an environment with these packages and the packages of the plain scripts.

    The environment is created if it is missing or has other versions. Raises BenchError if the installation fails.
    """
    folder = cache / "venvs" / name
    requirements = [*packages, *(f"{package}=={version(package)}" for package in SCRIPT_PACKAGES)]
    python, receipt = folder / "bin" / "python", folder / "installed.txt"
    if receipt.exists() and receipt.read_text().split() == requirements:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    _install(name, python, requirements)
    receipt.write_text("\n".join(requirements))
    return python


def installed_version(cache: Path, name: str, package: str) -> str:
    """Return the version of a package in the environment `name`."""
    python = cache / "venvs" / name / "bin" / "python"
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _install(name: str, python: Path, requirements: Sequence[str]) -> None:
    """Install packages with uv, or with pip if uv fails: pip may be configured for a mirror that uv doesn't know."""
    uv = Path(sys.executable).with_name("uv")
    installers = [[str(uv), "pip", "install", "--quiet", "--python", str(python)]] if uv.exists() else []
    installers.append([str(python), "-m", "pip", "install", *PIP_OPTIONS])
    for installer in installers:
        command = [*installer, *requirements]
        attempt = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
        if attempt.returncode == 0:  # not compiled yet: the warm-up runs compile the modules that they import
            return
    raise BenchError(f"{name} could not be installed: {' '.join(attempt.stderr.split())[-300:]}")
