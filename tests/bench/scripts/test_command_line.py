"""The command line of the plain scripts."""

import sys
from datetime import date
from pathlib import Path

import pytest

from bench.scripts.command_line import delete_outputs, parse_arguments


def test_a_backfill_starts_with_the_replay_of_the_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "backfill", "--landing", "landing", "--out", "out"])
    options = parse_arguments("a script")
    assert (options.command, options.landing, options.out) == ("backfill", Path("landing"), Path("out"))
    assert options.first == date(2013, 4, 1)


def test_a_day_needs_its_date(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "day", "--landing", "landing", "--out", "out"])
    with pytest.raises(SystemExit):
        parse_arguments("a script")
    assert "--date" in capsys.readouterr().err


def test_only_the_outputs_of_a_backfill_are_deleted(tmp_path: Path) -> None:
    for name in ("weather", "features", "models", "decisions", "notes"):
        (tmp_path / name).mkdir()
    delete_outputs(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == ["notes"]
