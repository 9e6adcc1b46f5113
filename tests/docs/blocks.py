"""Read the command blocks of a Markdown page and run them, in order, in a copy of the project.

A comment in front of a fenced block says what happens to it:

    <!-- run -->                 the block's commands run; they must succeed
    <!-- run: fails -->          they run and must fail (to show an error)
    <!-- not run: REASON -->     the block is not run, for the reason given
    <!-- run in CI by FILE -->   a test of its own runs it
    <!-- output -->              the block's text must appear in what the last commands printed; `…` matches anything

A block that follows a line with a file name in backticks and a colon is written to that file. Blocks that are neither
commands nor output nor a file (YAML to read, SQL to read) carry no comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.copies import run

FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?(?:^`(?P<file>[\w./-]+)`:\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
COMMANDS = {"bash", "sh", "console", "shell"}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; `mark` is the comment in front of it, `file` where it is to be written."""

    line: int
    mark: str
    file: str
    language: str
    text: str

    @property
    def is_command(self) -> bool:
        """Whether the block holds commands, which must be marked."""
        return self.language in COMMANDS


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text()
    return [
        Block(
            text.count("\n", 0, match.start()) + 1,
            match["mark"] or "",
            match["file"] or "",
            match["language"],
            match["text"],
        )
        for match in FENCE.finditer(text)
    ]


def unmarked_blocks(page: Path) -> Iterator[str]:
    """Yield the command blocks of a page that say neither `run` nor why not, and the marks that are not known."""
    for block in read_blocks(page):
        known = re.fullmatch(r"run|run: fails|run in CI by \S+|output|not run: .{10,}|", block.mark)
        if not known:
            yield f"{page.name}:{block.line}: unknown mark '{block.mark}'"
        elif block.is_command and not block.mark and not block.file:
            yield f"{page.name}:{block.line}: commands without a mark: write <!-- run --> or <!-- not run: REASON -->"


def run_page(page: Path, project: Path) -> None:
    """Write the page's files and run its commands in a project folder, comparing what they print.

    Raises AssertionError naming the line of the block that fails.
    """
    printed = ""
    for block in read_blocks(page):
        where = f"{page.name}:{block.line}"
        if block.file:
            (project / block.file).parent.mkdir(parents=True, exist_ok=True)
            (project / block.file).write_text(block.text)
        elif block.mark in ("run", "run: fails"):
            finished = run(project, "bash", "-euc", block.text)
            printed = finished.stdout + finished.stderr
            assert "Traceback" not in printed, f"{where}: {block.text}\n{printed}"
            assert (finished.returncode == 0) == (block.mark == "run"), f"{where}: {block.text}\n{printed}"
        elif block.mark == "output":
            assert matches(block.text, printed), f"{where}: expected\n{block.text}\nprinted\n{printed}"


def matches(expected: str, printed: str) -> bool:
    """Whether the expected lines appear in the printed text, in order; `…` stands for anything.

    Runs of spaces count as one, so that a page may be narrower than a terminal.
    """
    parts = [r"\s+".join(map(re.escape, part.split())) for part in expected.split("…")]
    return re.search(r"[\s\S]*?".join(parts), printed) is not None


def has_commands_to_run(page: Path) -> bool:
    """Whether the page has a block marked to run."""
    return any(block.mark in ("run", "run: fails") for block in read_blocks(page))


def install(project: Path, environment: Path) -> None:
    """Give a copied project the environment of this test run, as `.venv`."""
    if not (project / ".venv").exists():
        (project / ".venv").symlink_to(environment)
