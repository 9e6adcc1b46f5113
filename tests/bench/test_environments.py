"""Environments of other tools: installed once, with pip where uv fails."""

import subprocess
from pathlib import Path

import pytest

from bench import environments
from bench.measure import BenchError


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run, instead of running them. Installing the package `missing` fails."""
    run_commands: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        run_commands.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        return subprocess.CompletedProcess(command, int("missing" in command), "", "no such package")

    monkeypatch.setattr(environments.subprocess, "run", run)
    return run_commands


def test_an_environment_is_installed_once(tmp_path: Path, commands: list[list[str]]) -> None:
    python = environments.create_environment(tmp_path, "kedro", ["kedro>=1.0,<2"])
    assert python == tmp_path / "venvs" / "kedro" / "bin" / "python"
    assert len(commands) == 2
    assert environments.create_environment(tmp_path, "kedro", ["kedro>=1.0,<2"]) == python
    assert len(commands) == 2
    environments.create_environment(tmp_path, "kedro", ["kedro>=2"])  # other requirements
    assert len(commands) == 4


def test_a_failed_installation_is_reported_and_tried_again(tmp_path: Path, commands: list[list[str]]) -> None:
    for _ in range(2):
        with pytest.raises(BenchError, match=r"kedro could not be installed: no such package"):
            environments.create_environment(tmp_path, "kedro", ["missing"])
    assert [command[1:3] for command in commands if "venv" in command] == [["-m", "venv"]] * 2
    assert commands[-1][1:3] == ["-m", "pip"]
