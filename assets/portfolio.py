"""portfolio and maturity: every use case side by side, in a group of their own."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from assets.resources import BusinessTime, Place
from assets.tables import table
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase

GROUP = "portfolio"
TELLING = ("kpi_impact", "acceptance", "stage_gate")  # what of a use case it is made from
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

_asset = partial(dg.asset, group_name=GROUP, tags={"crisp_dm": "evaluation"}, output_required=False)


def assets(keys: Collection[dg.AssetKey], load: Callable[[], Sequence[UseCase]]) -> list[dg.AssetsDefinition]:
    """Both, after what they tell of among all assets' keys; `load`: the use cases, once they are needed."""
    after = sorted(k for k in keys if k.path[-1] in TELLING)
    return [_portfolio(after, load), _maturity(after, load)] if after else []


def _portfolio(after: Sequence[dg.AssetKey], load: Callable[[], Sequence[UseCase]]) -> dg.AssetsDefinition:
    @_asset(
        key="portfolio",
        deps=after,
        kinds={"html"},
        description="Every use case with its stage, what it is worth and costs, whether people use it, and what to do"
        " next; ranked by what is left once everything is paid.",
    )
    def portfolio(
        context: dg.AssetExecutionContext, place: dg.ResourceParam[Place], clock: BusinessTime
    ) -> dg.MaterializeResult[None]:
        from sixtyforty.reports import portfolio
        from sixtyforty.storage.lake import digest

        use_cases = load()
        count(context.instance, place, [c.name for c in use_cases])
        workspaces, moment = [place.workspace(c) for c in use_cases], clock.moment() or now()
        path, lines = portfolio.write(workspaces, moment), portfolio.portfolio(workspaces, moment)
        shown: dict[str, Any] = {"page": dg.MetadataValue.path(str(path)), "use cases": table([_row(o) for o in lines])}
        if sums := portfolio.totals(lines):
            shown["totals"] = table(sums)
        return dg.MaterializeResult(metadata=shown, data_version=dg.DataVersion(digest([o.plain for o in lines])))

    return portfolio


def _maturity(after: Sequence[dg.AssetKey], load: Callable[[], Sequence[UseCase]]) -> dg.AssetsDefinition:
    @_asset(
        key="maturity",
        deps=[k for k in after if k.path[-1] == "stage_gate"],
        kinds={"table"},
        description="How far each use case has come, the lead time of each stage, the skills that training has given,"
        " and each team's next step.",
    )
    def maturity(
        context: dg.AssetExecutionContext, place: dg.ResourceParam[Place], clock: BusinessTime
    ) -> dg.MaterializeResult[None]:
        from sixtyforty.lifecycle import maturity
        from sixtyforty.storage.lake import digest

        found = maturity.facts([place.workspace(c) for c in load()], clock.moment() or now())
        rows = [{"use case": s.name, "level": s.level, "next": "; ".join(s.next_steps)} for s in found["standings"]]
        shown: dict[str, Any] = {"next steps": table(rows), "lead times": table(found["lead_times"])}
        if found["skills"]:
            shown["skills"] = table([{**s.__dict__, "use_cases": ", ".join(s.use_cases)} for s in found["skills"]])
        return dg.MaterializeResult(metadata=shown, data_version=dg.DataVersion(digest([rows, found["lead_times"]])))

    return maturity


def _row(one: Any) -> dict[str, Any]:
    said = one.plain
    money = {k: round(said[k]) for k in ("net", "gain", "cost")}
    return (
        {k: said[k] for k in ("name", "stage", "verdict", "label", "unit")}
        | money
        | {k: said[k] for k in ("roi", "uptake", "quality", "newest", "next_gate", "scope", "advice", "why")}
    )


def count(instance: dg.DagsterInstance, place: Place, names: Sequence[str]) -> None:
    """Has the run time of the runs that ended since the last count added up, before Dagster's records are purged."""
    from sixtyforty.accounting.run_hours import Ran
    from sixtyforty.accounting.run_hours import count as add

    def ended(after: float, until: float) -> list[Ran]:
        since = datetime.fromtimestamp(after, UTC)
        found = instance.get_run_records(dg.RunsFilter(statuses=ENDED, updated_after=since))
        return [
            Ran(name, r.start_time, r.end_time)
            for r in found
            if r.start_time and r.end_time and after < r.end_time <= until and (name := _whose(r.dagster_run)) in names
        ]

    add(place.home, ended, datetime.now(UTC).timestamp())


def _whose(run: dg.DagsterRun) -> str:
    """The use case a run was of: its job's name or, of one begun on Dagster's pages, its first asset's."""
    if run.job_name.startswith("__") and run.asset_selection:
        return min(run.asset_selection).path[0]
    return run.job_name
