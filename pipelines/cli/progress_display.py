"""Show the progress of a command on stderr: a bar on a terminal, otherwise a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol

from pipelines.settings import load_settings
from sixtyforty.progress import Clock, Work, show_work_on

SECONDS_BETWEEN_LINES = 10
SECONDS_BETWEEN_DRAWINGS = 0.2  # of the bar


class Display(Protocol):
    """Something that shows work in progress."""

    def show(self, works: Sequence[Work]) -> None:
        """Show the works in progress, the outermost first. An empty list: the work has ended."""

    def close(self) -> None:
        """Remove what is shown."""


class LineDisplay:
    """Writes a line every SECONDS_BETWEEN_LINES, so that a log stays short. Quick work writes none."""

    def __init__(self, write: Callable[[str], object], clock: Clock = time.monotonic) -> None:
        self._write, self._clock, self._last = write, clock, clock()

    def show(self, works: Sequence[Work]) -> None:
        """Write a line about the works, if one is due."""
        if works and self._clock() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = self._clock()
            self._write(f"{describe_works(works)}\n")

    def close(self) -> None:
        """Do nothing: written lines stay."""


class BarDisplay:
    """Draws a bar in the last line of the terminal. Lines that are printed meanwhile appear above it.

    It draws only when the work goes on, because a thread that draws could hold a lock while the command forks.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            BarColumn(20),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}", markup=False),
        )
        console = Console(stderr=True, soft_wrap=True, highlight=False)  # the lines of the log stay as they are
        self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False)
        self._task = self._bar.add_task("", total=1.0)
        self._clock, self._drawn, self._details = clock, float("-inf"), list[str]()

    def show(self, works: Sequence[Work]) -> None:
        """Draw the bar for the works, or remove it if they have ended."""
        if not works:
            self.close()
            return
        details = [work.detail for work in works]
        if details != self._details or self._clock() - self._drawn >= SECONDS_BETWEEN_DRAWINGS:
            self._drawn, self._details = self._clock(), details
            self._bar.start()
            share = works[0].share(works[-1] if len(works) > 1 else None)
            self._bar.update(self._task, completed=share, description=describe_works(works), refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()
        self._drawn = float("-inf")


def describe_works(works: Sequence[Work]) -> str:
    """Return a line about the outermost work, with the innermost work as its present part."""
    return works[0].describe(works[-1] if len(works) > 1 else None)


def _write_line(text: str) -> None:
    """Write a line on stderr, unless stderr is a log of JSON lines."""
    if load_settings().log_format != "json":
        print(text, end="", file=sys.stderr, flush=True)


@contextmanager
def show_work(is_silent: bool) -> Iterator[None]:
    """Show the progress of the work in the `with` block on stderr.

    is_silent: show nothing, for a program that reads the output.
    """
    display = None if is_silent else BarDisplay() if sys.stderr.isatty() else LineDisplay(_write_line)
    with show_work_on(display.show) if display else nullcontext():
        try:
            yield
        finally:
            if display:
                display.close()
