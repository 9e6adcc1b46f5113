"""Collect the sensors and schedules of one use case. They are off until an operator turns them on."""

from __future__ import annotations

import dagster as dg

from pipelines.automation.schedules import nightly_training
from pipelines.automation.sensors import digest_sensor, new_data_sensor, retrain_sensor
from sixtyforty.spec.use_case import UseCase

SUFFIXES = ("new_data", "retrain", "digests", "nightly")  # a sensor or schedule is named `<use case>_<one of these>`


def automation_names(use_case: str) -> list[str]:
    """Return the names of all sensors and schedules that a use case may have, from the use case's name."""
    return [f"{use_case}_{suffix}" for suffix in SUFFIXES]


def build_automation(use_case: UseCase, use_cases: int) -> dg.Definitions:
    """Return the sensors and the schedule that a use case declares. use_cases: how many use cases the project has."""
    sensors = [new_data_sensor(use_case, use_cases), retrain_sensor(use_case, use_cases)]
    digests = [digest_sensor(use_case, use_cases)] if use_case.subscriptions else []
    schedules = [nightly_training(use_case)] if use_case.automation.retrain_cron else []
    return dg.Definitions(sensors=[*sensors, *digests], schedules=schedules)
