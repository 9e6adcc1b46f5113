"""Imports that are killed and repeated give the bytes of an undisturbed import."""

from __future__ import annotations

import subprocess
from itertools import count
from pathlib import Path

import pytest

from bench.items import kills
from bench.items.rows import ImportRun
from bench.measure import BenchError, Settings


def test_a_killed_import_is_repeated_with_the_same_bytes(tmp_path: Path) -> None:
    report = kills.measure(Settings(tmp_path, tmp_path, small=True))
    (row,) = (row for row in report.rows if "same bytes" in row.label)
    assert (row.chain, row.is_met) == ("2 of 2", True)


def replace_imports(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """Let a command take the place of each import that is killed, and let each lake have other bytes."""
    numbers, undisturbed = count(), ImportRun(6000, 1.0, 500, 1.0)
    monkeypatch.setattr(kills, "measure_rows", lambda *_, **__: [{"chain": undisturbed, "duckdb": undisturbed}])
    monkeypatch.setattr(kills, "_start", lambda _, *options: subprocess.Popen(["true"] if options else command))
    monkeypatch.setattr(kills, "lake_digests", lambda _: {"file": str(next(numbers))})


def test_other_bytes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_imports(monkeypatch, ["sleep", "60"])
    report = kills.measure(Settings(tmp_path, tmp_path, small=True))
    (row,) = (row for row in report.rows if "same bytes" in row.label)
    assert (row.chain, row.is_met) == ("0 of 2", False)


def test_an_import_that_ends_before_its_kill_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    replace_imports(monkeypatch, [])
    monkeypatch.setattr(kills, "_start", lambda *_: ended)
    with pytest.raises(BenchError, match="only 0 of 2 imports were still running"):
        kills.measure(Settings(tmp_path, tmp_path, small=True))
