"""Define the job that compares all use cases, and its schedule."""

from __future__ import annotations

import dagster as dg

from assets.portfolio import GROUP, build_portfolio_assets
from assets.wiring import Wiring
from pipelines.authoring import catalog
from pipelines.runtime.dagster_internals_events import EventRecorder
from sixtyforty.spec.use_case import UseCase

JOB_NAME = "portfolio_job"


def definitions(use_cases: dg.Definitions) -> dg.Definitions:
    """Return the assets that compare all use cases, their job, and its schedule, which is off by default."""
    keys = {key for a in use_cases.assets or () if isinstance(a, dg.AssetsDefinition) for key in a.keys}
    assets = build_portfolio_assets(keys, Wiring(EventRecorder(), _load_complete_use_cases))
    if not assets:
        return dg.Definitions()
    job = dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.groups(GROUP),
        description="Compare all use cases: write the portfolio page, and assess the maturity of each use case.",
        executor_def=dg.in_process_executor,
    )
    nightly = dg.ScheduleDefinition(
        name="portfolio_nightly",
        job=job,
        cron_schedule="20 5 * * *",
        description="Waits for 05:20 UTC. Then it compares all use cases: it writes the portfolio page, and assesses"
        " the maturity of each use case. Each tick links to its run.",
    )
    return dg.Definitions(assets=assets, jobs=[job], schedules=[nightly])


def _load_complete_use_cases() -> list[UseCase]:
    """Return the use cases with a complete and valid declaration."""
    return [ws.use_case for ws in catalog.load_workspaces().complete.values()]
