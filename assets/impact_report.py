"""impact_report: the owner's page."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from sixtyforty.accounting import kpi_ledger
from sixtyforty.reports import impact_report
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The impact_report of a use case."""
    return [
        stage(
            use_case,
            "impact_report",
            _impact_report,
            phase="evaluation",
            kinds={"html"},
            deps=["kpi_impact", "degradation", "break_even", *(["acceptance"] if use_case.people.responses else [])],
            partitioned=False,
            description="One page for the owner: what was decided, what it was worth, what to do next.",
        )
    ]


def _impact_report(step: Step) -> Result:
    days = kpi_ledger.days(step.ws, step.clock.track)
    if not days:
        return Result()
    path = impact_report.write(step.ws, step.clock.track)
    step.log.info(f"impact_report: {path}")
    found = kpi_ledger.summary(step.ws, step.clock.track)
    shown = {
        "page": dg.MetadataValue.path(str(path)),
        "gain": found["gain"],
        "building and running, assumed": found["build"] + found["running"],
        "net impact": found["net_impact"],
        "unit": found["unit"],
        "label": found["label"],
    }
    return Result({SNAPSHOT: Published(digest(path.read_bytes()), shown)})
