"""Measure what a rollout has shown so far: days with known outcomes and the gain, by rollout step.

The evidence of a step covers all periods in which the step was in force. A step forward or back loses no evidence. If
people's answers are recorded, the gain is that of what people did (see `done_value`). In shadow nobody acts, so the
gain is that of the suggestions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sixtyforty.accounting import experiment_ledger, kpi_ledger
from sixtyforty.accounting.done_value import measure_experiment, read_counted_days
from sixtyforty.decisions.decision_facts import DecisionFacts
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.spec.money import format_money
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.rollout_ledger import STEPS, RolloutStep, StepName
from sixtyforty.storage.sql import identifier, identifiers
from sixtyforty.value.daily_value import DailyValue, value_of_day
from sixtyforty.value.lift import NO_INTERVAL, UNKNOWN, Interval, follow_lift
from sixtyforty.value.past_experiment import require_overlap
from sixtyforty.value.policy import Policy
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.unit_groups import GROUP_COLUMN, group_sql
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class StepPeriod:
    """A period in which a rollout step was in force: from `start` to before `end` (UTC; None: still in force)."""

    step: StepName
    start: datetime
    end: datetime | None

    def covers(self, opens_at: datetime, closes_at: datetime) -> bool:
        """Return whether a partition with these UTC limits lies completely in the period."""
        return opens_at >= self.start and (self.end is None or closes_at <= self.end)

    def overlaps(self, opens_at: datetime, closes_at: datetime) -> bool:
        """Return whether a part of a partition with these UTC limits lies in the period."""
        return closes_at > self.start and (self.end is None or opens_at < self.end)


@dataclass(frozen=True)
class StepEvidence:
    """The evidence of one rollout step: days with known outcomes and gain, over all periods of the step.

    - first, last: the first and the last complete partition with decisions; None without such a partition.
    - days: the number of complete days with known outcomes.
    - lift: the gain per 1,000 units on these days, in the KPI's currency; None if it can't be measured. In shadow, it
      is the gain that the model's suggestions would have brought.
    """

    step: StepName
    first: str | None
    last: str | None
    days: int
    lift: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as a dict for JSON. The gain is rounded to the cent, and None if unknown."""
        return vars(self) | {"lift": RoundedInterval.of(self.lift).to_dict() if self.lift else None}

    def describe(self, currency: str) -> str:
        """Return one line about the evidence, such as `shadow: 14 complete days with known outcomes, gain …`."""
        days = f"{self.step}: {format_plural(self.days, 'complete day')} with known outcomes"
        return f"{days}, {_describe_lift(self.lift, currency)}" if self.days else days


def _describe_lift(lift: Interval | None, currency: str) -> str:
    if lift is None:
        return "no gain to measure, because nobody takes the model's actions"
    if math.isnan(lift.value):
        return "the gain isn't known yet"
    gain = f"gain {format_money(lift.value, currency)} per 1,000 units"
    if math.isnan(lift.low):
        return f"{gain} ({lift.problem or NO_INTERVAL})"
    return (
        f"{gain} (95% confidence interval: {format_money(lift.low, currency)} to {format_money(lift.high, currency)})"
    )


def list_periods(rows: Iterable[RolloutStep], live_from: datetime, now: datetime) -> list[StepPeriod]:
    """Return the periods of the rollout steps from the live start to a UTC time, oldest first.

    rows: the rows of the rollout ledger, sorted by `effective_from`. The rollout starts in shadow. A row from before
    the live start takes effect at the live start.
    """
    starts: list[tuple[StepName, datetime]] = [(STEPS[0], live_from)]
    for row in rows:
        effective_from = datetime.fromisoformat(row.effective_from)
        if effective_from <= now:
            starts.append((row.step, max(effective_from, live_from)))
    ends = [start for _, start in starts[1:]]
    periods = [StepPeriod(step, start, end) for (step, start), end in zip(starts, [*ends, None], strict=True)]
    return [period for period in periods if period.end is None or period.end > period.start]


def measure_evidence(ws: Workspace, periods: Sequence[StepPeriod]) -> dict[StepName, StepEvidence]:
    """Return the evidence of each rollout step that has been in force, in the order of the steps.

    Raises UncountedAnswersError if people's answers are recorded, but not counted for each partition.
    """
    partitions = _partitions_by_step(ws, periods)
    return {step: _measure_step(ws, step, partitions[step]) for step in STEPS if step in partitions}


def no_evidence(periods: Sequence[StepPeriod]) -> dict[StepName, StepEvidence]:
    """Return empty evidence (0 days, no gain) for each rollout step that has been in force.

    Call this function if measured figures would be wrong.
    """
    in_force = {period.step for period in periods}
    return {step: StepEvidence(step, None, None, 0, UNKNOWN) for step in STEPS if step in in_force}


def _partitions_by_step(ws: Workspace, periods: Sequence[StepPeriod]) -> Mapping[StepName, list[str]]:
    """Return by rollout step the decided partitions that lie completely in a period in which the step was in force.

    periods: from `list_periods`, which starts with shadow at the live start. If the rollout was declared only after the
    live start, the model decided before the declaration. So shadow leaves out partitions in which the model decided.
    """
    partitions: dict[StepName, list[str]] = {period.step: [] for period in periods}
    for partition, entry in ws.lake.entries(decisions_dataset("live")).items():
        limits = ws.use_case.opens_at(partition), ws.use_case.closes_at(partition)
        step = next((period.step for period in periods if period.covers(*limits)), None)
        if step and not (step == "shadow" and DecisionFacts.from_entry(entry).model):
            partitions[step].append(partition)
    return partitions


def _measure_step(ws: Workspace, step: StepName, partitions: Sequence[str]) -> StepEvidence:
    known, lift = _measure_partitions(ws, step, partitions)
    return StepEvidence(
        step=step,
        first=min(partitions, default=None),
        last=max(partitions, default=None),
        days=round(known * ws.use_case.days_between_decisions),
        lift=lift,
    )


def _measure_partitions(ws: Workspace, step: StepName, partitions: Sequence[str]) -> tuple[int, Interval | None]:
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
        return known, measure_experiment(ws, partitions)
    if step == "shadow":
        daily_values = value_shadow_days(ws, partitions)
    else:
        included = set(partitions)
        decided = [d for d in kpi_ledger.read_daily_values(ws, "live") if d.partition in included]
        daily_values = read_counted_days(ws, "live", decided)
    lift = follow_lift(daily_values, block_days=ws.use_case.kpi.block_days)
    return len(daily_values), require_overlap(ws.use_case.kpi, daily_values, lift)


def value_shadow_days(ws: Workspace, partitions: Sequence[str] | None = None) -> list[DailyValue]:
    """Return the value of live partitions, as if people had followed the model's suggestions in the shadow step.

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
    group = f", {group_sql(use_case.decision.key, 'd')} as {GROUP_COLUMN}" if use_case.units_recur else ""
    with ws.lake.open_session(use_case.timezone) as db:
        rows = db.execute(
            f"""select f.* exclude current_action, d.current_action, d.action, d.expected as _expected,
                d.decided_by, {outcome} as _outcome{group}
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
