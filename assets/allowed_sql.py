"""Refuse to run a stage of a use case whose declaration or suites contain forbidden SQL."""

from __future__ import annotations

from expectations import suites
from sixtyforty.modeling.built_by import FEATURES_SQL
from sixtyforty.modeling.declared_sql import all_declared_sql
from sixtyforty.modeling.sql_guard import require_allowed
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase


def require_allowed_sql(use_case: UseCase, track: Track = "replay") -> None:
    """Raise ForbiddenSqlError if SQL of the declaration or of a suite reads the clock, files or other outside data.

    `sixtyforty run` checks a declaration before it starts a run. Sensors, schedules and Dagster's pages don't. On the
    live track, features.sql is left out: the features stage refuses it, so that the current process can decide.
    """
    declared = [*all_declared_sql(use_case), *_metrics(use_case)]
    require_allowed(use_case.name, [text for text in declared if track == "replay" or text[0] != FEATURES_SQL])


def _metrics(use_case: UseCase) -> list[tuple[str, str]]:
    """Return the name and the SQL of each metric in a use case's suites. The name includes the suite's file."""
    names = [
        name for name in (*use_case.sources, "features") if (suites.HERE / use_case.name / f"{name}.yaml").exists()
    ]
    return [
        (f"{name}.yaml, metric {metric}", sql)
        for name in names
        for metric, sql in suites.load_suite(use_case.name, name).partition.metrics.items()
    ]
