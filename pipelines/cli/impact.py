"""`sixtyforty impact`: what the decisions earned compared with the current process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pipelines.cli.answer import Answer
from pipelines.cli.commands import SEE, command
from pipelines.cli.errors import CommandError
from pipelines.cli.options import TrackName, UseCaseName

if TYPE_CHECKING:
    from sixtyforty.spec.kpi import Kpi

POLICIES = {
    "model": "decisions taken",
    "current_process": "current process",
    "random_choice": "random choice, same action rate",
    "perfect_foresight": "perfect foresight",
}
SUMMARY_KEYS = {
    "decisions": "Number of decisions with a known outcome.",
    "per_1000": "Value per 1,000 decisions, by policy: model, current_process, random_choice, perfect_foresight.",
    "lift_vs_current": "Gain over the current process per 1,000 decisions: value, low, high (95% interval).",
    "total": "Value of the decisions taken.",
    "totals": "Value in total, by policy.",
    "gain": "Gain over the current process in total.",
    "build": "Cost of building, as declared.",
    "running": "Cost of running over the period, as declared.",
    "net_impact": "Gain minus building and running.",
    "payback": "First day on which the gain covers the cost. Null: not yet.",
    "acted": "Number of decisions that were not the default action.",
    "differ_from_current": "Number of decisions that differ from the current process.",
    "differ_share": "Share of decisions that differ from the current process.",
    "operational": "Whether any decision differs from the current process.",
    "candidates": "The same figures for each declared candidate, such as a vendor's predictions.",
    "decided_by_current_process": "Number of decisions taken by the fallback.",
    "unit": "Currency of the money.",
    "from": "First partition.",
    "to": "Last partition.",
    "days": "Number of partitions.",
    "label": "exact, assumed or randomized: how the value is known.",
}


@dataclass(frozen=True, kw_only=True)
class ImpactAnswer(Answer):
    """What the decisions of a track earned."""

    summary: Annotated[Mapping[str, Any], SUMMARY_KEYS]
    holdout: Annotated[Mapping[str, Any] | None, "Estimate from the holdout. Null without one."]
    evidence: Annotated[str | None, "What can be said about a value that is not exact. Null where it is exact."]
    segments: Annotated[Sequence[Mapping[str, Any]], "Gain by segment of the declared columns."]
    forecast: Annotated[Mapping[str, Any], "Forecast at each promotion, the actual value, and the coming month."]


@command(SEE, "impact", "{demo}", "{demo} --track live --json")
def impact(use_case: UseCaseName, track: TrackName = "replay") -> ImpactAnswer:
    """Show what the decisions earned compared with the current process."""
    from pipelines.authoring import catalog
    from sixtyforty.accounting.forecast import read_forecasts
    from sixtyforty.accounting.kpi_summary import summarise_kpi, summarise_segments

    ws = catalog.open_workspace(use_case)
    figures = summarise_kpi(ws, track).to_dict()
    if not figures["decisions"]:
        raise CommandError(
            f"{use_case} has no decision with a known outcome on the {track} track. "
            f"Run the chain first: sixtyforty run {use_case} --from DATE --to DATE."
        )
    segments = [segment.to_dict() for segment in summarise_segments(ws, track)]
    forecasts = read_forecasts(ws, track).to_dict(ws.use_case.kpi)
    return ImpactAnswer(
        summary={key: figures[key] for key in SUMMARY_KEYS},
        holdout=figures["holdout"],
        evidence=figures["evidence"],
        segments=segments,
        forecast=forecasts,
        text="\n".join(_impact_lines(ws.use_case.kpi, figures, segments, forecasts)),
    )


def _impact_lines(
    kpi: Kpi, figures: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], forecasts: Mapping[str, Any]
) -> list[str]:
    from sixtyforty.accounting.forecast import explain_target

    period = f"{figures['from']} to {figures['to']}, {figures['decisions']:,} {kpi.unit_plural}"
    lines = [
        f"{kpi.name}, {kpi.currency} ({figures['label']}), {period}",
        f"{'':32}{'per 1,000':>14}{'total':>16}",
        *_policy_lines(figures),
        *_candidate_lines(kpi, figures["candidates"]),
        _gain_line(figures),
        *_cost_lines(figures),
    ]
    if not figures["operational"]:
        lines.append("Not operational: no decision differs from the current process.")
    lines.append(explain_target(kpi, figures["lift_vs_current"], figures["label"]))
    lines += _missed_forecasts(forecasts)
    if figures["evidence"]:
        lines.append(figures["evidence"])
    lines += [
        f"The current process does better where {segment['column']} is {segment['name']}."
        for segment in segments
        if segment["loses"]
    ]
    return lines


def _policy_lines(figures: Mapping[str, Any]) -> list[str]:
    per_1000, totals = figures["per_1000"], figures["totals"]
    return [
        f"{label:32}{per_1000[policy]:>14,.0f}{totals[policy]:>16,.0f}"
        for policy, label in POLICIES.items()
        if per_1000[policy] is not None
    ]


def _candidate_lines(kpi: Kpi, candidates: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, figures in candidates.items():
        if figures["decisions"]:
            label = f"{name} (vendor)" if kpi.candidates[name].vendor else name
            difference = f"   decisions taken: {figures['model_minus']['value']:+,.0f} compared with it"
            lines.append(f"{label:32}{figures['per_1000']:>14,.0f}{'':16}{difference}")
    return lines


def _gain_line(figures: Mapping[str, Any]) -> str:
    gain = figures["lift_vs_current"]
    low, high = ("unknown" if end is None else f"{end:+,.0f}" for end in (gain["low"], gain["high"]))
    return (
        f"{'gain over the current process':32}{gain['value']:>+14,.0f}{figures['gain']:>+16,.0f}"
        f"   95% confidence interval: {low} to {high} per 1,000"
    )


def _cost_lines(figures: Mapping[str, Any]) -> list[str]:
    if not figures["build"] and not figures["running"]:
        return []
    payback = f"paid back on {figures['payback']}" if figures["payback"] else "not paid back yet"
    return [
        f"{'building and running (assumed)':46}{-figures['build'] - figures['running']:>+16,.0f}",
        f"{'net benefit':46}{figures['net_impact']:>+16,.0f}   {payback}",
    ]


def _missed_forecasts(forecasts: Mapping[str, Any]) -> list[str]:
    return [
        f"The champion of {term['since']} earned {term['actual']['value']:+,.0f} per 1,000: {term['verdict']}"
        f" ({term['forecast']['low']:+,.0f} to {term['forecast']['high']:+,.0f})."
        for term in forecasts["terms"]
        if term["verdict"].startswith(("above", "below"))
    ]
