"""Every command that a text, a page or a message names exists."""

from __future__ import annotations

import re
import subprocess

import typer

from pipelines.cli.app import app
from pipelines.settings import ROOT

# In code marks, because a sentence such as "a Sixtyforty home" names no command.
NAMED = re.compile(r"(?:`|bin/|>)sixtyforty ([a-z][a-z-]+)")
# The changelog names old commands, and a decision about a later version names a command that is not written yet.
OTHER_VERSIONS = {"CHANGELOG.md", "0017-forgetting-a-unit-by-its-key.md"}
ENDINGS = (".md", ".py", ".html", ".yaml", "Makefile")


def test_every_named_command_exists() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = [ROOT / name for name in listed.splitlines() if name.endswith(ENDINGS)]
    commands = set(typer.main.get_command(app).commands)
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in texts
        if path.name not in OTHER_VERSIONS and path.is_file()
        for name in NAMED.findall(path.read_text())
        if name not in commands
    }
    assert unknown == set()
