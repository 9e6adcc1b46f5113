"""The command simulates in several processes, and writes figures and page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.coverage.figures import Results
from bench.coverage.run import FIGURES, main, simulate
from bench.coverage.scenarios import SEED, run_scenario

PUBLISHED = Results.read(FIGURES)


def test_the_command_writes_figures_and_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.coverage.run.simulate", lambda runs, processes: replace(PUBLISHED, runs=runs))
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    assert main(["--runs", "10", "--figures", str(figures), "--page", str(page)]) == 0
    assert Results.read(figures).runs == 10
    assert "**10 runs** in each world" in page.read_text()


def test_processes_give_the_figures_of_one_process() -> None:
    names = ["coverage: six campaigns", "bias: independent days"]
    results = simulate(20, 2, names)
    assert results == Results.combine(20, SEED, [run_scenario(name, 20) for name in names])
