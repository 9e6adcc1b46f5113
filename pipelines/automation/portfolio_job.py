"""What stands across the use cases: the portfolio, and the maturity of those who work with them."""

from __future__ import annotations

import dagster as dg

from assets import portfolio
from pipelines.authoring import catalog


def definitions(use_cases: dg.Definitions) -> dg.Definitions:
    """The assets of the group `portfolio` over these use cases, their job, and a schedule that is off until wanted."""
    keys = {key for a in use_cases.assets or () if isinstance(a, dg.AssetsDefinition) for key in a.keys}
    built = portfolio.assets(keys, lambda: [ws.use_case for ws in catalog.complete()[0].values()])
    if not built:
        return dg.Definitions()
    job = dg.define_asset_job(
        "across",
        selection=dg.AssetSelection.groups(portfolio.GROUP),
        description="Every use case side by side.",
        executor_def=dg.in_process_executor,
    )
    nightly = dg.ScheduleDefinition(
        name="across_nightly", job=job, cron_schedule="20 5 * * *", description="The portfolio as of each morning."
    )
    return dg.Definitions(assets=built, jobs=[job], schedules=[nightly])
