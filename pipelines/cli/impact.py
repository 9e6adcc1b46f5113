"""`sixtyforty impact`: the gain of the decisions, and of what people did, over the current process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pipelines.cli.answer import Answer
from pipelines.cli.commands import SEE, command
from pipelines.cli.errors import CommandError
from pipelines.cli.options import TrackName, UseCaseName

if TYPE_CHECKING:
    from sixtyforty.accounting.forecast import ForecastRecord
    from sixtyforty.accounting.kpi_summary import KpiSummary
    from sixtyforty.spec.kpi import Kpi
    from sixtyforty.spec.use_case import UseCase
    from sixtyforty.value.capacity_gains import CapacityGains
    from sixtyforty.value.rounded_interval import RoundedInterval
    from sixtyforty.value.segments import Segment

POLICIES = {
    "model": "decisions taken",
    "current_process": "current process",
    "random_choice": "random choice",
    "perfect_foresight": "perfect foresight",
}
SUMMARY_KEYS = {
    "decisions": "Number of decisions with a known outcome.",
    "per_1000": "Value per 1,000 decisions, by way of deciding: model, current_process, random_choice,"
    " perfect_foresight.",
    "lift_vs_current": "Gain over the current process per 1,000 decisions: value, low, high (95% interval).",
    "total": "Total value of the decisions taken.",
    "totals": "Total value, by way of deciding.",
    "gain": "Gain over the current process in total.",
    "build": "Cost of building, as declared.",
    "running": "Cost of running over the period, as declared.",
    "net_impact": "The gain of `counted` minus building and running. Null: that gain isn't known.",
    "payback": "First day on which the gain of `counted` covers the cost. Null: it does not cover the cost yet, or it"
    " is no money that was earned (see `standing` in `counted`).",
    "counted": "The gain by which target, stage gate and costs are judged: of what people did on the live track."
    " Basis: replay, unrecorded or done. Standing: earned, lost, no gain shown, assumed, replay, retired or not known.",
    "acted": "Number of decisions for an action that costs more than the cheapest action.",
    "differ_from_current": "Number of decisions that differ from the current process.",
    "differ_share": "Share of decisions that differ from the current process.",
    "operational": "Whether any decision differs from the current process, so that the model changes something.",
    "candidates": "Value and gain of each declared candidate, such as a vendor's predictions.",
    "decided_by_current_process": "Number of decisions that the current process took as a fallback, without a champion,"
    " or until a review. Decisions in shadow or in the holdout don't count.",
    "deciders": "Number of decisions by the model, and by the current process with reasons; unknown outcomes included.",
    "done": "Value of what people did: overrides, unanswered decisions, difference, total, gain, and lift with its"
    " interval. Null: people's answers aren't recorded, aren't counted, or the replay has none.",
    "done_problem": "Why the value of what people did is refused. Null: it is not refused.",
    "exactness": "Test by a holdout that the action doesn't change the outcome: outcomes of both arms, interval,"
    " refuted. Null: no such test.",
    "past_experiment": "Gain by three methods with intervals (horvitz_thompson is official), for the model and each"
    " candidate, and the overlap. Null: no past experiment.",
    "capacity": "Gain per 1,000 decisions if fewer actions can be taken: `first_come` with its interval, and"
    " `best_of_day`. Also the largest number of actions, and the worst partition. Null: a live experiment.",
    "unit": "Currency of the money, not a unit that is decided about.",
    "from": "First partition with a known outcome.",
    "to": "Last partition with a known outcome.",
    "days": "Number of partitions with a known outcome.",
    "label": "exact, assumed or randomized: how the value is known.",
    "outdated": "Why the replay's figures are outdated, and the command that recalculates them. Null: not outdated.",
}


@dataclass(frozen=True, kw_only=True)
class ImpactAnswer(Answer):
    """Answer of `sixtyforty impact`: the gain of the decisions of a track over the current process."""

    summary: Annotated[Mapping[str, Any], SUMMARY_KEYS]
    holdout: Annotated[Mapping[str, Any] | None, "Estimate from the holdout. Null: the use case has no holdout."]
    unvalued: Annotated[int, "Number of decisions that the figures leave out, because their value is unknown."]
    evidence: Annotated[str | None, "How well the value is known if it is not exact. Null: the value is exact."]
    segments: Annotated[Sequence[Mapping[str, Any]], "Gain by segment of the declared columns."]
    forecast: Annotated[
        Mapping[str, Any],
        "Forecast of the gain in the month after each promotion with its prediction interval, and the actual gain. The"
        " numbers of months within their forecast and of months compared. The forecast for the coming month.",
    ]
    rests_on: Annotated[
        Mapping[str, Any],
        "What the gain rests on. Of payoffs, success rates and opportunity costs: the gain after a change, and where it"
        " is zero. Of hits, in total and by segment: where an action was needed and taken. Of amounts: how often they"
        " fit. Of the calibration: predictions and outcomes. Of the activity: actions a day, week or month. The notes"
        " say why some keys are null. The problem says why all are null, and names the cure.",
    ]


@command(SEE, "impact", "{demo}", "{demo} --track live --json")
def impact(use_case: UseCaseName, track: TrackName = "replay") -> ImpactAnswer:
    """Show the gain of the decisions, and of what people did, over the current process."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.forecast import read_forecasts
    from sixtyforty.accounting.gain_basis import summarize_basis
    from sixtyforty.accounting.kpi_summary import summarize_kpi, summarize_segments
    from sixtyforty.accounting.unvalued_decisions import count_unvalued, describe_unvalued
    from sixtyforty.reports.gain_basis_texts import summarize_for_command

    ws = catalog.open_workspace(use_case)
    summary, unvalued = summarize_kpi(ws, track), count_unvalued(ws, track)
    left_out = describe_unvalued(ws.use_case.kpi, unvalued)
    if not summary.decisions:
        raise CommandError(
            f"{use_case} has no decision with a known outcome on the {track} track. "
            + (left_out or f"Run the chain first: sixtyforty run {use_case} --from DATE --to DATE.")
        )
    kpi, segments, forecasts = ws.use_case.kpi, summarize_segments(ws, track), read_forecasts(ws, track)
    figures, basis = summary.to_dict(), summarize_basis(ws, track)
    return ImpactAnswer(
        summary={key: figures[key] for key in SUMMARY_KEYS},
        holdout=summary.holdout.to_dict(kpi.target / 1000) if summary.holdout else None,
        unvalued=unvalued,
        evidence=summary.evidence,
        segments=[segment.to_dict() for segment in segments],
        forecast=forecasts.to_dict(kpi),
        rests_on=basis.to_dict(),
        text="\n".join(
            [*_impact_lines(ws.use_case, summary, left_out, segments, forecasts), *summarize_for_command(basis, kpi)]
        ),
    )


def _impact_lines(
    use_case: UseCase, summary: KpiSummary, left_out: str, segments: Sequence[Segment], forecasts: ForecastRecord
) -> list[str]:
    from sixtyforty.accounting.forecast import explain_target
    from sixtyforty.spec.kpi_wording import describe_label

    kpi = use_case.kpi
    period = f"{summary.first} to {summary.last}, {summary.decisions:,} {kpi.unit_plural}"
    lines = [
        f"{kpi.name}, {kpi.currency} ({describe_label(summary.label)}), {period}",
        f"{'':32}{'per 1,000':>14}{'total':>16}",
        *_policy_lines(summary),
        *_candidate_lines(kpi, summary),
        *_gain_lines(summary),
        *_cost_lines(summary),
    ]
    if summary.outdated:
        lines.insert(1, summary.outdated)
    lines.append(summary.deciders.describe())
    lines += [left_out] if left_out else []
    if summary.done:
        lines.append(summary.done.describe(kpi.currency))
    if summary.capacity and not kpi.amount:
        lines += _capacity_lines(use_case, summary.capacity)
    if not summary.operational:
        lines.append("Not operational: no decision differs from the current process.")
    lines.append(explain_target(kpi, summary.counted, summary.label, summary.invalid_because))
    lines += describe_forecasts(forecasts)
    if summary.evidence:
        lines.append(summary.evidence)
    lines += [
        f"The current process does better where {segment.column} is {segment.name}."
        for segment in segments
        if segment.loses
    ]
    return lines


def _policy_lines(summary: KpiSummary) -> list[str]:
    lines = []
    for policy, label in POLICIES.items():
        per_1000, total = summary.per_1000[policy], summary.totals[policy]
        if per_1000 is not None and total is not None:
            lines.append(f"{label:32}{per_1000:>14,.0f}{total:>16,.0f}")
    if summary.done and summary.done.per_1000 is not None:
        label = f"with {summary.done.whose_answers}"
        lines.insert(1, f"{label:32}{summary.done.per_1000:>14,.0f}{summary.done.total:>16,.0f}")
    return lines


def _candidate_lines(kpi: Kpi, summary: KpiSummary) -> list[str]:
    lines = []
    for name, candidate in summary.candidates.items():
        if candidate.decisions:
            label = f"{name} (vendor)" if kpi.candidates[name].vendor else name
            if candidate.per_1000 is None:
                lines.append(f"{label:32}{'unknown':>14}{'':16}   {candidate.model_minus.problem}")
                continue
            difference = f"   decisions taken: {_signed(candidate.model_minus.value)} compared with this candidate"
            lines.append(f"{label:32}{candidate.per_1000:>14,.0f}{'':16}{difference}")
    return lines


def _capacity_lines(use_case: UseCase, capacity: CapacityGains) -> list[str]:
    every = use_case.partitions.every
    lines = [capacity.describe_worst(use_case.kpi, every)]
    if capacity.points:
        lines.append(f"{f'gain, at most so many actions a {every}':46}{'first come':>16}{f'best of the {every}':>20}")
    for point in capacity.points:
        lines.append(f"{point.capacity:46,}{_signed(point.first_come.value):>16}{_signed(point.best_of_day):>20}")
    return lines


def _gain_lines(summary: KpiSummary) -> list[str]:
    lines = [_gain_line("gain over the current process", summary.lift_vs_current, summary.gain)]
    if summary.done:
        lines.append(_gain_line(f"gain with {summary.done.whose_answers}", summary.done.lift, summary.done.gain))
    return lines


def _gain_line(label: str, lift: RoundedInterval, total: float) -> str:
    from sixtyforty.value.lift import NO_INTERVAL

    interval = f"95% confidence interval: {_signed(lift.low)} to {_signed(lift.high)} per 1,000"
    if lift.low is None or lift.high is None:
        interval = lift.problem or NO_INTERVAL
    return f"{label:32}{_signed(lift.value):>14}{total:>+16,.0f}   {interval}"


def _signed(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:+,.0f}"


def _cost_lines(summary: KpiSummary) -> list[str]:
    if not summary.build and not summary.running:
        return []
    counted = summary.counted
    net = "unknown" if counted.net_impact is None else f"{counted.net_impact:+,.0f}"
    return [
        f"{'building and running (assumed)':46}{-summary.build - summary.running:>+16,.0f}",
        f"{'net benefit':46}{net:>16}   {counted.costs_sentence}",
    ]


def describe_forecasts(forecasts: ForecastRecord) -> list[str]:
    """Return how many months came out within their forecast, and each that didn't."""
    missed = [
        f"The champion of {term.since} gained {term.actual:+,.0f} per 1,000: {term.verdict}"
        f" (forecast: {term.forecast.low:+,.0f} to {term.forecast.high:+,.0f})."
        for term in forecasts.terms
        if term.verdict.startswith(("above", "below"))
    ]
    return [forecasts.coverage, *missed] if forecasts.terms else []
