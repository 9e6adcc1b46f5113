"""docs/TUTORIAL.md, word for word: its files are written and its commands run, in a copy of the project."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.settings import ROOT
from tests.copies import copy_project, run

BLOCK = re.compile(r"(?:^`(?P<file>[\w./]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


def blocks() -> Iterator[tuple[str, str | None, str]]:
    """Each block of the page in order: what it is, the file it is to be written to, its text."""
    for found in BLOCK.finditer((ROOT / "docs" / "TUTORIAL.md").read_text()):
        yield found["kind"], found["file"], found["text"]


@pytest.mark.e2e
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    project, said, told = copy_project(tmp_path), "", []
    (project / ".venv").symlink_to(sys.prefix)
    for kind, file, text in blocks():
        if file:
            (project / file).write_text(text)
        elif kind == "bash":
            done = run(project, "bash", "-euc", text)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stdout + done.stderr
            said = done.stdout
            told.append(said)
        else:
            assert kind == "text"
            assert text.strip() in said, said
    assert "is begun, as a draft" in told[1] and "PROMOTE" in told[-1]
