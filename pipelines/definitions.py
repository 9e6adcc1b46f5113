"""The root of the project: it loads the use cases and what stands beside them, binds the resources, nothing else."""

import gc
from functools import lru_cache

import dagster as dg

from assets.resources import BusinessTime, Place
from pipelines.authoring import loader
from pipelines.automation import housekeeping, portfolio_job
from pipelines.component import use_cases
from pipelines.runtime.console import console
from pipelines.settings import Profile, profile


@dg.definitions
def defs() -> dg.Definitions:
    """All use cases below `pipelines/use_cases`, on the profile's resources."""
    return _defs(profile(), loader.state())


@lru_cache(maxsize=1)
def _defs(chosen: Profile, _: loader.State) -> dg.Definitions:
    """Made once of what is declared, as long as it stays: Dagster asks twice as a run starts."""
    gc.set_threshold(100_000, 50, 50)  # what is made here, and planned for a run, is no garbage: look for it less often
    declared = use_cases()
    return dg.Definitions.merge(
        declared,
        portfolio_job.definitions(declared),
        housekeeping.definitions(),
        dg.Definitions(
            resources={
                "place": Place(chosen.home, chosen.database_url, chosen.dvc_remote, chosen.lake),
                "clock": BusinessTime(),
            },
            executor=dg.in_process_executor,
            loggers={"console": console},
        ),
    )
