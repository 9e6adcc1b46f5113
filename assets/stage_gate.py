"""stage_gate: whether the use case passes its stage, goes on or is stopped, and how long each stage took."""

from __future__ import annotations

import dagster as dg

from assets.stage import Check, CheckSpec, Published, Result, Step, stage
from assets.tables import table
from sixtyforty.lifecycle import stage_gate
from sixtyforty.spec.clock import now
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.lake import digest

GOES_ON = CheckSpec("goes_on", "Its gate hasn't stopped it: it has passed, or has time left to.")
AS_DECLARED = CheckSpec("as_declared", "Stage and gate are declared as they were earned and registered.")


def assets(use_case: UseCase) -> list[dg.AssetsDefinition]:
    """The gate of a use case's stage; none where it declares no stages."""
    if use_case.stages is None:
        return []
    return [
        stage(
            use_case,
            "stage_gate",
            _stage_gate,
            phase="evaluation",
            kinds={"ledger"},
            deps=["kpi_impact"],
            partitioned=False,
            checks=[GOES_ON, AS_DECLARED],
            description="From proof of concept to retirement: the verdict of the stage's gate (pass, continue, stop),"
            " in the append-only ledger, and the lead time of each stage.",
        )
    ]


def _stage_gate(step: Step) -> Result:
    moment = step.clock.moment() or now()
    found = stage_gate.record(step.ws, moment)
    spells, differs = stage_gate.lead_times(step.ws, moment), stage_gate.differs(step.ws)
    why = "; ".join(found.against) or "nothing stands against the next stage"
    shown = {
        "stage": found.stage,
        "verdict": found.said or "none: no gate",
        "why": why,
        "figures": dg.MetadataValue.json(found.plain),
        "lead times": table(spells),
    }
    step.log.info(f"stage_gate: {found.stage}, {found.said or 'no gate'}: {why}")
    checks = [
        Check(GOES_ON.name, found.said != "stop", {"why": why}, warn=True, description=why),
        Check(AS_DECLARED.name, not differs, {}, warn=True, description="; ".join(differs) or "as declared"),
    ]
    return Result({SNAPSHOT: Published(digest([r.hash for r in step.ws.progress.rows()]), shown)}, checks)
