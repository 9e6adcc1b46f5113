"""Define the schedule of a use case: the nightly training."""

from typing import Any

import dagster as dg

from assets.resources import ProjectHome
from pipelines.automation.run_requests import request_retrain
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase


def nightly_training(use_case: UseCase) -> dg.ScheduleDefinition:
    """Return the schedule that trains a challenger at `automation.retrain_cron`, in the use case's timezone."""

    @dg.schedule(
        name=f"{use_case.name}_nightly",
        job_name=use_case.name,
        cron_schedule=str(use_case.automation.retrain_cron),
        execution_timezone=use_case.timezone,
        description="Waits for the time of `automation.retrain_cron`. Then it trains a challenger if data, the recipe"
        " or a library is new, and the gate judges the challenger. A skipped tick says why nothing was trained.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, project_home: dg.ResourceParam[ProjectHome]) -> Any:
        # Use the current time, not the scheduled time: after several missed nights, one training is enough.
        return request_retrain(use_case, project_home, context.instance, now(), "nightly")

    return schedule
