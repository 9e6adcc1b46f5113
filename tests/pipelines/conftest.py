"""An empty home, and the command line run in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.answer import described_keys
from pipelines.cli.app import command_objects, main
from pipelines.cli.reference import answer_type


@dataclass(frozen=True)
class CliRun:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The JSON on stdout."""
        assert self.out, self.err
        return json.loads(self.out)


RunCli = Callable[[str], CliRun]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty home."""
    monkeypatch.setenv("SIXTYFORTY_HOME", str(tmp_path / "home"))
    for name in ("SIXTYFORTY_PROFILE", "SIXTYFORTY_DATABASE_URL", "SIXTYFORTY_DVC_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "unused"))
    return tmp_path / "home"


@pytest.fixture
def run_cli(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunCli:
    """Run a command line in the empty home.

    Every JSON answer must have exactly the keys that the reference documents.
    """
    monkeypatch.setenv("COLUMNS", "300")  # Typer's help and usage errors are wrapped to the terminal's width.

    def run(line: str) -> CliRun:
        capsys.readouterr()
        words = shlex.split(line)
        code = main(words)
        captured = capsys.readouterr()
        finished = CliRun(code, captured.out, captured.err)
        if "--json" in words and code == 0:
            documented = described_keys(answer_type(command_objects()[words[0]]))
            assert set(finished.answer) == set(documented), line
        return finished

    return run
