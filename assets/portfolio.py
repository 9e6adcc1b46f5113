"""Define the assets that compare all use cases: portfolio and maturity, in the group `portfolio`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.metadata import Metadata, TableRow, table
from assets.resources import BusinessClock, ProjectHome
from assets.run_hours import record_run_hours
from assets.stage import StageResult
from assets.wiring import AssetPlan, Wiring, build_asset
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.files import digest

if TYPE_CHECKING:
    from sixtyforty.reports.portfolio_line import PortfolioLine
    from sixtyforty.reports.portfolio_total import Total

GROUP = "portfolio"
MONEY_COLUMNS = ("net", "gain", "cost")
FIRST_COLUMNS = ("name", "stage", "verdict", "label", "currency")
LAST_COLUMNS = ("roi", "uptake", "quality", "newest", "next_gate", "scope", "advice", "why")


@dataclass(frozen=True)
class PortfolioRun:
    """The input of a portfolio stage's function: resources, Dagster's instance, log, and the use cases to compare."""

    project_home: ProjectHome
    clock: BusinessClock
    instance: dg.DagsterInstance
    log: Any
    use_cases: Sequence[UseCase]


@dataclass(frozen=True)
class PortfolioStage:
    """An asset that compares all use cases. In each use case, the stages in `inputs` run before it."""

    name: str
    run: Callable[[PortfolioRun], StageResult]
    description: str
    kinds: frozenset[str]
    inputs: frozenset[str]


def write_portfolio(run: PortfolioRun) -> StageResult:
    """Record how long the runs of each use case took, then write the portfolio page, which compares all use cases."""
    from sixtyforty.reports import (  # imported late, because loading the definitions does not need it
        portfolio,
        portfolio_total,
    )

    record_run_hours(run.instance, run.project_home, [use_case.name for use_case in run.use_cases])
    workspaces, now = [run.project_home.workspace(use_case) for use_case in run.use_cases], run.clock.current_time()
    path, lines = portfolio.write_report(workspaces, now), portfolio.build_portfolio(workspaces, now)
    metadata: Metadata = {
        "page": dg.MetadataValue.path(str(path)),
        "use cases": table([_portfolio_row(line) for line in lines]),
    }
    if totals := portfolio_total.add_up_totals(lines):
        metadata["totals"] = table([_total_row(total) for total in totals])
    if asides := portfolio_total.list_asides(lines):
        metadata["in no total"] = table([aside.plain for aside in asides])
    run.log.info(f"portfolio: page that compares all use cases written ({path})")
    return StageResult.snapshot(digest([line.plain for line in lines]), metadata)


def _total_row(total: Total) -> TableRow:
    gain, net = total.gain, total.net
    intervals = {"gain low": gain.low, "gain high": gain.high, "net low": net.low, "net high": net.high}
    return total.plain | {"gain": gain.value, "net": net.value} | intervals


def _portfolio_row(line: PortfolioLine) -> TableRow:
    fields = line.plain
    money = {name: None if fields[name] is None else round(fields[name]) for name in MONEY_COLUMNS}
    return {name: fields[name] for name in FIRST_COLUMNS} | money | {name: fields[name] for name in LAST_COLUMNS}


def assess_maturity(run: PortfolioRun) -> StageResult:
    """Assess the maturity level of each use case, the lead time of its stages, and the next step for its team."""
    from sixtyforty.lifecycle import maturity  # imported late, because loading the definitions does not need it

    workspaces = [run.project_home.workspace(use_case) for use_case in run.use_cases]
    report = maturity.assess_maturity(workspaces, run.clock.current_time())
    rows = [
        {"use case": use_case.name, "level": use_case.level, "next": "; ".join(use_case.next_steps)}
        for use_case in report.use_cases
    ]
    lead_times = [lead_time.to_dict() for lead_time in report.lead_times]
    metadata: Metadata = {"next steps": table(rows), "lead times": table(lead_times)}
    if report.skills:
        metadata["skills"] = table(
            [{**skill.__dict__, "use_cases": ", ".join(skill.use_cases)} for skill in report.skills]
        )
    run.log.info(f"maturity: assessed ({format_plural(len(rows), 'use case')})")
    return StageResult.snapshot(digest([rows, lead_times]), metadata)


PORTFOLIO_STAGES = (
    PortfolioStage(
        name="portfolio",
        run=write_portfolio,
        description="Every use case with its stage, value, cost, adoption and next step, ranked by net benefit.",
        kinds=frozenset({"html"}),
        inputs=frozenset({"kpi_impact", "acceptance", "stage_gate"}),
    ),
    PortfolioStage(
        name="maturity",
        run=assess_maturity,
        description="The stage of each use case, how long each stage takes, the skills gained in training,"
        " and each team's next step.",
        kinds=frozenset({"table"}),
        inputs=frozenset({"stage_gate"}),
    ),
)


def build_portfolio_assets(keys: Collection[dg.AssetKey], wiring: Wiring) -> list[dg.AssetsDefinition]:
    """Return the assets that compare all use cases. The list is empty if no use case has an asset `kpi_impact`.

    keys: the asset keys of all use cases. `wiring.load_use_cases` returns the use cases with a complete declaration.
    """
    if not _upstream(PORTFOLIO_STAGES[0], keys):
        return []
    return [
        build_asset(
            AssetPlan(
                key=dg.AssetKey(stage.name),
                work=_work_of(stage, wiring),
                upstream=_upstream(stage, keys),
                group=GROUP,
                description=stage.description,
                phase="evaluation",
                kinds=set(stage.kinds),
            ),
            wiring.recorder,
        )
        for stage in PORTFOLIO_STAGES
    ]


def _upstream(stage: PortfolioStage, keys: Collection[dg.AssetKey]) -> list[dg.AssetKey]:
    return sorted(key for key in keys if key.path[-1] in stage.inputs)


def _work_of(stage: PortfolioStage, wiring: Wiring) -> Callable[[dg.AssetExecutionContext, list[str]], StageResult]:
    def work(context: dg.AssetExecutionContext, _: list[str]) -> StageResult:
        resources = context.resources
        run = PortfolioRun(
            resources.project_home, resources.clock, context.instance, context.log, wiring.load_use_cases()
        )
        return stage.run(run)

    return work
