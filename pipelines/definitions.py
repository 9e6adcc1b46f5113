"""The definitions that Dagster loads: all use cases, the portfolio and the housekeeping, with their resources."""

import gc
from functools import lru_cache

import dagster as dg

from assets.resources import BusinessClock, ProjectHome
from pipelines.authoring import loader
from pipelines.automation import housekeeping, portfolio_job
from pipelines.component import build_use_cases
from pipelines.runtime.console import console
from pipelines.settings import Settings, load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of all use cases, the portfolio and the housekeeping, with their resources."""
    return _build_definitions(load_settings(), loader.declaration_state())


@lru_cache(maxsize=1)
def _build_definitions(settings: Settings, _: loader.DeclarationState) -> dg.Definitions:
    """Build Dagster's definitions, and reuse them until a declaration changes. Dagster loads them twice per run."""
    gc.set_threshold(100_000, 50, 50)  # definitions and run plans stay in memory, so collect garbage less often
    use_cases = build_use_cases()
    project_home = ProjectHome(settings.home, settings.database_url, settings.dvc_remote, settings.lake)
    return dg.Definitions.merge(
        use_cases,
        portfolio_job.definitions(use_cases),
        housekeeping.definitions(),
        dg.Definitions(
            resources={"project_home": project_home, "clock": BusinessClock()},
            executor=dg.in_process_executor,
            loggers={"console": console},
        ),
    )
