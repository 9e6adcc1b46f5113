"""Roll out a model in three steps: shadow, holdout, full.

A rollout moves one step forward or back at a time. It moves forward only if people's responses and the measured gain
support the next step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sixtyforty.accounting import acceptance, acceptance_messages, experiment_ledger, experiment_results, kpi_ledger
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.due_decisions import live_since
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.money import format_money
from sixtyforty.spec.operation import Rollout
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.rollout_ledger import STEPS, RolloutStep, StepName
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.daily_value import DailyValue, value_of_day
from sixtyforty.value.lift import Interval, estimate_lift
from sixtyforty.value.policy import Policy
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.workspace import Workspace

UNKNOWN = Interval(math.nan, math.nan, math.nan)


class RolloutError(SixtyfortyError):
    """The rollout can't move to the requested step."""


@dataclass(frozen=True)
class RolloutStatus:
    """The status of a rollout.

    `step`: the step in force since the UTC time `since`. `days`: number of whole days in this step whose outcomes are
    known. `lift`: the gain per 1,000 units on these days, in the KPI's currency; None if it can't be measured. In
    shadow, it is the gain that the model's suggestions would have brought. `obstacles`: the reasons against the next
    step.
    """

    step: StepName
    since: datetime
    days: int
    lift: Interval | None
    obstacles: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the rollout's status as a dict for JSON. Money is rounded to the cent; unknown figures are None."""
        return {
            "step": self.step,
            "since": f"{self.since}",
            "days": self.days,
            "lift": RoundedInterval.of(self.lift).to_dict() if self.lift else None,
            "obstacles": self.obstacles,
        }


def list_objections_of_people(ws: Workspace) -> list[str]:
    """Return the reasons against more automation that people's responses to live decisions give, one sentence each."""
    return acceptance_messages.list_objections(ws.use_case, acceptance.summarize_acceptance(ws, "live"))


def list_obstacles(
    rollout: Rollout, step: StepName, days: int, lift: Interval | None, objections: Sequence[str], currency: str
) -> list[str]:
    """Return the reasons against the next step of a rollout. The list is empty if the next step may be taken.

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
        return f"the gain over the current process isn't proven in this step: {gain}, with too few days for an interval"
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
    taken = ws.rollout_ledger.step_at(now)
    step: StepName = taken.step if taken else STEPS[0]
    since = max(datetime.fromisoformat(taken.effective_from), live_from) if taken else live_from
    whole = [p for p in ws.lake.entries(decisions_dataset("live")) if use_case.opens_at(p) >= since]
    refusal = describe_refusal(ws, "live")
    known, lift = (0, UNKNOWN) if refusal else _measure_step(ws, step, whole)
    days = round(known * use_case.days_between_decisions)
    obstacles = list_obstacles(rollout, step, days, lift, list_objections_of_people(ws), use_case.kpi.currency)
    obstacles = [refusal, *obstacles] if refusal else obstacles
    return RolloutStatus(step, since, days, lift, obstacles)


def _measure_step(ws: Workspace, step: StepName, partitions: list[str]) -> tuple[int, Interval | None]:
    """Return the number of partitions with known outcomes, and the gain per 1,000 units on these partitions.

    In an experiment, the gain is the difference between the units that the model decides and the holdout. Its
    confidence interval stays valid however often it is checked. In an experiment's shadow step the gain is None,
    because nobody takes the model's actions.
    """
    if ws.use_case.is_randomized("live"):
        entries = ws.lake.entries(experiment_ledger.DATASET, partitions).values()
        accounts = [experiment_ledger.ExperimentAccount.from_entry(entry) for entry in entries]
        known = sum(1 for account in accounts if account.decisions + account.outside_experiment)
        if step == "shadow":
            return known, None
        effect = experiment_results.measure_effect(ws, partitions)
        return known, effect.lift if effect and effect.is_trustworthy else UNKNOWN
    if step == "shadow":
        daily_values = value_shadow_days(ws, partitions)
    else:
        daily_values = [d for d in kpi_ledger.read_daily_values(ws, "live") if d.partition in set(partitions)]
    return len(daily_values), estimate_lift(daily_values)


def value_shadow_days(ws: Workspace, partitions: Sequence[str] | None = None) -> list[DailyValue]:
    """Return the daily values of live partitions, as if people had followed the model's suggestions of the shadow step.

    partitions: None means all live partitions. For a unit without a suggestion (its data wasn't sound), the current
    process's action counts. The KPI must be exact: if outcomes depended on actions, this value would be wrong.
    """
    use_case, key = ws.use_case, identifiers(ws.use_case.decision.key)
    decisions = ws.lake.entries(decisions_dataset("live"), partitions)
    outcomes = ws.lake.entries("outcomes", list(decisions))
    decisions = {p: decisions[p] for p in outcomes}
    if not decisions:
        return []
    features = ws.lake.entries("features", list(decisions))
    outcome = f"o.{identifier(use_case.kpi.outcome)}"
    with connect(use_case.timezone) as db:
        rows = db.execute(
            f"""select f.* exclude current_action, d.current_action, d.action, d.expected as _expected,
                d.decided_by, {outcome} as _outcome
            from {ws.lake.select_rows(decisions.values())} d
            join {ws.lake.select_rows(outcomes.values())} o using (_partition, {key})
            left join {ws.lake.select_rows(features.values())} f using (_partition, {key})
            where {outcome} is not null order by d._partition, d.decision_id"""
        ).df()
    shadow = (rows["decided_by"] == "shadow").to_numpy()
    if shadow.any():
        suggested = rows[shadow].reset_index(drop=True)
        expected = suggested["_expected"].to_numpy(float)
        rows.loc[shadow, "action"] = Policy.from_use_case(use_case).choose_actions(suggested, expected).action
    return [
        value_of_day(use_case.kpi, str(partition), units, units["_outcome"].to_numpy(float))
        for partition, units in rows.groupby("_partition", sort=True)
    ]


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
    """Move a rollout one step back, from `now` (UTC, naive) on, and return the new ledger row. No condition applies.

    Raises RolloutError in the first step, or if the use case was stopped or retired.
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
