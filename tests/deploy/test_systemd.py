"""The units of systemd are valid, start commands that exist, and confine the services."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.cli.app import command_objects
from pipelines.settings import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
INSTALLED = "/opt/sixtyforty/.venv/bin/sixtyforty"
LARGEST_EXPOSURE = 20  # of systemd's scale from 0 to 100; an unconfined service has 96

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze without a running systemd."""
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
def test_the_units_are_valid(tmp_path: Path) -> None:
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, "/bin/true"))
    finished = analyze("verify", *(str(tmp_path / unit.name) for unit in UNITS))
    assert (finished.returncode, finished.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_services_are_confined(unit: Path) -> None:
    finished = analyze("security", "--offline=true", f"--threshold={LARGEST_EXPOSURE}", str(unit))
    assert finished.returncode == 0, finished.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_each_started_command_exists_with_its_options(unit: Path) -> None:
    for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.M):
        program, name, *arguments = line.split()
        assert program == INSTALLED
        options = {option for parameter in command_objects()[name].params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= options


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_services_cannot_read_the_history_of_the_code(unit: Path) -> None:
    assert "InaccessiblePaths=-/opt/sixtyforty/.git" in unit.read_text().splitlines()
