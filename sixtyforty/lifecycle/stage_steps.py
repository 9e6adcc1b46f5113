"""Move a use case through its stages: record verdicts, enter the next stage, retire, register a changed gate.

Each of these events is a row of the stage ledger. Entering a stage registers its gate. If the declaration of the gate
changes later, the change has no effect until a person registers the gate again, with a reason.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sixtyforty.lifecycle.stage_gate import StageError, StageStatus, measure_stage, read_stage_status
from sixtyforty.spec.stages import STAGES, Stage, StageGate
from sixtyforty.storage.stage_ledger import StageEvent, StageEventKind
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace

CHAIN = "chain"  # the author (`by`) of ledger rows that no person asked for


@dataclass(frozen=True)
class KnownFigures:
    """The figures of a stage that were known when its gate was registered.

    `partitions`: number of partitions with known outcomes. `lift`: their gain per 1,000 units, in the KPI's currency.
    """

    partitions: int
    lift: RoundedInterval


@dataclass(frozen=True)
class StageEvidence:
    """The evidence in a row of the stage ledger. A field is None if the row doesn't store it.

    `status`: the status of the stage that led to the event. `gate`: the gate that the row registers.
    `previous_gate`: the gate that was registered before. `known_figures`: see `KnownFigures`.
    """

    status: StageStatus | None = None
    gate: StageGate | None = None
    previous_gate: StageGate | None = None
    known_figures: KnownFigures | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as the dict that a row of the stage ledger stores.

        It holds the fields of the stage's status, then the gates and the known figures.
        """
        content = self.status.to_dict() if self.status else {}
        gates = {"gate": self.gate, "previous_gate": self.previous_gate}
        content |= {name: gate.model_dump(mode="json") for name, gate in gates.items() if gate}
        return content | ({"known_figures": asdict(self.known_figures)} if self.known_figures else {})


def record_verdict(ws: Workspace, now: datetime) -> StageStatus:
    """Judge a use case's stage by its gate at a UTC time, and return the status.

    The stage ledger gets a new row if the verdict differs from the previous verdict. The first call also registers the
    proof of concept with its gate.
    """
    register_first_stage(ws, now)
    status = read_stage_status(ws, now)
    if status.verdict is not None:
        why = "; ".join(status.obstacles) or _reason_of_pass(status)
        append_event(ws, status.stage, status.verdict, CHAIN, why, now, StageEvidence(status))
    return status


def _reason_of_pass(status: StageStatus) -> str:
    if status.figures.label == "assumed":
        return "the gain reaches the target, if the declared assumption holds"
    return "the gain reaches the target, and its 95% confidence interval is above zero"


def register_first_stage(ws: Workspace, now: datetime) -> None:
    """Record the proof of concept and its gate in an empty stage ledger, if the declaration has stages.

    The chain calls this before it computes the first KPI values. If values are already known, the ledger row records
    them, so that readers see that the gate was declared later.
    """
    declared = ws.use_case.stages
    if declared and not ws.stage_ledger.rows():
        known_figures = _known_figures(ws, "poc", now, now, declared.poc)
        evidence = StageEvidence(gate=declared.poc, known_figures=known_figures)
        append_event(ws, "poc", "enter", CHAIN, "registered when it was first judged", now, evidence)


def _known_figures(ws: Workspace, stage: Stage, since: datetime, now: datetime, gate: StageGate) -> KnownFigures | None:
    """Return the figures already known when a stage's gate is registered; None if no outcome is known yet."""
    figures = measure_stage(ws, stage, since, now, gate)
    return KnownFigures(figures.partitions, RoundedInterval.of(figures.lift)) if figures.partitions else None


def enter_next_stage(ws: Workspace, by: str, why: str, now: datetime) -> StageEvent:
    """Enter the next stage if the current stage's gate passes. Register the next gate and return the new ledger row.

    Raises StageError, which names every obstacle, if the next stage can't be entered.
    """
    status = record_verdict(ws, now)
    if status.stage in STAGES[2:]:
        raise StageError(f"{ws.use_case.name} can't enter a next stage, because no stage follows {status.stage}.")
    following = STAGES[STAGES.index(status.stage) + 1]
    obstacles = [] if status.verdict == "pass" else list(status.obstacles)
    if following == "production" and status.figures.label == "assumed":
        obstacles.append("the figures are assumed, but production needs measured figures: run a holdout first")
    gate = ws.use_case.stages.gate(following) if ws.use_case.stages else None
    if gate is None:
        obstacles.append(f"stages.{following} declares no gate: declare its target and stop date first")
    if obstacles:
        raise StageError(f"{ws.use_case.name} can't leave the stage {status.stage}: {'; '.join(obstacles)}")
    return append_event(ws, following, "enter", by, why, now, StageEvidence(status, gate))


def retire_use_case(ws: Workspace, by: str, why: str, now: datetime) -> StageEvent:
    """Retire a use case for good, from any stage, and return the new row of the stage ledger. Nothing is deleted.

    The current process decides from `now` (UTC, naive) on. Raises StageError if the use case is already retired.
    """
    register_first_stage(ws, now)
    last = ws.stage_ledger.current_registration()
    if last is not None and last.stage == "retired":
        raise StageError(f"{ws.use_case.name} is already retired, since {last.effective_from} UTC.")
    return append_event(ws, "retired", "enter", by, why, now, StageEvidence())


def register_gate(ws: Workspace, by: str, why: str, now: datetime) -> StageEvent:
    """Register the current stage's declared gate in place of the gate registered before. Return the new ledger row.

    The row also holds the gate registered before. Raises StageError if no gate is declared, or if the declared gate
    equals the gate registered before.
    """
    register_first_stage(ws, now)
    status = read_stage_status(ws, now)
    gate = ws.use_case.stages.gate(status.stage) if ws.use_case.stages else None
    if gate is None or gate == status.gate:
        raise StageError(
            f"{ws.use_case.name}: the gate in stages.{status.stage} is missing or equals the registered gate. Declare"
            " or edit the gate in defs.yaml first."
        )
    known_figures = _known_figures(ws, status.stage, status.since, now, gate)
    evidence = StageEvidence(gate=gate, previous_gate=status.gate, known_figures=known_figures)
    return append_event(ws, status.stage, "gate", by, why, now, evidence)


def find_declaration_differences(ws: Workspace) -> list[str]:
    """Compare the declared stage and gate with the stage ledger. Return a sentence for each difference."""
    use_case, row = ws.use_case, ws.stage_ledger.current_registration()
    if use_case.stages is None and row is None:
        return []
    differences = []
    stage = row.stage if row else "poc"
    if use_case.stage != stage:
        differences.append(
            f"defs.yaml declares the stage {use_case.stage}, but the stage ledger records {stage}"
            f" (see `sixtyforty stage {use_case.name}`)"
        )
    if row and row.gate and use_case.stages and row.gate != use_case.stages.gate(row.stage):
        differences.append(
            f"the declared gate in stages.{row.stage} has no effect: it differs from the gate registered on"
            f" {row.effective_from[:10]}"
        )
    return differences


def append_event(
    ws: Workspace, stage: Stage, event: StageEventKind, by: str, why: str, now: datetime, evidence: StageEvidence
) -> StageEvent:
    """Append an event, such as `enter`, to the stage ledger, unless the last row records it. Return the event's row.

    A `gate` event is always appended. After a stop, `pass` and `continue` aren't appended, because later figures don't
    undo a stop.
    """
    row = StageEvent(
        stage=stage,
        event=event,
        by=by,
        why=why,
        evidence=evidence.to_dict(),
        effective_from=now.isoformat(timespec="seconds"),
    )

    def find_repeated(rows: list[StageEvent]) -> StageEvent | None:
        last = rows[-1] if rows else None
        if last is None:
            return None
        is_repeated = (last.stage, last.event) == (stage, event) and event != "gate"
        is_after_stop = last.event == "stop" and event in ("pass", "continue")
        return last if is_repeated or is_after_stop else None

    return ws.stage_ledger.append_row(row, find_repeated)
