"""A home with nothing in it, and the command said to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it."""
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path / "home"))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "unused"))
    return tmp_path / "home"


@pytest.fixture
def say(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str, str]]:
    """Says a line to the command; returns exit code, stdout and stderr."""

    def run(line: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(shlex.split(line))
        except SystemExit as left:  # argparse: help, or words it doesn't know
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
