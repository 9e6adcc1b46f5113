"""Do the work of the chain stage `stage_gate`: judge a use case by the gate of its stage, such as pilot."""

from __future__ import annotations

import dagster as dg

from assets.metadata import Metadata, table
from assets.stage import CheckResult, StageCheck, StageResult, StageRun
from sixtyforty.lifecycle import stage_history, stage_steps
from sixtyforty.storage.files import digest

NOT_STOPPED = StageCheck("not_stopped", "The gate of the stage has not stopped the use case.")
STAGE_AS_DECLARED = StageCheck("stage_as_declared", "The declared stage and gate equal those in the stage ledger.")


def judge_stage(run: StageRun) -> StageResult:
    """Judge the use case by the gate of its stage, record the verdict, and measure the days in each stage."""
    now = run.clock.current_time()
    status = stage_steps.record_verdict(run.ws, now)
    differences = stage_steps.find_declaration_differences(run.ws)
    verdict = status.verdict or "no verdict, the stage has no gate"
    no_obstacle = "nothing is judged any more" if status.stage == "retired" else "nothing blocks the next stage"
    why = "; ".join([*(status.obstacles or [no_obstacle]), *status.remarks])
    metadata: Metadata = {
        "stage": status.stage,
        "verdict": verdict,
        "why": why,
        "figures": dg.MetadataValue.json(status.to_dict()),
        "lead times": table([spell.to_dict() for spell in stage_history.list_stage_spells(run.ws, now)]),
    }
    run.log.info(f"stage_gate: judged (stage {status.stage}, {verdict}; {why})")
    checks = [
        CheckResult(NOT_STOPPED.name, status.verdict != "stop", {"why": why}, warn=True, description=why),
        CheckResult(
            STAGE_AS_DECLARED.name,
            not differences,
            warn=True,
            description="; ".join(differences) or "the declared stage and gate equal those in the stage ledger",
        ),
    ]
    return StageResult.snapshot(digest([row.hash for row in run.ws.stage_ledger.rows()]), metadata, checks)
