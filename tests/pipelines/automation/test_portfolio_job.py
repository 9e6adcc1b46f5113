"""The job across use cases."""

from __future__ import annotations

import dagster as dg

from pipelines.automation import portfolio_job


def test_the_job_covers_the_portfolio_and_its_schedule_is_off() -> None:
    use_cases = dg.Definitions(
        assets=[dg.AssetsDefinition(specs=[dg.AssetSpec(["calls_in_time", stage])]) for stage in ("kpi_impact", "raw")]
    )
    definitions = portfolio_job.definitions(use_cases)
    keys = {key for a in definitions.assets or () if isinstance(a, dg.AssetsDefinition) for key in a.keys}
    assert keys == {dg.AssetKey("portfolio"), dg.AssetKey("maturity")}
    assert [job.name for job in definitions.jobs or ()] == ["portfolio_job"]
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.name, schedule.default_status) == ("portfolio_nightly", dg.DefaultScheduleStatus.STOPPED)


def test_without_a_use_case_that_decides_there_is_no_job() -> None:
    definitions = portfolio_job.definitions(dg.Definitions())
    assert not definitions.jobs and not definitions.assets
