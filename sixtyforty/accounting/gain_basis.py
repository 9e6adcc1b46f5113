"""Summarize what the gain of a track rests on: its payoffs, the predictions, and where an action was needed.

Everything is computed from the accounts of `unit_sums_ledger`. They must reconcile with the KPI accounts, or no figure
is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.refused_figures import require_sound_figures
from sixtyforty.accounting.unit_sums_ledger import read_sums
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.activity import Activity, measure_activity
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.group_sums import SumsByGroup
from sixtyforty.value.hits import ComparedHits, SegmentHits, compare_hits, compare_segments
from sixtyforty.value.period_sums import PeriodSums
from sixtyforty.value.prediction_bins import Calibration, calibrate
from sixtyforty.value.sensitivity import (
    Gains,
    PayoffSensitivity,
    Variation,
    payoff_differences,
    vary_opportunity_cost,
    vary_payoffs,
    vary_success,
)
from sixtyforty.value.unit_sums import RIGHT, TOO_HIGH, TOO_LOW
from sixtyforty.workspace import Workspace

TOLERANCE = 0.005  # half a cent for each partition: the order in which doubles are added changes the last digits

MEASURED_LIVE = (
    "The gain is measured by comparing two groups that were drawn at random. It doesn't rest on the declared gain of an"
    " action, so it isn't calculated for other payoffs."
)
MEASURED_EFFECT = (
    "The effect of the actions was measured in an experiment, in which some actions may have failed. So it isn't"
    " calculated for another success rate."
)
AMOUNT_WORKS = "The action is an amount, which can be too low or too high. It has no success rate."
NEED_UNKNOWN = "The action may change the outcome. So the outcome doesn't show on which {units} an action was needed."
NO_COST = "No action costs anything, or both ways of deciding act equally often. So no opportunity cost is calculated."
NO_GAIN = "The decisions and the current process gain the same from their actions, whatever share of the actions works."


@dataclass(frozen=True)
class AmountFit:
    """How often the amounts of one way of deciding were too low, right or too high, in numbers of decisions."""

    too_low: int
    right: int
    too_high: int


@dataclass(frozen=True)
class GainBasis:
    """What a gain rests on. Fields are None or empty if they make no sense for the use case; `notes` says why.

    - payoffs: the gain for other payoffs, by payoff.
    - success: the gain for lower success rates of the actions. opportunity_cost: the gain for opportunity costs.
    - calibration: how well the predictions match the outcomes.
    - hits, segments: where an action was needed and taken, in total and by segment.
    - amounts: how the amounts of the decisions taken and of the current process fit.
    - period: the period of `activity`, such as `day`. activity: the actions of the decisions taken and of the current
      process, by period. Decisions whose outcome isn't known count, too.
    - notes: sentences about figures that the use case can't have.
    - problem: why there are no figures; empty if there are.
    """

    payoffs: list[PayoffSensitivity] = field(default_factory=list)
    success: Variation | None = None
    opportunity_cost: Variation | None = None
    calibration: Calibration | None = None
    hits: ComparedHits | None = None
    segments: list[SegmentHits] = field(default_factory=list)
    amounts: tuple[AmountFit, AmountFit] | None = None
    period: str = ""
    activity: tuple[Activity, Activity] | None = None
    notes: list[str] = field(default_factory=list)
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything for JSON. Unknown figures are null."""
        amounts = dict(zip(("taken", "current"), map(asdict, self.amounts), strict=True)) if self.amounts else None
        return {
            "payoffs": [sensitivity.to_dict() for sensitivity in self.payoffs],
            "success": self.success.to_dict() if self.success else None,
            "opportunity_cost": self.opportunity_cost.to_dict() if self.opportunity_cost else None,
            "calibration": self.calibration.to_dict() if self.calibration else None,
            "hits": self.hits.to_dict() if self.hits else None,
            "segments": [segment.to_dict() for segment in self.segments],
            "amounts": amounts,
            "activity": {
                "period": self.period,
                **{name: a.to_dict() for name, a in zip(("taken", "current"), self.activity, strict=True)},
            }
            if self.activity
            else None,
            "notes": self.notes,
            "problem": self.problem or None,
        }


def summarize_basis(ws: Workspace, track: Track, daily_values: Sequence[DailyValue] | None = None) -> GainBasis:
    """Return what the gain of a track rests on.

    daily_values: the money of all partitions, if the caller has already read it.
    Raises RefusedFiguresError if the figures are refused (see `refused_figures`).
    """
    require_sound_figures(ws, track)
    if ws.use_case.is_randomized(track):
        return GainBasis(notes=[MEASURED_LIVE])
    days = kpi_ledger.read_daily_values(ws, track) if daily_values is None else daily_values
    sums = read_sums(ws, track, [day.partition for day in days])
    if problem := describe_mismatch(ws.use_case, track, days, sums):
        return GainBasis(problem=problem)
    return compute_basis(ws.use_case, track, days, sums)


def describe_mismatch(use_case: UseCase, track: Track, days: Sequence[DailyValue], sums: PeriodSums) -> str | None:
    """Return why no figure can be shown: the accounts don't cover the KPI accounts, or differ from them. None if fine.

    sums: the sums of the days that have such an account.
    """
    of_sums = zip(sums.decisions.tolist(), sums.gain.tolist(), strict=True)
    by_partition = dict(zip(sums.partitions, of_sums, strict=True))
    differing = [day.partition for day in days if not _reconciles(day, by_partition.get(day.partition))]
    if not differing:
        return None
    first, last = use_case.first_day(differing[0]), use_case.first_day(differing[-1])
    live = " --track live" if track == "live" else ""
    return (
        f"What the gain rests on isn't calculated for {format_plural(len(differing), 'partition')}, or differs from the"
        f" value of the decisions. Calculate it again: sixtyforty run {use_case.name} --from {first} --to {last}{live}."
    )


def compute_basis(use_case: UseCase, track: Track, days: Sequence[DailyValue], sums: PeriodSums) -> GainBasis:
    """Return what the gain of some partitions rests on. days, sums: the same partitions, in the order of time."""
    if not days:
        return GainBasis()
    kpi, payoffs = use_case.kpi, sums.total_payoffs
    differences = payoff_differences(kpi, sums.payoffs)
    gains = Gains(kpi, track, days)
    success, hits = vary_success(gains, differences), compare_hits(kpi, payoffs)
    opportunity_cost = None if kpi.amount else vary_opportunity_cost(gains, differences)
    by_day = use_case.partitions.every in ("hour", "day")
    return GainBasis(
        payoffs=vary_payoffs(gains, differences),
        success=success,
        opportunity_cost=opportunity_cost,
        calibration=calibrate(kpi, sums.predictions),
        hits=hits,
        segments=compare_segments(sums.segments),
        amounts=(_fit_amounts(payoffs, 0), _fit_amounts(payoffs, 1)) if kpi.amount else None,
        period="day" if by_day else use_case.partitions.every,
        activity=(
            measure_activity(sums.partitions, sums.acted),
            measure_activity(sums.partitions, sums.current_acted),
        ),
        notes=_explain_gaps(kpi, success, opportunity_cost, hits),
    )


def _reconciles(day: DailyValue, sums: tuple[float, float] | None) -> bool:
    """Return whether a day's number of decisions and gain equal those of its sums; False without sums."""
    if sums is None or sums[0] != day.decisions:
        return False
    return abs(sums[1] - (day.model - day.current_process)) <= TOLERANCE


def _explain_gaps(
    kpi: Kpi, success: Variation | None, opportunity_cost: Variation | None, hits: ComparedHits | None
) -> list[str]:
    """Return a sentence for each figure that the use case can't have."""
    if kpi.amount:
        return [AMOUNT_WORKS]
    notes = []
    if success is None:
        notes.append(MEASURED_EFFECT if kpi.treatment else NO_GAIN)
    if opportunity_cost is None:
        notes.append(NO_COST)
    if hits is None:
        notes.append(NEED_UNKNOWN.format(units=kpi.unit_plural))
    return notes


def _fit_amounts(payoffs: SumsByGroup, policy: int) -> AmountFit:
    """Return how amounts fit. policy: 0 for the decisions taken, 1 for the current process."""
    counts = dict.fromkeys((TOO_LOW, RIGHT, TOO_HIGH), 0)
    for key, sums in payoffs.items():
        counts[key[policy]] += int(sums[0])
    return AmountFit(*counts.values())
