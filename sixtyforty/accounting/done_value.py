"""Compute the value of what people did: the decisions, corrected for people's overrides and for unanswered decisions.

The KPI ledger values each unit as if the decision had been followed. The usage accounts hold how the value changes:

- An override in force replaces the decided action (see `answers_in_force`).
- If `people.unanswered` is `not_done`, the current process's action replaces each decision without an answer in force.

In an experiment, the observed outcome already is the outcome of what people did, so only the cost of the action is
corrected. Nobody acts on a replay. Answers to its decisions are simulated or practice.

Without the usage account of a partition, or with an outdated one, the value isn't known and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sixtyforty.accounting import experiment_results
from sixtyforty.accounting.usage import PartitionUsage, current_inputs, is_current, usage_dataset
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.money import format_money
from sixtyforty.spec.review import Unanswered
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import figures_by_day
from sixtyforty.value.lift import UNKNOWN, Interval, measure_lift
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.summary import compute_balance
from sixtyforty.value.unit_groups import GroupSums
from sixtyforty.workspace import Workspace


class UncountedAnswersError(SixtyfortyError):
    """People's answers aren't counted for each decided partition, so the value of what people did isn't known."""


@dataclass(frozen=True)
class DoneValue:
    """The value of what people did over some partitions, in the KPI's currency, to the cent.

    - track: on a replay, nobody acted. The answers are simulated or practice.
    - unanswered_rule: the declared `people.unanswered`.
    - overrides: the number of overrides that count: those in force, of decisions that count in the KPI ledger.
    - unanswered: the number of decisions in the ledger that differ from the current process, without an answer in
      force.
    - unpriced: the number of answers in force to an action whose price is unknown. They count as decided.
    - difference: the value of the actions that people took instead, minus the value of the decisions.
    - total: the value of what people did. It is the value of the decisions plus `difference`.
    - gain, per_1000, lift: the gain of what people did over the current process: in total, and per 1,000 decisions with
      its interval (see `measure_lift`). `per_1000` is the value per 1,000 decisions.
    - net_impact, payback: see `Balance`, with the gain of what people did.
    - responses, simulated: the number of responses, and how many of them are simulated.
    """

    track: Track
    unanswered_rule: Unanswered
    overrides: int
    unanswered: int
    unpriced: int
    difference: float
    total: float
    gain: float
    per_1000: float | None
    lift: RoundedInterval
    net_impact: float
    payback: str | None
    responses: int
    simulated: int

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self) | {"lift": self.lift.to_dict()}

    @property
    def whose_answers(self) -> str:
        """Whose answers count: people's, practice answers to a replay, or simulated ones."""
        if self.simulated:
            return "simulated answers" if self.simulated == self.responses else "partly simulated answers"
        return "practice answers" if self.track == "replay" else "people's answers"

    def describe(self, currency: str) -> str:
        """Return sentences: the value of the decisions, the value of what people did, and how it was counted."""
        followed = format_money(self.total - self.difference, currency)
        done, difference = format_money(self.total, currency), format_money(self.difference, currency, signed=True)
        nobody = "Nobody acted on this replay. " if self.track == "replay" else ""
        unpriced = f" {format_plural(self.unpriced, 'override')} to an action of unknown price count as decided."
        return (
            f"{nobody}Value if every decision had been followed: {followed}. Value with {self.whose_answers}: {done}"
            f" ({difference}). {self._describe_counts()}{unpriced if self.unpriced else ''}"
        )

    def _describe_counts(self) -> str:
        overrides = f"{format_plural(self.overrides, 'override')} in force"
        unanswered = format_plural(self.unanswered, "unanswered decision")
        count = "counts" if self.unanswered == 1 else "count"
        rule = f"{count} as the current process's action"
        if self.unanswered_rule == "done":
            rule = f"{count} as decided"
        return f"It counts {overrides}; {unanswered} that would change the current process's action {rule}."


def value_done(
    ws: Workspace, track: Track, days: Sequence[DailyValue], experiment_lift: Interval | None = None
) -> DoneValue | None:
    """Return the value of what people did over some partitions; None if people's answers aren't recorded.

    days: the value of the decisions by partition, sorted. experiment_lift: the gain that an experiment measured, per
    1,000 decisions; None without an experiment. On a replay without any answer, the value is None, too.

    Raises UncountedAnswersError if the answers to a partition's decisions aren't counted.
    """
    rule = ws.use_case.people.unanswered
    if rule is None or not days:
        return None
    usages = _read_usages(ws, track, figures_by_day(days, "partition"))
    responses = sum(usage.responses for usage in usages.values())
    if track == "replay" and not responses:
        return None
    _require_counted(ws, track, days)
    done_days = _replace_decided(ws, track, days, usages)
    randomized, kpi = ws.use_case.is_randomized(track), ws.use_case.kpi
    decisions, total = sum(day.decisions for day in days), round(sum(day.model for day in done_days), 2)
    decided = round(sum(day.model for day in days), 2)
    balance = compute_balance(kpi, done_days, ws.use_case.days_between_decisions)
    lift = _shift_lift(experiment_lift, days, done_days) if experiment_lift else _measure(ws, track, done_days)
    return DoneValue(
        track=track,
        unanswered_rule=rule,
        overrides=sum(u.overrides_paid if randomized else u.known - u.known_without_effect for u in usages.values()),
        unanswered=sum(usage.unanswered or 0 for usage in usages.values()),
        unpriced=sum(usage.unpriced for usage in usages.values()),
        difference=round(total - decided, 2),
        total=total,
        gain=round(balance.gain, 2),
        per_1000=round(1000 * total / decisions, 2) if decisions else None,
        lift=RoundedInterval.of(lift),
        net_impact=round(balance.net_impact, 2),
        payback=balance.payback,
        responses=responses,
        simulated=sum(usage.simulated for usage in usages.values()),
    )


def read_counted_days(ws: Workspace, track: Track, days: Sequence[DailyValue]) -> list[DailyValue]:
    """Return the days by which targets and stage gates judge: of what people did if they acted and it is recorded.

    days: the value of the decisions by partition. On a replay, nobody acted, so the days are returned unchanged; the
    same holds if people's answers aren't recorded. Raises UncountedAnswersError (see `value_done`).
    """
    if track == "replay" or ws.use_case.people.unanswered is None:
        return list(days)
    _require_counted(ws, track, days)
    return _replace_decided(ws, track, days, _read_usages(ws, track, [day.partition for day in days]))


def measure_experiment(ws: Workspace, partitions: Sequence[str]) -> Interval:
    """Return the gain that a live experiment measured, with the costs of what people did, per 1,000 decisions.

    It is unknown before both arms have outcomes, or if the arms can't be trusted. Raises UncountedAnswersError (see
    `value_done`).
    """
    effect = experiment_results.measure_effect(ws, partitions)
    if effect is None or not effect.is_trustworthy:
        return UNKNOWN
    days = experiment_results.read_daily_values(ws, partitions)
    return _shift_lift(effect.lift, days, read_counted_days(ws, "live", days))


def _shift_lift(lift: Interval, days: Sequence[DailyValue], done_days: Sequence[DailyValue]) -> Interval:
    """Return an experiment's gain plus the cost that people saved, per 1,000 decisions.

    The saved cost is recorded for each unit, not estimated. So it moves the interval, and doesn't widen it. The
    interval is that of the gain at the observed shares of overrides and unanswered decisions.
    """
    decisions = sum(day.decisions for day in days)
    saved = sum(done.model - day.model for done, day in zip(done_days, days, strict=True))
    shift = 1000 * saved / decisions if decisions else 0.0
    return replace(lift, value=lift.value + shift, low=lift.low + shift, high=lift.high + shift)


def _measure(ws: Workspace, track: Track, done_days: Sequence[DailyValue]) -> Interval:
    return measure_lift(track, done_days, block_days=ws.use_case.kpi.block_days)


def _read_usages(ws: Workspace, track: Track, partitions: Sequence[str]) -> dict[str, PartitionUsage]:
    dataset = usage_dataset(track)
    entries = ws.lake.entries(dataset, sorted({*partitions} & {*ws.lake.partitions(dataset)}))
    return {partition: PartitionUsage.from_entry(entry) for partition, entry in entries.items()}


def _require_counted(ws: Workspace, track: Track, days: Sequence[DailyValue]) -> None:
    """Raise UncountedAnswersError if a partition's usage account is missing or outdated."""
    partitions = [day.partition for day in days]
    accounts = ws.lake.entries(usage_dataset(track), partitions)
    uncounted = [p for p in partitions if not is_current(accounts.get(p), current_inputs(ws, track, p))]
    if not uncounted:
        return
    name = ws.use_case.name
    first, last = (ws.use_case.first_day(partition) for partition in (uncounted[0], uncounted[-1]))
    period = f"on {first}" if first == last else f"from {first} to {last}"
    raise UncountedAnswersError(
        f"What people did isn't known for {name}: the answers to the decisions of"
        f" {format_plural(len(uncounted), 'partition')} {period} aren't counted."
        f" Count them: sixtyforty run {name} --from {first} --to {last}."
    )


def _replace_decided(
    ws: Workspace, track: Track, days: Sequence[DailyValue], usages: Mapping[str, PartitionUsage]
) -> list[DailyValue]:
    """Return the days with the value of what people did in place of the value of the decisions."""
    is_randomized, rule = ws.use_case.is_randomized(track), ws.use_case.people.unanswered

    def difference(usage: PartitionUsage) -> float:
        answered = usage.cost_saved if is_randomized else usage.gain - usage.gain_without_effect
        return answered + (usage.unanswered_gain if rule == "not_done" else 0.0)

    return [
        replace(
            day,
            model=day.model + difference(usages[day.partition]),
            unit_groups=_replace_groups(day.unit_groups, usages[day.partition], rule == "not_done"),
        )
        for day in days
    ]


def _replace_groups(groups: GroupSums | None, usage: PartitionUsage, is_not_done: bool) -> GroupSums | None:
    """Return the sums by group of units with the value of what people did. They are unknown in an earlier account."""
    if not groups:
        return groups
    if not usage.group_gains:
        return {}
    zeros = [0.0] * len(usage.group_gains)
    unanswered = usage.unanswered_group_gains if is_not_done else zeros
    added = zip(groups["model"], usage.group_gains, unanswered, strict=True)
    return {**groups, "model": [sum(parts) for parts in added]}
