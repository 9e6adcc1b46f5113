"""The definitions that Dagster loads: all use cases, the portfolio and the housekeeping, with their resources."""

import gc
from contextlib import suppress
from functools import lru_cache

import dagster as dg

from assets.allowed_sql import require_allowed_sql
from expectations.gx_runner import prepare_evaluation
from pipelines.authoring import loader
from pipelines.automation import housekeeping, portfolio_job
from pipelines.component import build_resources, build_use_cases, load_use_cases, project_home
from pipelines.runtime.console import console
from pipelines.settings import Settings, load_settings
from sixtyforty.spec.errors import SixtyfortyError


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of all use cases, the portfolio and the housekeeping, with their resources."""
    return _build_definitions(load_settings(), loader.declaration_state())


@lru_cache(maxsize=1)
def _build_definitions(settings: Settings, _: loader.DeclarationState) -> dg.Definitions:
    """Build Dagster's definitions, and reuse them until a declaration changes. Dagster loads them twice per run."""
    gc.set_threshold(100_000, 50, 50)  # definitions and run plans stay in memory, so collect garbage less often
    use_cases = build_use_cases()
    return dg.Definitions.merge(
        use_cases,
        portfolio_job.definitions(use_cases),
        housekeeping.definitions(),
        dg.Definitions(
            resources=build_resources(settings),
            executor=dg.in_process_executor,
            loggers={"console": console},
        ),
    )


def prepare_runs() -> None:
    """Compute what every run needs: definitions, checks of the SQL, code version and Great Expectations' context.

    The fork server calls this function before it forks runs. The runs then find the definitions, the checked SQL and
    the code version in caches. Each cache notices if a file or a setting has changed. The function ignores errors,
    because each run reports them.
    """
    prepare_evaluation()
    with suppress(SixtyfortyError):
        defs().get_repository_def().get_all_jobs()
        home = project_home(load_settings())
        for use_case in load_use_cases():
            with suppress(SixtyfortyError):
                require_allowed_sql(use_case)
            home.workspace(use_case).code_version  # noqa: B018
