"""What people see of the progress of a command, on a clock that the tests set."""

from __future__ import annotations

import io
import sys

import pytest

from pipelines.cli.progress_display import SECONDS_BETWEEN_LINES, BarDisplay, LineDisplay, show_work
from sixtyforty.progress import Work, track
from tests.sixtyforty.test_progress import FakeClock


def test_lines_appear_every_few_seconds_only() -> None:
    clock, lines = FakeClock(), list[str]()
    display = LineDisplay(lines.append, clock)
    work = Work("backup", "file", 100, clock=clock)
    for _ in range(50):
        clock.seconds += 1
        work.advance()
        display.show([work])
    assert len(lines) == 50 / SECONDS_BETWEEN_LINES
    assert lines[0] == "backup: 10 of 100 files, about 2 minutes left\n"


def test_quick_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_work(is_silent=False):
        assert list(track([1, 2], "backup", "file")) == [1, 2]
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A terminal that stores what is written to it."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_which_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock = Terminal(), FakeClock()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal)
    display, work = BarDisplay(clock), Work("backup", "file", 100, clock=clock)
    display.show([work])
    clock.seconds = 30
    work.advance(50)
    display.show([work])
    print("a line of the log", file=sys.stderr)
    display.close()
    text = terminal.getvalue()
    assert " 50%" in text
    assert "backup: 50 of 100 files, about 30 seconds left" in text
    assert "a line of the log" in text
    assert sys.stderr is terminal


def test_a_program_that_reads_json_sees_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with show_work(is_silent=True):
        list(track([1, 2], "backup", "file"))
    assert terminal.getvalue() == ""
