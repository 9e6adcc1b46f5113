"""The portfolio: every use case with its stage, value, costs, usage and advice on what to do next.

The money of a use case comes from its KPI ledger: from live decisions if any has a known outcome, otherwise from the
replay. A total adds up only use cases with the same currency, label and track. So assumed money is never added to
measured money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sixtyforty.accounting.run_hours import read_run_hours
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.reports.portfolio_advice import Advice
from sixtyforty.reports.portfolio_line import PortfolioLine, build_line, current_scope
from sixtyforty.reports.readership import UNREAD_DAYS
from sixtyforty.spec import clock
from sixtyforty.spec.track import Track
from sixtyforty.storage.files import write_atomic
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class Total:
    """The added-up gains and costs of all use cases with the same currency, track and evidence (such as assumed)."""

    currency: str
    label: str
    track: Track
    use_cases: int
    gain: float
    build: float
    running: float
    run_time: float
    responses_cost: float
    cost: float
    net: float
    roi: float | None

    @property
    def plain(self) -> dict[str, Any]:
        """The added-up gains and costs as a dict for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PortfolioFacts:
    """Everything that the portfolio page shows.

    unread_days: an output of a use case counts as unread if nobody opened it for this number of days.
    """

    lines: list[PortfolioLine]
    totals: list[Total]
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
    lines = [build_line(ws, hours.get(ws.use_case.name, 0.0), as_of) for ws in workspaces]
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


def add_up_totals(lines: Sequence[PortfolioLine]) -> list[Total]:
    """Add up the gains and costs of the use cases in which an outcome is known.

    Return a total for each currency, track and kind of evidence (`exact`, `randomized` or `assumed`), sorted by
    currency. Within a currency, totals with assumed gains come last.
    """
    groups: dict[tuple[str, str, Track], list[PortfolioLine]] = {}
    for line in lines:
        if line.decisions:
            groups.setdefault((line.currency, line.label, line.track), []).append(line)
    in_order = sorted(groups.items(), key=lambda group: (group[0][0], group[0][1] == "assumed", group[0]))
    return [_total(*key, members) for key, members in in_order]


def _total(currency: str, label: str, track: Track, lines: Sequence[PortfolioLine]) -> Total:
    cost, net = sum(line.costs.total for line in lines), sum(line.net for line in lines)
    return Total(
        currency=currency,
        label=label,
        track=track,
        use_cases=len(lines),
        gain=round(sum(line.gain for line in lines), 2),
        build=round(sum(line.costs.build for line in lines), 2),
        running=round(sum(line.costs.running for line in lines), 2),
        run_time=round(sum(line.costs.run_time for line in lines), 2),
        responses_cost=round(sum(line.costs.responses_cost for line in lines), 2),
        cost=round(cost, 2),
        net=round(net, 2),
        roi=round(net / cost, 4) if cost else None,
    )


def collect_facts(workspaces: Sequence[Workspace], now: datetime | None = None) -> PortfolioFacts:
    """Return everything that the portfolio page shows at a UTC time. now: None means the current time."""
    lines = build_portfolio(workspaces, now)
    return PortfolioFacts(lines, add_up_totals(lines))


def write_report(workspaces: Sequence[Workspace], now: datetime | None = None) -> Path:
    """Write the portfolio page `portfolio.html` and return its path.

    workspaces: at least one use case. now: the current time (UTC, naive); None reads the clock.
    """
    path = workspaces[0].reports.parent / "portfolio.html"
    page = page_environment().get_template("portfolio.html").render(portfolio=collect_facts(workspaces, now))
    write_atomic(path, page.encode())
    return path
