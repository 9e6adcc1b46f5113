"""The portfolio: every use case with its stage, value, costs, usage and advice on what to do next.

The money of a use case comes from its KPI ledger: from live decisions if any has a known outcome, otherwise from the
replay. The module `portfolio_total` adds it up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sixtyforty.accounting.run_hours import read_run_hours
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.reports.portfolio_advice import Advice
from sixtyforty.reports.portfolio_cache import read_or_build_line
from sixtyforty.reports.portfolio_line import PortfolioLine, current_scope
from sixtyforty.reports.portfolio_total import Aside, Total, add_up_totals, list_asides
from sixtyforty.reports.readership import UNREAD_DAYS
from sixtyforty.spec import clock
from sixtyforty.storage.files import write_atomic
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class PortfolioFacts:
    """Everything that the portfolio page shows.

    totals: the money that live use cases earned, by currency. asides: all other use cases, which no total counts.
    unread_days: an output of a use case counts as unread if nobody opened it for this number of days.
    """

    lines: list[PortfolioLine]
    totals: list[Total]
    asides: list[Aside]
    unread_days: int = UNREAD_DAYS

    def advised(self, advice: Advice) -> list[PortfolioLine]:
        """Return the portfolio lines of the use cases with this advice, such as `stop`."""
        return [line for line in self.lines if line.advice == advice]

    @property
    def unread(self) -> list[PortfolioLine]:
        """The portfolio lines of the use cases with an output that nobody opened for `unread_days` days."""
        return [line for line in self.lines if line.unread]


def build_portfolio(workspaces: Sequence[Workspace], now: datetime | None = None) -> list[PortfolioLine]:
    """Return the portfolio line of each use case: its stage, value, costs, usage and advice.

    Lines are sorted by currency. Within a currency, measured money comes before assumed money, and a higher net benefit
    before a lower one. now: the current time (UTC, naive); None reads the clock.
    """
    hours = read_run_hours(workspaces[0].home) if workspaces else {}
    as_of = now or clock.now()
    lines = [read_or_build_line(ws, hours.get(ws.use_case.name, 0.0), as_of) for ws in workspaces]
    return sorted(lines, key=lambda line: (line.currency, line.label == "assumed", -line.net, line.name))


def filter_by_scope(workspaces: Sequence[Workspace], scope: Mapping[str, str | None]) -> list[Workspace]:
    """Return the use cases that run for a team, site and region: the scope of their current stage includes these.

    scope: the wanted `team`, `site` and `region`; None matches every use case. A stage that declares no team covers
    every team; the same holds for site and region.
    """

    def is_reached(ws: Workspace) -> bool:
        own = current_scope(ws)
        return all(getattr(own, name) in (None, wish) for name, wish in scope.items() if wish)

    return [ws for ws in workspaces if is_reached(ws)]


def collect_facts(workspaces: Sequence[Workspace], now: datetime | None = None) -> PortfolioFacts:
    """Return everything that the portfolio page shows at a UTC time. now: None means the current time."""
    lines = build_portfolio(workspaces, now)
    return PortfolioFacts(lines, add_up_totals(lines), list_asides(lines))


def write_report(workspaces: Sequence[Workspace], now: datetime | None = None) -> Path:
    """Write the portfolio page `portfolio.html` and return its path.

    workspaces: at least one use case. now: the current time (UTC, naive); None reads the clock.
    """
    path = workspaces[0].reports.parent / "portfolio.html"
    page = page_environment().get_template("portfolio.html").render(portfolio=collect_facts(workspaces, now))
    write_atomic(path, page.encode())
    return path
