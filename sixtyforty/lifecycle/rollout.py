"""Roll out a model in three steps: shadow, holdout, full.

A rollout moves one step forward or back at a time. It moves forward only if people's responses and the measured gain
support the next step. `rollout_evidence` measures the gain of each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sixtyforty.accounting import acceptance, acceptance_messages
from sixtyforty.accounting.done_value import UncountedAnswersError
from sixtyforty.accounting.exactness import describe_refutation
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.decisions.due_decisions import live_since
from sixtyforty.lifecycle.rollout_evidence import StepEvidence, list_periods, measure_evidence, no_evidence
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.money import format_money
from sixtyforty.spec.operation import Rollout
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.rollout_ledger import STEPS, RolloutStep, StepName
from sixtyforty.value.lift import NO_INTERVAL, Interval
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace


class RolloutError(SixtyfortyError):
    """The rollout can't move to the requested step."""


@dataclass(frozen=True)
class RolloutStatus:
    """The status of a rollout: its step, the evidence so far, and the obstacles to the next step.

    `step`: the step in force since the UTC time `since`. `days`: number of whole days in this step whose outcomes are
    known, earlier periods of this step included. `lift`: the gain per 1,000 units on these days, in the KPI's currency;
    None if it can't be measured. In shadow, it is the gain that the model's suggestions would have brought.
    `obstacles`: the reasons against the next step. `evidence`: the evidence of each step that has been in force, in the
    order of the steps.
    """

    step: StepName
    since: datetime
    days: int
    lift: Interval | None
    obstacles: list[str]
    evidence: Sequence[StepEvidence]

    def to_dict(self) -> dict[str, Any]:
        """Return the rollout's status as a dict for JSON. Money is rounded to the cent; unknown figures are None."""
        return {
            "step": self.step,
            "since": f"{self.since}",
            "days": self.days,
            "lift": RoundedInterval.of(self.lift).to_dict() if self.lift else None,
            "obstacles": self.obstacles,
            "evidence": [evidence.to_dict() for evidence in self.evidence],
        }


def list_objections_of_people(ws: Workspace) -> list[str]:
    """Return why people's responses to live decisions speak against more automation, one sentence for each reason."""
    return acceptance_messages.list_objections(ws.use_case, acceptance.summarize_acceptance(ws, "live"))


def list_obstacles(
    rollout: Rollout, step: StepName, days: int, lift: Interval | None, objections: Sequence[str], currency: str
) -> list[str]:
    """Return the reasons why a rollout may not take its next step. The list is empty if the step may be taken.

    step, days, lift: see `RolloutStatus`. objections: from `list_objections_of_people`. currency: the gain's currency.
    """
    if step == STEPS[-1]:
        return ["full is the last rollout step"]
    obstacles = [*objections]
    if days < rollout.min_days:
        obstacles.append(
            f"this step has {format_plural(days, 'whole day')} with known outcomes; it needs {rollout.min_days}"
        )
    if lift is not None and not lift.low > 0:
        obstacles.append(_describe_unproven(lift, currency))
    return obstacles


def _describe_unproven(lift: Interval, currency: str) -> str:
    if math.isnan(lift.value):
        return "no gain over the current process is known in this step yet"
    gain = f"{format_money(lift.value, currency)} per 1,000 units"
    if math.isnan(lift.low):
        return f"the gain over the current process isn't proven in this step: {gain} ({lift.problem or NO_INTERVAL})"
    interval = f"{format_money(lift.low, currency)} to {format_money(lift.high, currency)}"
    return f"the gain over the current process isn't proven in this step: {gain} (95% confidence interval: {interval})"


def read_rollout_status(ws: Workspace, now: datetime) -> RolloutStatus:
    """Return the status of a use case's rollout at a UTC time.

    Raises RolloutError if no rollout is declared, or if the use case isn't live yet.
    """
    use_case, live_from = ws.use_case, live_since(ws, "live")
    rollout = use_case.automation.rollout
    if rollout is None:
        raise RolloutError(
            f"{use_case.name} declares no automation.rollout, so the model decides on all live units."
            " To roll out in steps, declare automation.rollout in defs.yaml."
        )
    if live_from is None:
        raise RolloutError(f"{use_case.name} isn't live yet. Go live first, with `sixtyforty adopt {use_case.name}`.")
    periods = list_periods(ws.rollout_ledger.steps(), live_from, now)
    step, since = periods[-1].step, periods[-1].start
    refusal = describe_refusal(ws, "live") or describe_refutation(ws)
    try:
        evidence = no_evidence(periods) if refusal else measure_evidence(ws, periods)
    except UncountedAnswersError as error:
        refusal, evidence = str(error), no_evidence(periods)
    days, lift = evidence[step].days, evidence[step].lift
    obstacles = list_obstacles(rollout, step, days, lift, list_objections_of_people(ws), use_case.kpi.currency)
    obstacles = [refusal, *obstacles] if refusal else obstacles
    return RolloutStatus(step, since, days, lift, obstacles, list(evidence.values()))


def _refuse_after_end(ws: Workspace, now: datetime) -> None:
    """Raise RolloutError if the use case was stopped or retired, because then no model decides in any step."""
    if end_reason := ws.stage_ledger.end_reason_at(now):
        raise RolloutError(
            f"{ws.use_case.name}: no rollout step can be taken, because the use case has ended: {end_reason}."
            f" `sixtyforty stage {ws.use_case.name}` shows why."
        )


def advance_rollout(ws: Workspace, by: str, why: str, now: datetime) -> RolloutStep:
    """Move a rollout to its next step, from `now` (UTC, naive) on, and return the new ledger row.

    Raises RolloutError, which names every obstacle, if the next step may not be taken.
    """
    _refuse_after_end(ws, now)
    status = read_rollout_status(ws, now)
    if status.obstacles:
        raise RolloutError(f"{ws.use_case.name}: the rollout stays at {status.step}: {'; '.join(status.obstacles)}")
    return _take_step(ws, STEPS[STEPS.index(status.step) + 1], by, why, now, status)


def step_back_rollout(ws: Workspace, by: str, why: str, now: datetime) -> RolloutStep:
    """Move a rollout one step back, from `now` (UTC, naive) on, and return the new ledger row.

    A step back needs no evidence. Raises RolloutError in the first step, or if the use case was stopped or retired.
    """
    _refuse_after_end(ws, now)
    status = read_rollout_status(ws, now)
    if status.step == STEPS[0]:
        raise RolloutError(
            f"{ws.use_case.name}: shadow is the first step, so no step back is possible. In shadow, the current process"
            " decides on all units."
        )
    return _take_step(ws, STEPS[STEPS.index(status.step) - 1], by, why, now, status)


def _take_step(ws: Workspace, step: StepName, by: str, why: str, now: datetime, status: RolloutStatus) -> RolloutStep:
    effective_from = now.isoformat(timespec="seconds")
    return ws.rollout_ledger.take_step(step, by=by, why=why, effective_from=effective_from, evidence=status.to_dict())
