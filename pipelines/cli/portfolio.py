"""`sixtyforty portfolio`: compare all use cases by stage, gain, cost and use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.answer import Answer
from pipelines.cli.commands import SEE, command
from pipelines.cli.errors import CommandError

if TYPE_CHECKING:
    from sixtyforty.reports.portfolio_line import PortfolioLine
    from sixtyforty.reports.portfolio_total import Aside, Total


@dataclass(frozen=True, kw_only=True)
class PortfolioAnswer(Answer):
    """Answer of `sixtyforty portfolio`: every use case, with its gain and the advice on what to do next."""

    lines: Annotated[
        Sequence[Mapping[str, Any]],
        "One object for each use case: stage, label (how the value is known), money, usage, advice and why.",
    ]
    totals: Annotated[
        Sequence[Mapping[str, Any]],
        "Money that live use cases earned, by currency, corrected for selection, with 95% intervals. Costs of all use"
        " cases that ever ran live.",
    ]
    asides: Annotated[
        Sequence[Mapping[str, Any]],
        "Use cases that no total counts: replays, null results, assumed gains, retired use cases, refused figures.",
    ]
    page: Annotated[Path, "The portfolio page that was written."]

    @property
    def succeeded(self) -> bool:
        """Whether the figures of every use case can be trusted. After leakage, for example, they can't."""
        return not any(line["refusal"] for line in self.lines)


@command(SEE, "portfolio", "", "--site 'New York' --json")
def portfolio(
    team: Annotated[
        str | None, typer.Option(help="Only use cases whose current stage is declared for this team, or for all teams.")
    ] = None,
    site: Annotated[
        str | None, typer.Option(help="Only use cases whose current stage is declared for this site, or for all sites.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="Only use cases whose current stage is declared for this region, or for all regions."),
    ] = None,
) -> PortfolioAnswer:
    """List every use case with its stage, gain, cost, use and next step, and write the portfolio page."""
    from pipelines.authoring import catalog
    from sixtyforty.reports import portfolio as reports
    from sixtyforty.reports.portfolio_total import add_up_totals, list_asides

    workspaces_by_name = catalog.load_workspaces().complete
    _record_run_hours(workspaces_by_name)
    workspaces = list(workspaces_by_name.values())
    if not workspaces:
        raise CommandError("No use case is complete. See what is missing: sixtyforty doctor.")
    page = reports.write_report(workspaces)
    lines = reports.build_portfolio(reports.filter_by_scope(workspaces, {"team": team, "site": site, "region": region}))
    totals, asides = add_up_totals(lines), list_asides(lines)
    return PortfolioAnswer(
        lines=[line.plain for line in lines],
        totals=[total.plain for total in totals],
        asides=[aside.plain for aside in asides],
        page=page,
        text="\n".join([*_portfolio_lines(lines), *_total_lines(totals, asides), f"Page: {page}"]),
    )


def _record_run_hours(use_cases: Iterable[str]) -> None:
    """Add the hours of newly ended runs to the recorded run hours of each use case, which are part of its cost."""
    from pipelines.settings import prepare_dagster_home

    # Before the import of Dagster, which reads DAGSTER_HOME from the environment.
    settings = prepare_dagster_home()
    import dagster as dg

    from assets.resources import ProjectHome
    from assets.run_hours import record_run_hours

    home = ProjectHome(settings.home, settings.database_url, settings.dvc_remote, settings.lake)
    with dg.DagsterInstance.get() as instance:
        record_run_hours(instance, home, list(use_cases))


def _portfolio_lines(lines: Sequence[PortfolioLine]) -> list[str]:
    money = f"{'net benefit':>14}{'gain':>14}{'cost':>12}{'return':>8}"
    header = f"{'':3}{'use case':24}{'stage':12}{'standing':15}{'label':12}{money}  next"
    return [header, *(_portfolio_line(number, line) for number, line in enumerate(lines, 1))]


def _portfolio_line(number: int, line: PortfolioLine) -> str:
    roi = "-" if line.roi is None else f"{line.roi:.0%}"
    money = f"{line.net:>+14,.0f}{line.gain:>+14,.0f}{line.costs.total:>12,.0f}{roi:>8}"
    if line.refusal:
        money = f"{'refused':>14}{'refused':>14}{line.costs.total:>12,.0f}{'refused':>8}"
    outdated = f"\n{'':3}{line.outdated}" if line.outdated and line.outdated != line.why else ""
    first = f"{number:2} {line.name:24}{line.stage:12}{line.standing:15}{line.label:12}"
    return f"{first}{money}  {line.advice}: {line.why}{outdated}"


def _total_lines(totals: Sequence[Total], asides: Sequence[Aside]) -> list[str]:
    lines = []
    for total in totals:
        net = total.net
        lines.append(
            f"{total.currency}: net benefit {net.value:+,.0f} (95% interval: {net.low:+,.0f} to {net.high:+,.0f})"
        )
        lines.append(total.describe())
    return [*lines, *(aside.describe() for aside in asides)]
