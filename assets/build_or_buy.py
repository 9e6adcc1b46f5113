"""build_or_buy: ours, each vendor's and neither, on the same decisions, with what each costs over the horizon."""

from __future__ import annotations

import dagster as dg

from assets.stage import Published, Result, Step, stage
from assets.tables import table
from sixtyforty.accounting import build_or_buy, kpi_ledger
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The scorecard of a use case; none where build or buy isn't asked."""
    if use_case.sourcing is None:
        return []
    return [
        stage(
            use_case,
            "build_or_buy",
            _build_or_buy,
            phase="evaluation",
            kinds={"scorecard"},
            deps=["kpi_impact"],
            partitioned=False,
            description="Build or buy: whether the capability exists inside, whether it is to be held close, what"
            f" each way is worth and costs over {use_case.sourcing.horizon_months} months,"
            " the verdict, and what would change it.",
        )
    ]


def _build_or_buy(step: Step) -> Result:
    if not kpi_ledger.days(step.ws, step.clock.track):
        return Result()
    found = build_or_buy.reckon(step.ws, step.clock.track)
    shown = {
        "verdict": found["verdict"],
        "why": "\n".join(found["why"]),
        "label": found["label"],
        "capability": found["capability"],
        "held close": found["strategic"],
        f"ways, {found['unit']} over {found['months']} months": table(found["ways"]),
        "what would change the verdict": table(found["sensitivity"]),
    }
    step.log.info(f"build_or_buy: {found['verdict']} ({found['label']})")
    return Result({SNAPSHOT: Published(digest(found), shown)})
