"""Judge a use case by the gate of its stage (proof of concept, pilot, production).

A proof of concept is judged on the replay, as of the day on which the outcomes of the newest replayed partition could
be known. Pilot and production are judged on live decisions, as of the current day. If people's answers are recorded,
what people did is judged (see `done_value`), and figures without counted answers are refused. Before its stop date, a
gate is checked every day, so its confidence interval is an always-valid interval. From the stop date on, the narrower
interval of a single check is used, for the one planned final judgement. The gain of an experiment always has an
always-valid interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.done_value import UncountedAnswersError, measure_experiment, read_counted_days
from sixtyforty.accounting.exactness import describe_refutation, label_figures
from sixtyforty.accounting.kpi_ledger import kpi_dataset
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.decisions.declared_version import describe_outdated
from sixtyforty.lifecycle import training
from sixtyforty.lifecycle.rollout_evidence import list_periods
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.kpi import EvidenceLabel
from sixtyforty.spec.money import format_money
from sixtyforty.spec.stages import Stage, StageGate
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_date, format_plural
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.stage_ledger import StageEvent
from sixtyforty.value.lift import UNKNOWN, Interval, follow_lift
from sixtyforty.value.past_experiment import require_overlap
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace

StageVerdict = Literal["pass", "continue", "stop"]


class StageError(SixtyfortyError):
    """The stage of a use case can't be judged, or can't be changed as requested."""


@dataclass(frozen=True)
class StageFigures:
    """The figures by which a gate judges a stage, such as the gain and the number of partitions.

    `label`: whether the figures are exact, assumed or randomized. `partitions`: number of partitions with known
    outcomes; in an experiment, the number of partitions with an account. `lift`: gain over the current process on these
    partitions, per 1,000 units. `today`: the local day on which the gate is judged. `outdated`: which replayed
    decisions follow an earlier declaration; None if none does. `refusal`: why the figures can't be trusted; the lift is
    then unknown. None if the figures can be trusted. `refutation`: how a holdout refutes that the figures are exact;
    None if none does.
    """

    track: Track
    label: EvidenceLabel
    partitions: int
    lift: Interval
    today: date
    outdated: str | None = None
    refusal: str | None = None
    refutation: str | None = None


@dataclass(frozen=True)
class StageStatus:
    """The stage in force since the UTC time `since`, its figures, and the verdict of its gate.

    `verdict`: None if the stage has no gate. `obstacles`: the reasons why the gate doesn't pass, as clauses.
    `remarks`: sentences for readers if the gate was changed, or was registered after its figures were known.
    """

    stage: Stage
    since: datetime
    gate: StageGate | None
    verdict: StageVerdict | None
    figures: StageFigures
    obstacles: list[str]
    remarks: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the stage's status as a dict for JSON. Money is rounded to the cent; unknown figures are None."""
        return {
            "stage": self.stage,
            "since": f"{self.since}",
            "verdict": self.verdict,
            "track": self.figures.track,
            "label": self.figures.label,
            "partitions": self.figures.partitions,
            "lift": RoundedInterval.of(self.figures.lift).to_dict(),
            "today": str(self.figures.today),
            "outdated": self.figures.outdated,
            "refusal": self.figures.refusal,
            "refutation": self.figures.refutation,
            "obstacles": self.obstacles,
            "remarks": self.remarks,
            "gate": self.gate.model_dump(mode="json") if self.gate else None,
        }


@dataclass(frozen=True)
class GateJudgement:
    """The verdict of a stage gate, and the reasons why the gate doesn't pass (`obstacles`)."""

    verdict: StageVerdict
    obstacles: list[str]


def judge_gate(
    gate: StageGate, figures: StageFigures, unready: Sequence[str], stage: Stage, currency: str
) -> GateJudgement:
    """Judge a stage by its gate and its figures: pass, continue or stop.

    unready: tasks that people still have to do; they delay a pass, but don't stop a stage. Production isn't stopped on
    the stop date if the gain is proven above zero, but every stage is stopped if the gain is proven to be below the
    minimum. Outdated, refused or refuted figures neither pass nor stop a stage.
    """
    for problem in (figures.refusal, figures.outdated, figures.refutation):
        if problem:
            return GateJudgement("continue", [problem, *unready])
    obstacles = _obstacles_in_figures(gate, figures, currency)
    if not obstacles:
        return GateJudgement("continue" if unready else "pass", [*unready])
    lift = figures.lift
    ended = figures.today >= gate.stop_date
    if ended and not (stage == "production" and lift.low > 0):
        missed = f"the stage missed its deadline, {format_date(gate.stop_date)}"
        return GateJudgement("stop", [missed, *obstacles, *unready])
    if figures.partitions >= gate.minimum_partitions and lift.high < gate.minimum_gain:
        minimum = format_money(gate.minimum_gain, currency)
        too_small = f"the gain is below the minimum of {minimum} per 1,000 units: {_describe_lift(lift, currency)}"
        return GateJudgement("stop", [too_small, *obstacles, *unready])
    return GateJudgement("continue", [*obstacles, *unready])


def _obstacles_in_figures(gate: StageGate, figures: StageFigures, currency: str) -> list[str]:
    obstacles, lift = [], figures.lift
    if figures.partitions < gate.minimum_partitions:
        partitions = format_plural(figures.partitions, "partition")
        obstacles.append(f"this stage has {partitions} with known outcomes; its gate needs {gate.minimum_partitions}")
    if math.isnan(lift.value):
        return [*obstacles, "too early to judge: no gain over the current process is known yet"]
    if not lift.low > 0:  # an unknown lower end (NaN) proves nothing
        obstacles.append(f"the gain over the current process isn't proven: {_describe_lift(lift, currency)}")
    if not lift.value >= gate.target:
        obstacles.append(f"the gain doesn't reach the target of {format_money(gate.target, currency)} per 1,000 units")
    return obstacles


def _describe_lift(lift: Interval, currency: str) -> str:
    """Return a gain with its interval, such as `$10 per 1,000 units (95% confidence interval: -$50 to $99)`."""
    gain, low, high = (format_money(end, currency) for end in (lift.value, lift.low, lift.high))
    interval = f" (95% confidence interval: {low} to {high})"
    if math.isnan(lift.low):
        interval = f" ({lift.problem})" if lift.problem else ""
    return f"{gain} per 1,000 units{interval}"


def read_stage_status(ws: Workspace, now: datetime) -> StageStatus:
    """Return the status of a use case's stage at a UTC time, judged by the gate that the stage ledger registered.

    Raises StageError if the use case declares no stages, and the ledger has no registration of a stage.
    """
    row, declared = ws.stage_ledger.current_registration(), ws.use_case.stages
    stage: Stage = "poc"
    if row:
        stage, gate = row.stage, row.gate
    elif declared:
        gate = declared.poc
    else:
        raise StageError(
            f"{ws.use_case.name} declares no stages, so no gate can judge it. Declare `stages` in defs.yaml."
        )
    since = next((event.at for event in reversed(ws.stage_ledger.entered_stages())), now)
    figures = measure_stage(ws, stage, since, now, gate)
    outdated, refutation = describe_outdated(ws, figures.track), describe_refutation(ws)
    figures = replace(figures, outdated=outdated, refutation=refutation)
    if refusal := describe_refusal(ws, figures.track):
        figures = replace(figures, lift=UNKNOWN, refusal=refusal)
    if gate is None:
        return StageStatus(stage, since, None, None, figures, [])
    stopped = ws.stage_ledger.current_verdict()
    judgement = judge_gate(gate, figures, list_unready(ws, gate), stage, ws.use_case.kpi.currency)
    if stopped and stopped.event == "stop":  # figures that arrive after a stop don't change the verdict
        judgement = GateJudgement("stop", [stopped.why])
    remarks = describe_registration(row, ws.use_case) if row else []
    return StageStatus(stage, since, gate, judgement.verdict, figures, judgement.obstacles, remarks)


def describe_registration(row: StageEvent, use_case: UseCase) -> list[str]:
    """Return remarks on the gate that a row of the stage ledger registers; an empty list if there is nothing to remark.

    The remarks say that the gate replaced another gate, or that outcomes were known before it was registered.
    """
    gate, before, remarks = row.gate, row.previous_gate, []
    if gate and before:
        old, new = (_describe_gate(g, use_case.kpi.currency) for g in (before, gate))
        remarks.append(f"The gate was changed on {format_date(row.effective_from[:10])}. Before: {old}. Now: {new}.")
    if gate and row.known_partitions:
        figures = format_plural(row.known_partitions, use_case.partitions.every)
        remarks.append(f"The gate was declared after its figures were known: {figures} already had outcomes.")
    return remarks


def _describe_gate(gate: StageGate, currency: str) -> str:
    target, minimum = (format_money(amount, currency) for amount in (gate.target, gate.minimum_gain))
    return f"target {target} per 1,000 units by {format_date(gate.stop_date)}, minimum gain {minimum}"


def measure_stage(ws: Workspace, stage: Stage, since: datetime, now: datetime, gate: StageGate | None) -> StageFigures:
    """Return the figures of a stage that was entered at the UTC time `since`, up to the stop date of its gate."""
    use_case = ws.use_case
    track: Track = "replay" if stage == "poc" else "live"
    label, partitions = label_figures(ws, track), ws.lake.partitions(kpi_dataset(track))
    if track == "live":
        today = use_case.local_day(now)
        partitions = _partitions_since(ws, partitions, since, now)
    else:
        today = _replay_day(ws, partitions)
        partitions = partitions_with_champion(use_case, ws.champion_ledger.promotions("replay"), partitions)
    if gate:
        partitions = [p for p in partitions if use_case.first_day(p) < gate.stop_date]
    try:
        if use_case.is_randomized(track):
            return StageFigures(track, label, len(partitions), measure_experiment(ws, partitions), today)
        known = set(partitions)
        decided = [d for d in kpi_ledger.read_daily_values(ws, track) if d.partition in known]
        counted = read_counted_days(ws, track, decided)
    except UncountedAnswersError as error:
        return StageFigures(track, label, len(partitions), UNKNOWN, today, refusal=str(error))
    if not counted or gate is None:
        return StageFigures(track, label, len(counted), UNKNOWN, today)
    planned_days = (gate.stop_date - use_case.first_day(counted[0].partition)).days
    block_days = use_case.kpi.block_days
    planned_blocks = planned_days / max(block_days, use_case.days_between_decisions)
    lift = follow_lift(counted, block_days=block_days, planned_blocks=max(planned_blocks, 1.0))
    lift = require_overlap(use_case.kpi, counted, lift)
    return StageFigures(track, label, len(counted), lift, today)


def _partitions_since(ws: Workspace, partitions: Sequence[str], since: datetime, now: datetime) -> list[str]:
    """Return the partitions in which the model decided, since the stage was entered at the UTC time `since`.

    All rollout steps but shadow count, so a later step keeps the evidence of the steps before it.
    """
    use_case, steps = ws.use_case, ws.rollout_ledger.steps()
    entered = [p for p in partitions if use_case.opens_at(p) >= since]
    if not steps and not use_case.automation.rollout:
        return entered
    shadows = [period for period in list_periods(steps, since, now) if period.step == "shadow"]

    def is_shadowed(partition: str) -> bool:
        limits = use_case.opens_at(partition), use_case.closes_at(partition)
        return any(shadow.overlaps(*limits) for shadow in shadows)

    return [partition for partition in entered if not is_shadowed(partition)]


def partitions_with_champion(
    use_case: UseCase, champions: Sequence[ChampionRow], partitions: Sequence[str]
) -> list[str]:
    """Return the partitions since the first of some champions came into force, which are sorted; all without one.

    Before, the current process decides because it is too early to say, as in shadow. The first champion is chosen by
    earlier outcomes, so this choice doesn't flatter the gain.
    """
    first = datetime.fromisoformat(champions[0].effective_from) if champions else datetime.min
    return [partition for partition in partitions if use_case.opens_at(partition) >= first]


def _replay_day(ws: Workspace, partitions: Sequence[str]) -> date:
    """Return the local day by which all outcomes of the last partition can be known. partitions: sorted."""
    if not partitions:
        return date.min
    use_case = ws.use_case
    return use_case.first_day(use_case.shift(partitions[-1], 1 + use_case.outcome_horizon_partitions))


def list_unready(ws: Workspace, gate: StageGate) -> list[str]:
    """Return the tasks of people (user research, training) that a stage gate requires and that aren't done yet."""
    unready = []
    findings, trained = len(ws.use_case.people.research), training.share_trained(ws) or 0.0
    if findings < gate.minimum_findings:
        declared = format_plural(findings, "finding")
        unready.append(f"{declared} of user research declared; the gate needs {gate.minimum_findings}")
    if trained < gate.minimum_trained_share:
        needed = f"{gate.minimum_trained_share:.0%}"
        unready.append(f"{trained:.0%} of the training of people is completed; the gate needs {needed}")
    return unready
