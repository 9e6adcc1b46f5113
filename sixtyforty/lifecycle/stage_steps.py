"""Take a use case through its stages: record verdicts, enter the next stage, retire, register a changed gate.

Every step is a row in the stage ledger. The first step of a stage registers its gate. A gate that is changed later has
no effect until it is registered again, with a reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sixtyforty.accounting.rounded_interval import RoundedInterval
from sixtyforty.lifecycle.stage_gate import StageError, StageStatus, measure_stage, read_stage_status
from sixtyforty.spec.stages import STAGES, Stage, StageGate
from sixtyforty.storage.stage_ledger import StageEvent, StageEventKind
from sixtyforty.workspace import Workspace

CHAIN = "chain"  # the name in the field `by` of rows that the pipeline writes by itself


def record_verdict(ws: Workspace, now: datetime) -> StageStatus:
    """Judge the stage at a UTC time. Record the verdict if it differs from the last one, and return the status.

    The first call registers the proof of concept with its gate.
    """
    register_first_stage(ws, now)
    status = read_stage_status(ws, now)
    if status.verdict is not None:
        why = "; ".join(status.obstacles) or _reason_of_pass(status)
        append_event(ws, status.stage, status.verdict, CHAIN, why, now, status.to_dict())
    return status


def _reason_of_pass(status: StageStatus) -> str:
    if status.figures.label == "assumed":
        return "the gain reaches the target, if the declared assumption holds"
    return "the gain reaches the target, and its 95% confidence interval lies above zero"


def register_first_stage(ws: Workspace, now: datetime) -> None:
    """Register the proof of concept with its gate, if stages are declared and none is registered yet.

    The chain does so before it accounts the first figures. A gate that is registered later says that they were known.
    """
    declared = ws.use_case.stages
    if declared and not ws.stage_ledger.rows():
        evidence = gate_evidence(declared.poc) | _known_figures(ws, "poc", now, now, declared.poc)
        append_event(ws, "poc", "enter", CHAIN, "registered when it was first judged", now, evidence)


def _known_figures(ws: Workspace, stage: Stage, since: datetime, now: datetime, gate: StageGate) -> dict[str, Any]:
    """Return the figures of a stage that were known when its gate was registered; {} if there were none."""
    figures = measure_stage(ws, stage, since, now, gate)
    if not figures.partitions:
        return {}
    lift = RoundedInterval.of(figures.lift).to_dict()
    return {"known_figures": {"partitions": figures.partitions, "lift": lift}}


def enter_next_stage(ws: Workspace, by: str, why: str, now: datetime) -> StageEvent:
    """Enter the next stage if the gate has passed, and register the gate of the next stage.

    Raises StageError, which names every obstacle, if the next stage can't be entered.
    """
    status = record_verdict(ws, now)
    if status.stage in STAGES[2:]:
        raise StageError(f"{ws.use_case.name}: no stage can be entered after {status.stage}.")
    following = STAGES[STAGES.index(status.stage) + 1]
    obstacles = [] if status.verdict == "pass" else list(status.obstacles)
    if following == "production" and status.figures.label == "assumed":
        obstacles.append("the figures are assumed, and production needs exact or randomized ones: run a holdout first")
    gate = ws.use_case.stages.gate(following) if ws.use_case.stages else None
    if gate is None:
        obstacles.append(f"stages.{following} declares no gate: declare a target and a stop date before it begins")
    if obstacles:
        raise StageError(f"{ws.use_case.name} stays in {status.stage}: {'; '.join(obstacles)}")
    return append_event(ws, following, "enter", by, why, now, status.to_dict() | gate_evidence(gate))


def retire_use_case(ws: Workspace, by: str, why: str, now: datetime) -> StageEvent:
    """Retire a use case permanently, from any stage. All history is kept.

    The current process decides from `now` (UTC, naive) on. Raises StageError if the use case is already retired.
    """
    register_first_stage(ws, now)
    last = ws.stage_ledger.current_registration()
    if last is not None and last.stage == "retired":
        raise StageError(f"{ws.use_case.name} was retired at {last.effective_from} UTC.")
    return append_event(ws, "retired", "enter", by, why, now, {})


def register_gate(ws: Workspace, by: str, why: str, now: datetime) -> StageEvent:
    """Register the declared gate of the stage in force. The ledger keeps the gate registered before.

    Raises StageError if no gate is declared, or if the declared gate equals the registered one.
    """
    register_first_stage(ws, now)
    status = read_stage_status(ws, now)
    gate = ws.use_case.stages.gate(status.stage) if ws.use_case.stages else None
    if gate is None or gate == status.gate:
        raise StageError(
            f"{ws.use_case.name}: the gate in stages.{status.stage} is missing or equals the registered gate. Change"
            " defs.yaml first."
        )
    before = {"previous_gate": gate_evidence(status.gate)["gate"]}
    evidence = gate_evidence(gate) | before | _known_figures(ws, status.stage, status.since, now, gate)
    return append_event(ws, status.stage, "gate", by, why, now, evidence)


def find_declaration_differences(ws: Workspace) -> list[str]:
    """Return a line for each difference between declaration and ledger, in the stage or in the gate of that stage."""
    use_case, row = ws.use_case, ws.stage_ledger.current_registration()
    if use_case.stages is None:
        return []
    differences = []
    stage = row.stage if row else "poc"
    if use_case.stage != stage:
        differences.append(
            f"defs.yaml declares the stage {use_case.stage}, but the ledger records {stage}"
            f" (see `sixtyforty stage {use_case.name}`)"
        )
    if row and row.gate is not None and row.gate != use_case.stages.gate(row.stage):
        differences.append(
            f"the declared gate in stages.{row.stage} has no effect: it differs from the gate registered on"
            f" {row.effective_from[:10]}"
        )
    return differences


def gate_evidence(gate: StageGate | None) -> dict[str, Any]:
    """Return a gate as evidence for a row of the stage ledger."""
    return {"gate": gate.model_dump(mode="json") if gate else None}


def append_event(
    ws: Workspace, stage: Stage, event: StageEventKind, by: str, why: str, now: datetime, evidence: dict[str, Any]
) -> StageEvent:
    """Append a row to the stage ledger, unless it would repeat the last row. Return the new or the last row.

    After a stop, `pass` and `continue` aren't recorded, because later figures don't undo a stop.
    """
    fields = {
        "stage": stage,
        "event": event,
        "by": by,
        "why": why,
        "evidence": evidence,
        "effective_from": now.isoformat(timespec="seconds"),
    }

    def find_repeated(rows: list[StageEvent]) -> StageEvent | None:
        last = rows[-1] if rows else None
        if last is None:
            return None
        is_repeated = (last.stage, last.event) == (stage, event) and event != "gate"
        is_after_stop = last.event == "stop" and event in ("pass", "continue")
        return last if is_repeated or is_after_stop else None

    return ws.stage_ledger.append_row(fields, find_repeated)
