"""Compare the value of a replay before and after an edit of the declaration: by month, year and in total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sixtyforty.spec.kpi import Kpi
from sixtyforty.value.daily_value import CANDIDATE_PREFIX, DailyValue
from sixtyforty.value.daily_values import group_by_period
from sixtyforty.value.lift import estimate_lift
from sixtyforty.value.rounded_interval import RoundedInterval, round_known

UNCHANGED = "stored decisions"
LIFT = "gain over the current process"


@dataclass(frozen=True)
class PlannedPeriod:
    """The value of the replay in a month, in a year or in total, before and after an edit, in the KPI's currency.

    - now: the value of the stored decisions under the payoffs before the edit.
    - unchanged: the value of the stored decisions under the edited payoffs.
    - after: the value of the decisions after the edit.
    """

    period: str
    decisions: int
    flips: int
    now: float | None
    unchanged: float | None
    after: float | None


@dataclass(frozen=True)
class PlannedFigure:
    """A gain of the replay per 1,000 decisions, before and after an edit, with 95% confidence intervals."""

    name: str
    now: RoundedInterval
    after: RoundedInterval

    @property
    def loses_significance(self) -> bool:
        """Whether the gain is significant now, but would not be after the edit."""
        return is_proven(self.now) and not is_proven(self.after)


@dataclass(frozen=True)
class PlannedValue:
    """The value and gains of the replay, before and after an edit of the declaration.

    `flips_per_1000`: the value of the flips per 1,000 decisions. It is the value of the decisions after the edit minus
    the value of the stored decisions, both under the edited payoffs. `figures`: the gain over the current process, then
    the gain over each way to decide in `kpi.candidates`.
    """

    total: PlannedPeriod
    periods: Sequence[PlannedPeriod]
    flips_per_1000: RoundedInterval
    figures: Sequence[PlannedFigure]

    @property
    def lost(self) -> list[str]:
        """The names of the gains that are significant now, but would not be after the edit."""
        return [figure.name for figure in self.figures if figure.loses_significance]


def is_proven(gain: RoundedInterval) -> bool:
    """Return whether a gain is significant: the lower end of its interval is above zero."""
    return (gain.low or 0) > 0


def compare_values(
    kpi: Kpi,
    now: Sequence[DailyValue],
    unchanged: Sequence[DailyValue],
    after: Sequence[DailyValue],
    flips_by_partition: Mapping[str, int],
) -> PlannedValue:
    """Compare the values of a replay's partitions before and after an edit. Each list is sorted by partition.

    now: the stored decisions under the payoffs before the edit. unchanged: the stored decisions under the edited
    payoffs. after: the decisions after the edit under the edited payoffs.
    """
    groups = [group_by_period(days) for days in (now, unchanged, after)]
    flips = group_flips(flips_by_partition)
    periods = [
        _sum_period(period, [group.get(period, []) for group in groups], flips.get(period, 0))
        for period in dict.fromkeys(period for group in groups for period in group)
    ]
    paired = _pair(after, unchanged)
    return PlannedValue(
        total=_sum_period("total", [now, unchanged, after], sum(flips_by_partition.values())),
        periods=sorted(periods, key=lambda period: period.period),
        flips_per_1000=RoundedInterval.of(
            estimate_lift(paired, CANDIDATE_PREFIX + UNCHANGED, block_days=kpi.block_days)
        ),
        figures=[_figure(kpi, LIFT, "current_process", now, after)]
        + [
            _figure(kpi, f"gain over the candidate {name}", CANDIDATE_PREFIX + name, now, after)
            for name in kpi.candidates
            if all(name in day.candidates for day in [*now, *after])  # a new candidate has no earlier value
        ],
    )


def group_flips(flips_by_partition: Mapping[str, int]) -> dict[str, int]:
    """Return how many decisions change their action in each month (`YYYY-MM`) and each year (`YYYY`)."""
    flips: dict[str, int] = {}
    for partition, count in flips_by_partition.items():
        for period in (partition[:7], partition[:4]):
            flips[period] = flips.get(period, 0) + count
    return flips


def _sum_period(period: str, groups: Sequence[Sequence[DailyValue]], flips: int) -> PlannedPeriod:
    sums = [round_known(sum(day.model for day in days)) if days else None for days in groups]
    decisions = sum(day.decisions for day in groups[-1] or groups[0])
    return PlannedPeriod(period, decisions, flips, *sums)


def _pair(after: Sequence[DailyValue], unchanged: Sequence[DailyValue]) -> list[DailyValue]:
    """Return the days of `after` that are also in `unchanged`, with a candidate of the name UNCHANGED added.

    The value of this candidate is the value of the stored decisions. So the decisions after the edit can be compared
    with the stored decisions. after, unchanged: see `compare_values`.
    """
    earlier = {day.partition: day for day in unchanged}
    return [_add_unchanged(day, earlier[day.partition]) for day in after if day.partition in earlier]


def _add_unchanged(day: DailyValue, earlier: DailyValue) -> DailyValue:
    groups = day.unit_groups
    if groups and earlier.unit_groups:
        groups = {**groups, CANDIDATE_PREFIX + UNCHANGED: earlier.unit_groups["model"]}
    return replace(day, candidates={UNCHANGED: earlier.model}, unit_groups=groups)


def _figure(kpi: Kpi, name: str, against: str, now: Sequence[DailyValue], after: Sequence[DailyValue]) -> PlannedFigure:
    gains = (RoundedInterval.of(estimate_lift(days, against, block_days=kpi.block_days)) for days in (now, after))
    return PlannedFigure(name, *gains)
