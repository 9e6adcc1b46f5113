"""A demo year: landed, run, and its responses simulated where the use case takes responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.authoring import catalog
from pipelines.demo import year
from pipelines.demo.registry import DEMOS
from pipelines.demo.year import run_portfolio_report, run_year


@pytest.mark.parametrize("use_case", list(DEMOS))
def test_a_year_is_landed_run_and_reported(use_case: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[Any, ...]] = []
    progress: list[str] = []
    monkeypatch.setattr(year, "run_range", lambda *arguments: runs.append(arguments))
    monkeypatch.setattr(year, "land_into", lambda folder, land: [Path("one.csv"), Path("two.csv")])
    monkeypatch.setattr(year, "add_simulated_responses", lambda name: 12)
    finished = run_year(use_case, progress.append)
    declaration = catalog.load_use_case(use_case)
    assert runs == [(use_case, declaration.partitions.start, DEMOS[use_case].LAST_DAY)]
    assert finished.title == declaration.title
    assert finished.report.name == "impact.html"
    assert finished.simulated_responses == (12 if declaration.people.responses else 0)
    assert f"{declaration.title}: landed 2 extracts in" in progress[1]
    assert all(line.startswith(f"{declaration.title}: ") for line in progress)


def test_the_portfolio_is_run_and_its_page_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    monkeypatch.setattr(year, "run_portfolio", lambda: runs.append("portfolio"))
    page = run_portfolio_report()
    assert (page.name, runs) == ("portfolio.html", ["portfolio"])
    assert page.is_relative_to(home)
