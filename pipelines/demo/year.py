"""Run the chain of a use case on its year of demo data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.authoring import catalog
from pipelines.demo.landing import land_into
from pipelines.demo.registry import demo_data_of
from pipelines.operations.run import run_portfolio, run_range
from pipelines.operations.simulated_responses import add_simulated_responses
from sixtyforty.spec.wording import format_plural


@dataclass(frozen=True)
class DemoYear:
    """A finished demo year: title of the use case, its impact report, and the number of simulated responses."""

    title: str
    report: Path
    simulated_responses: int


def run_year(use_case: str, show_progress: Callable[[str], None]) -> DemoYear:
    """Land the extracts of a use case's demo year, and run its chain on them.

    If the use case declares a source of responses, simulate people's responses, because the extracts contain none.
    """
    data_source = demo_data_of(use_case)
    ws = catalog.open_workspace(use_case)
    title = ws.use_case.title
    show_progress(f"{title}: landing a year of extracts")
    extracts = land_into(ws.landing.folder, data_source.land)
    show_progress(f"{title}: landed {format_plural(len(extracts), 'extract')} in {ws.landing.folder}")
    show_progress(f"{title}: running the chain, from extracts to decisions and their value")
    run_range(use_case, ws.use_case.partitions.start, data_source.LAST_DAY)
    responses = 0
    if ws.use_case.people.responses is not None:
        show_progress(f"{title}: simulating responses to the decisions (no real person's responses)")
        responses = add_simulated_responses(use_case)
    return DemoYear(title, ws.reports / "impact.html", responses)


def run_portfolio_report() -> Path:
    """Run the job that compares all use cases, and return the path of the portfolio page."""
    run_portfolio()
    first_use_case = catalog.list_use_cases()[0]
    return catalog.open_workspace(first_use_case).reports.parent / "portfolio.html"
