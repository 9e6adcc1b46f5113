"""The impact report, the owner's page: the decisions, their gain over the current process, and the next steps.

The page avoids technical words about models: tests/words.py lists the words that it must not contain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sixtyforty.accounting.acceptance import Acceptance, summarize_acceptance
from sixtyforty.accounting.acceptance_messages import describe_gain_per_override, find_alarms
from sixtyforty.accounting.break_even import explain_break_even, read_curve
from sixtyforty.accounting.degradation import read_impacts
from sixtyforty.accounting.forecast import ForecastRecord, explain_target
from sixtyforty.accounting.gain_basis import GainBasis, summarize_basis
from sixtyforty.accounting.kpi_summary import KpiSummary
from sixtyforty.accounting.refused_figures import RefusedFiguresError
from sixtyforty.accounting.unvalued_decisions import count_unvalued, describe_unvalued
from sixtyforty.decisions.column_labels import ColumnLabels
from sixtyforty.reports import charts
from sixtyforty.reports.arrival_notes import describe_replayed_arrivals
from sixtyforty.reports.charts import Chart
from sixtyforty.reports.figure_limits import describe_limits
from sixtyforty.reports.headline import list_key_counts, write_headline
from sixtyforty.reports.next_steps import Accounts, read_accounts, recommend_next_steps
from sixtyforty.reports.page_templates import page_environment
from sixtyforty.spec.kpi import Kpi
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.use_case import UseCase
from sixtyforty.spec.wording import format_date
from sixtyforty.storage.champion_ledger import ChampionRow
from sixtyforty.storage.files import write_atomic
from sixtyforty.value.daily_value import DailyValue
from sixtyforty.value.daily_values import group_by_period, period_name
from sixtyforty.value.lift import Interval
from sixtyforty.value.past_experiment import measure_gain
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.segments import Segment
from sixtyforty.workspace import Workspace


@dataclass(frozen=True)
class PeriodFigures:
    """The figures of one month or year. Money is in the KPI's currency.

    `model`: the value of the decisions taken. `current_process`: the value of the current process. `gain`: the
    difference. `per_1000`: the gain per 1,000 decisions. `acted`: the number of decisions for an action other than the
    idle one, which is the cheapest.
    """

    name: str
    decisions: int
    acted: int
    model: float
    current_process: float
    gain: float
    per_1000: Interval

    @property
    def has_interval(self) -> bool:
        """Whether the period has enough days for an interval."""
        return not math.isnan(self.per_1000.low)


@dataclass(frozen=True)
class CandidateFigures:
    """The figures of a candidate, another way of deciding. Money is per 1,000 decisions, in the KPI's currency.

    `decisions`: the number of decisions on which it is valued. `per_1000`: its value. `lift_vs_current`: its gain over
    the current process. `model_minus`: the value of the decisions taken minus the candidate's value.
    """

    description: str
    vendor: bool
    decisions: int
    per_1000: float | None
    lift_vs_current: RoundedInterval
    model_minus: RoundedInterval


@dataclass(frozen=True)
class DataProblems:
    """The problems with a use case's data: rejected partitions, quarantined rows, and decisions by fallback.

    `rejected`: the rejected partitions by source. `quarantined`: the number of quarantined rows by source. `fallback`:
    the number of decisions that were left to the current process.
    """

    rejected: dict[str, list[str]]
    quarantined: dict[str, int]
    fallback: int


@dataclass(frozen=True)
class PageCharts:
    """The charts of the impact report. A chart is None if there is nothing to draw."""

    cumulative: Chart
    by_period: Chart
    forecasts: Chart | None
    break_even: Chart | None
    by_week: Chart | None


@dataclass(frozen=True)
class ImpactFacts:
    """Everything that the impact report shows.

    left_out: a sentence on the decisions whose value is unknown, or an empty text. period: whether each item of
    `periods` is a month or a year.
    """

    use_case: UseCase
    track: Track
    summary: KpiSummary
    left_out: str
    people: Acceptance
    override_average: str
    alarms: list[str]
    segments: dict[str, list[Segment]]
    candidates: list[CandidateFigures]
    period: Literal["month", "year"]
    periods: list[PeriodFigures]
    champions: list[ChampionRow]
    withdrawals: list[str]
    forecasts: ForecastRecord
    target_progress: str
    next_steps: list[str]
    headline: list[str]
    key_counts: list[str]
    data_problems: DataProblems
    feed_outages: list[str]
    arrival_notes: list[str]
    break_even_sentences: list[str]
    basis: GainBasis
    figure_limits: list[str]
    charts: PageCharts
    labels: ColumnLabels


def write_report(ws: Workspace, track: Track) -> Path:
    """Write the impact report of a track to `impact.html` and return its path. At least one outcome must be known.

    If the figures are refused, for example because of leakage, the page shows the reason instead of the report.
    """
    path, environment = ws.reports / "impact.html", page_environment()
    try:
        page = environment.get_template("impact.html").render(**vars(collect_facts(ws, track)))
    except RefusedFiguresError as error:
        page = environment.get_template("refused.html").render(title=ws.use_case.title, reason=str(error))
    write_atomic(path, page.encode())
    return path


def collect_facts(ws: Workspace, track: Track) -> ImpactFacts:
    """Return everything that the impact report of a track shows. At least one outcome must be known.

    Raises RefusedFiguresError if the figures can't be trusted, for example because of leakage.
    """
    use_case, people = ws.use_case, summarize_acceptance(ws, track)
    accounts = read_accounts(ws, track)
    summary = accounts.summary
    periods = group_by_period(accounts.days)
    basis, next_steps = summarize_basis(ws, track, accounts.days), recommend_next_steps(use_case, accounts)
    return ImpactFacts(
        use_case=use_case,
        track=track,
        summary=summary,
        left_out=describe_unvalued(use_case.kpi, count_unvalued(ws, track)),
        people=people,
        override_average=describe_gain_per_override(people.gain_per_1000, use_case.kpi.currency),
        alarms=[*find_alarms(use_case, people).values()] if use_case.people.responses else [],
        segments=group_by_column(accounts.segments),
        candidates=_candidates(use_case.kpi, summary),
        period="month" if all("-" in name for name in periods) else "year",
        periods=[_period_figures(use_case.kpi, name, days) for name, days in periods.items()],
        champions=list(accounts.champions),
        withdrawals=describe_withdrawals(ws),
        forecasts=accounts.forecasts,
        target_progress=explain_target(use_case.kpi, summary.counted, summary.label, summary.invalid_because),
        next_steps=next_steps,
        headline=write_headline(use_case, summary, basis, next_steps),
        key_counts=list_key_counts(use_case, summary, basis, accounts.days),
        data_problems=count_data_problems(ws, accounts.days),
        feed_outages=describe_feed_outages(ws),
        arrival_notes=_note_arrivals(ws, track, accounts.days),
        break_even_sentences=explain_break_even(ws),
        basis=basis,
        figure_limits=describe_limits(ws, track, accounts.days),
        charts=_draw_charts(ws, accounts, people),
        labels=accounts.labels,
    )


def describe_withdrawals(ws: Workspace) -> list[str]:
    """Return a sentence for each model version that was withdrawn or revoked."""
    rows = [row for row in ws.champion_ledger.rows() if row.verdict == "WITHDRAW"]
    return [f"The model version of {format_date(row.as_of)} was {row.withdrawal_text}." for row in rows]


def group_by_column(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Group the segments by the column that defines them, such as the carrier. The order stays the same."""
    groups: dict[str, list[Segment]] = {}
    for segment in segments:
        groups.setdefault(segment.column, []).append(segment)
    return groups


def _candidates(kpi: Kpi, summary: KpiSummary) -> list[CandidateFigures]:
    figures = [
        CandidateFigures(description=c.description, vendor=bool(c.vendor), **vars(summary.candidates[name]))
        for name, c in kpi.candidates.items()
    ]
    return [f for f in figures if f.decisions]


def _period_figures(kpi: Kpi, name: str, days: Sequence[DailyValue]) -> PeriodFigures:
    model, current = sum(d.model for d in days), sum(d.current_process for d in days)
    return PeriodFigures(
        name=period_name(name),
        decisions=sum(d.decisions for d in days),
        acted=sum(d.acted for d in days),
        model=model,
        current_process=current,
        gain=sum(d.model - d.current_process for d in days),
        per_1000=measure_gain(kpi, "replay", days),
    )


def _draw_charts(ws: Workspace, accounts: Accounts, people: Acceptance) -> PageCharts:
    kpi, days = ws.use_case.kpi, accounts.days
    _, points = read_curve(ws)
    terms = accounts.forecasts.terms
    period = "month" if all("-" in name for name in group_by_period(days)) else "year"
    return PageCharts(
        cumulative=Chart(
            charts.draw_cumulative_value(kpi, days, "svg"), "Cumulative value of each way of deciding, by day"
        ),
        by_period=Chart(charts.draw_gain_by_period(kpi, days), f"Gain over the current process, {period} by {period}"),
        forecasts=Chart(charts.draw_forecasts(kpi, terms), "Gain that was forecast, and gain achieved")
        if terms
        else None,
        break_even=Chart(
            charts.draw_break_even(kpi, points, "svg"), "Gain by the share of the model's information that is missing"
        )
        if points
        else None,
        by_week=Chart(
            charts.draw_weekly_answers(people.weeks, people.label, "svg"), "Answers to the decisions, week by week"
        )
        if people.responses
        else None,
    )


def count_data_problems(ws: Workspace, days: Sequence[DailyValue]) -> DataProblems:
    """Count rejected partitions, quarantined rows, and decisions left to the current process."""
    rejected = {s: ws.lake.partitions(f"rejected/{s}") for s in ws.use_case.sources}
    rows = {s: sum(e.rows for e in ws.lake.entries(f"quarantine/{s}").values()) for s in ws.use_case.sources}
    return DataProblems(
        rejected={s: partitions for s, partitions in rejected.items() if partitions},
        quarantined={s: count for s, count in rows.items() if count},
        fallback=sum(d.fallback for d in days),
    )


def _note_arrivals(ws: Workspace, track: Track, days: Sequence[DailyValue]) -> list[str]:
    """Return sentences about arrival times in a replay; none for live decisions, which used rows that had arrived."""
    return describe_replayed_arrivals(ws, [day.partition for day in days]) if track == "replay" else []


def describe_feed_outages(ws: Workspace) -> list[str]:
    """Return a sentence for each feed: the gain that remains if the feed stops, as measured on past days."""
    impacts, kpi = read_impacts(ws), ws.use_case.kpi
    sound = next((i.gated.value for i in impacts if not i.feed), 0.0)
    sentences = []
    for impact in impacts:
        if impact.fault != "missing":
            continue
        who_decides = (
            f"the current process decides {impact.fallback:.0%} of the {kpi.unit_plural}"
            if impact.fallback
            else "the model continues to decide"
        )
        gain, usual = (format_money(amount, kpi.currency) for amount in (impact.gated.value, sound))
        sentences.append(
            f"If the {impact.feed} feed stops, {who_decides}."
            f" The gain is then {gain} per 1,000 {kpi.unit_plural}, instead of {usual}."
        )
    return sentences
