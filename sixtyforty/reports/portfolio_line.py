"""The line of one use case in the portfolio: its stage, value, costs, usage, data and advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sixtyforty.accounting import kpi_ledger
from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.done_value import read_counted_days
from sixtyforty.accounting.forecast import read_forecasts
from sixtyforty.accounting.kpi_summary import KpiSummary, summarize_kpi, summarize_nothing
from sixtyforty.accounting.refused_figures import describe_refusal
from sixtyforty.lifecycle import stage_gate, stage_history
from sixtyforty.reports.page_templates import format_stage
from sixtyforty.reports.portfolio_advice import Advice, advise
from sixtyforty.reports.readership import unread_outputs
from sixtyforty.spec.money import format_money
from sixtyforty.spec.stages import STAGES, Scope
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_date
from sixtyforty.storage.verdicts import read_verdict
from sixtyforty.value.blocks import count_blocks
from sixtyforty.value.experiment_design import normal_quantile
from sixtyforty.value.gain_total import MeasuredGain
from sixtyforty.value.rounded_interval import RoundedInterval
from sixtyforty.value.standing import Standing, describe_payback
from sixtyforty.workspace import Workspace

QUALITY_PARTITIONS = 28  # data quality is measured on this number of newest partitions of each source


@dataclass(frozen=True)
class Costs:
    """The costs of a use case so far, in its currency.

    `running`: the sum of the assumed monthly costs up to now. `run_time`: the cost of the computing time of runs.
    `responses_cost`: the cost of the time in which people answered decisions.
    """

    build: float
    running: float
    run_time: float
    responses_cost: float

    @property
    def total(self) -> float:
        """The sum of the use case's costs: building, running, computing time and people's time."""
        return self.build + self.running + self.run_time + self.responses_cost


@dataclass(frozen=True)
class Usage:
    """How much people used the decisions of a use case, such as the share that they followed.

    `responses`: the number of answers to decisions. `used`: the number of decisions that people followed. `uptake`:
    share of the seen decisions that people followed; None if unknown. `simulated`: whether any response is simulated.
    """

    responses: int = 0
    used: int = 0
    uptake: float | None = None
    simulated: bool = False


@dataclass(frozen=True)
class InputData:
    """The quality and age of a use case's data. A figure that isn't known is None.

    `quality`: the share of the newest rows that were accepted. `newest`: the newest partition that all sources have.
    `days_stale`: the number of days from the newest partition to today, only for a use case with live decisions.
    """

    quality: float | None
    newest: str | None
    days_stale: int | None


@dataclass(frozen=True)
class PortfolioLine:
    """The line of one use case in the portfolio. Money is in the use case's own currency.

    `gain`, `lift`: the counted gain over the current process, of what people did on the live track (see
    `CountedGain`). `standing`: what the gain may be called. `note`: what the gain counts, or why it is unknown.
    `costs_covered`: whether the gain covers the costs, as a clause. `measured`: the gain for the portfolio's total;
    None unless it was earned or lost. `verdict`: the verdict of its stage gate; None without a gate.
    `gate_remarks`: sentences if the gate was changed, or was declared after its figures were known. `outdated`: a
    sentence if replayed decisions follow an earlier declaration; otherwise None. `refusal`: why the figures can't
    be trusted; the gain is then zero, and no total counts it. None if the figures can be trusted. `forecasts`: a
    sentence on how many months came out within their forecast; empty without a champion, or if the figures can't be
    trusted. `advice`, `why`: what to do next, and the reason.
    """

    name: str
    title: str
    stage: str
    verdict: str | None
    scope: str
    currency: str
    label: str
    track: Track
    decisions: int
    lift: RoundedInterval
    gain: float
    forecasts: str
    standing: Standing
    note: str
    costs_covered: str
    measured: MeasuredGain | None
    run_hours: float
    costs: Costs
    usage: Usage
    inputs: InputData
    next_gate: str
    unread: list[str]
    gate_remarks: list[str]
    outdated: str | None
    refusal: str | None
    advice: Advice
    why: str

    @property
    def net(self) -> float:
        """The net benefit of the use case: its gain minus its costs."""
        return self.gain - self.costs.total

    @property
    def roi(self) -> float | None:
        """The net benefit as a share of the costs; None without costs."""
        return self.net / self.costs.total if self.costs.total else None

    @property
    def gate_note(self) -> str:
        """Why the stage gate is passed although the costs aren't covered; empty if that isn't so."""
        if self.verdict != "pass" or self.refusal or self.net >= 0:
            return ""
        missing = format_money(-self.net, self.currency)
        return (
            "The stage gate is passed, but the costs are not covered: they are still"
            f" {missing} above the gain. The gate judges the gain of each decision. It doesn't judge the costs."
        )

    @property
    def cost_per_used(self) -> float | None:
        """The costs divided by the number of decisions that people followed; None if people followed no decision."""
        return self.costs.total / self.usage.used if self.usage.used else None

    @property
    def plain(self) -> dict[str, Any]:
        """The use case's figures as a flat dict for JSON. Money is rounded to the cent, and shares to four decimals."""
        nested = {"costs": asdict(self.costs), "usage": asdict(self.usage), "inputs": asdict(self.inputs)}
        fields = {name: field for name, field in asdict(self).items() if name not in (*nested, "measured")}
        for part in nested.values():
            fields |= part
        fields |= {"cost": self.costs.total, "net": self.net, "roi": self.roi, "cost_per_used": self.cost_per_used}
        if self.refusal:
            fields |= dict.fromkeys(("gain", "net", "roi"))
        shares = ("roi", "uptake", "quality")
        return {
            name: round(field, 4 if name in shares else 2) if isinstance(field, float) else field
            for name, field in fields.items()
        }


def build_line(ws: Workspace, run_hours: float, now: datetime) -> PortfolioLine:
    """Return the portfolio line of one use case.

    run_hours: hours that all its runs have taken so far. now: the current time (UTC, naive).
    """
    use_case, track = ws.use_case, accounted_track(ws)
    refusal = describe_refusal(ws, track)
    summary = summarize_nothing(ws, track) if refusal else summarize_kpi(ws, track)
    refusal, counted = refusal or summary.done_problem, summary.counted
    standing: Standing = "not known" if refusal else counted.standing
    gain = counted.gain or 0.0
    people = summarize_acceptance(ws, track, with_intervals=False) if use_case.people.responses else None
    usage = Usage(people.answered, people.accepted, people.uptake, bool(people.simulated)) if people else Usage()
    costs = Costs(
        build=summary.build,
        running=summary.running,
        run_time=run_hours * use_case.kpi.costs.per_run_hour,
        responses_cost=usage.responses * use_case.kpi.costs.per_response,
    )
    status = stage_gate.read_stage_status(ws, now) if use_case.stages else None
    advice, why = advise(ws, summary, people, gain - costs.total, status, now, refusal)
    return PortfolioLine(
        name=use_case.name,
        title=use_case.title,
        stage=stage_history.current_stage(ws),
        verdict=status.verdict if status else None,
        scope=current_scope(ws).description,
        currency=use_case.kpi.currency,
        label=summary.label,
        track=track,
        decisions=summary.decisions,
        lift=counted.lift,
        gain=gain,
        forecasts="" if refusal else _describe_forecasts(ws, track),
        standing=standing,
        note=counted.note,
        costs_covered=describe_payback(standing, counted.lift, counted.payback),
        measured=_measure_gain(ws, track, summary) if standing in ("earned", "lost") else None,
        run_hours=run_hours,
        costs=costs,
        usage=usage,
        inputs=_describe_inputs(ws, track, now),
        next_gate=_next_gate(ws, status),
        unread=unread_outputs(ws, now),
        gate_remarks=status.remarks if status else [],
        outdated=summary.outdated,
        refusal=refusal,
        advice=advice,
        why=why,
    )


def _measure_gain(ws: Workspace, track: Track, summary: KpiSummary) -> MeasuredGain:
    """Return the counted gain with its standard error. An experiment's error is that of its interval for one look."""
    days = read_counted_days(ws, track, kpi_ledger.read_daily_values(ws, track))
    block_days, holdout = ws.use_case.kpi.block_days, summary.holdout
    if holdout is None:
        return MeasuredGain.of_days(days, block_days)
    per_1000 = (holdout.single_look.high - holdout.single_look.low) / 2 / normal_quantile(0.975)
    blocks = max(count_blocks([day.partition for day in days], block_days), 2)
    return MeasuredGain(summary.counted.gain or 0.0, per_1000 / 1000 * summary.decisions, blocks)


def _describe_forecasts(ws: Workspace, track: Track) -> str:
    forecasts = read_forecasts(ws, track)
    return forecasts.coverage if forecasts.terms else ""


def _next_gate(ws: Workspace, status: stage_gate.StageStatus | None) -> str:
    """Describe the next stage gate that the use case must pass: its stage, target gain and deadline."""
    use_case = ws.use_case
    if status is None or use_case.stages is None:
        return "none"
    has_passed = status.verdict == "pass" and status.stage in STAGES[:2]
    stage = STAGES[STAGES.index(status.stage) + 1] if has_passed else status.stage
    gate = use_case.stages.gate(stage) if has_passed else status.gate
    if gate is None:
        return f"{format_stage(stage)}: no gate is declared"
    target = format_money(gate.target, use_case.kpi.currency)
    return f"{format_stage(stage)}: {target} per 1,000 units by {format_date(gate.stop_date)}"


def _describe_inputs(ws: Workspace, track: Track, now: datetime) -> InputData:
    landed, accepted, newest_of_sources = 0, 0, list[str]()
    for source in ws.use_case.partitioned:
        for kind in ("validated", "rejected"):
            dataset = f"{kind}/{source}"
            partitions = ws.lake.partitions(dataset)[-QUALITY_PARTITIONS:]
            verdicts = [read_verdict(entry) for entry in ws.lake.entries(dataset, partitions).values()]
            landed += sum(verdict.landed for verdict in verdicts)
            if kind == "validated":
                accepted += sum(verdict.landed - verdict.quarantined for verdict in verdicts)
                newest_of_sources += partitions[-1:]
    newest = min(newest_of_sources, default=None)
    days_stale = None
    if newest and track == "live":
        days_stale = (ws.use_case.local_day(now) - ws.use_case.first_day(newest)).days
    return InputData(accepted / landed if landed else None, newest, days_stale)


def accounted_track(ws: Workspace) -> Track:
    """Return the track that the portfolio shows: `live` if live decisions have a known value, otherwise `replay`.

    Live decisions that are all in shadow or held out say nothing about the model, so the replay is shown.
    """
    return "live" if kpi_ledger.read_daily_values(ws, "live") else "replay"


def current_scope(ws: Workspace) -> Scope:
    """Return the scope (team, site, region) of a use case's current stage. Without a gate, the scope is unlimited.

    A retired use case keeps the scope of its last stage.
    """
    stage = stage_history.current_stage(ws)
    if stage == "retired":
        gates = [row.gate for row in ws.stage_ledger.rows() if row.gate]
        return gates[-1].scope if gates else Scope()
    gate = ws.use_case.stages.gate(stage) if ws.use_case.stages else None
    return gate.scope if gate else Scope()
