"""Running a plain script: its seconds exclude model files."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bench import script_runs
from bench.measure import ProcessRun

PRINTED: dict[str, Any] = {
    "not_counted_s": 0.5,
    "steps": {"land: CSV to Parquet": 1.0},
    "decisions": 7,
    "per_1000": {"model": 1.5},
}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run, instead of running them."""
    run_commands: list[list[str]] = []

    def run_process(command: list[str], log: Path) -> ProcessRun:
        run_commands.append(command)
        return ProcessRun(3.0, 2.0, 100, PRINTED)

    monkeypatch.setattr(script_runs, "run_process", run_process)
    return run_commands


@pytest.mark.parametrize("engine", script_runs.ENGINES)
def test_a_run_has_its_steps_and_its_money(commands: list[list[str]], engine: str) -> None:
    run = script_runs.run_backfill(engine, Path("landing"), Path("out"), Path("log"))
    assert (run.wall_s, run.cpu_s, run.peak_rss_mb) == (2.5, 1.5, 100)
    assert run.steps == {"land: CSV to Parquet": 1.0}
    assert run.money is not None
    assert run.money.decisions == 7
    assert Path(commands[0][1]).exists()
    assert commands[0][2:] == ["backfill", "--landing", "landing", "--out", "out"]


def test_a_day_may_end_with_a_retrain(commands: list[list[str]]) -> None:
    for retrain in (False, True):
        script_runs.run_day("duckdb", Path("landing"), Path("out"), date(2013, 5, 1), Path("log"), retrain)
    assert [command[-2:] for command in commands] == [["--date", "2013-05-01"], ["2013-05-01", "--retrain"]]
