"""The portfolio: every use case with its stage, what it is worth and costs, whether people use it, and what to do next.

Money is each use case's own ledger, of live decisions once there are any, else of the past relived. Totals add up what
is alike: unit, label and track; assumed money is never added to money that was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sixtyforty.accounting import acceptance, kpi_ledger
from sixtyforty.accounting.acceptance import Acceptance
from sixtyforty.accounting.run_hours import spent
from sixtyforty.lifecycle import stage_gate
from sixtyforty.reports import readership
from sixtyforty.reports.impact_report import pages
from sixtyforty.spec.clock import now
from sixtyforty.spec.stages import STAGES, Scope
from sixtyforty.storage.lake import write_atomic
from sixtyforty.workspace import Workspace

Advice = Literal["grow", "go on", "prove", "win people", "begin", "stop", "over"]
ADVISED: dict[str, Advice] = {"to_stop": "stop", "to_grow": "grow", "to_prove": "prove", "to_win": "win people"}
NEWEST = 28  # partitions of each source that quality is told of


@dataclass(frozen=True)
class Line:
    """A use case in the portfolio. Money in its own unit; what isn't known is None.

    `net`: the gain less building, running, run time and interventions. `quality`: share of the newest rows that
    governance let through. `behind`: days from its newest data to today, live only.
    """

    name: str
    title: str
    stage: str
    verdict: str | None
    scope: str
    unit: str
    label: str
    track: str
    decisions: int
    lift: dict[str, float | None]
    gain: float
    build: float
    running: float
    run_hours: float
    run_time: float
    interventions: int
    intervening: float
    net: float
    cost: float
    roi: float | None
    payback: str | None
    uptake: float | None
    used: int
    simulated: bool
    cost_per_used: float | None
    quality: float | None
    newest: str | None
    behind: int | None
    next_gate: str
    unread: list[str]
    advice: Advice
    why: str

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON: money to the cent."""
        return {
            k: round(v, 4 if k in ("roi", "uptake", "quality") else 2) if isinstance(v, float) else v
            for k, v in asdict(self).items()
        }


def portfolio(workspaces: Sequence[Workspace], moment: datetime | None = None) -> list[Line]:
    """A line a use case: currencies by name, within each what was seen before what is assumed, the best net first."""
    at = moment or now()
    hours = spent(workspaces[0].home) if workspaces else {}
    lines = [line(ws, hours.get(ws.use_case.name, 0.0), at) for ws in workspaces]
    return sorted(lines, key=lambda one: (one.unit, one.label == "assumed", -one.net, one.name))


def scoped(workspaces: Sequence[Workspace], wanted: Mapping[str, str | None]) -> list[Workspace]:
    """Those whose stage in force reaches this team, site and region; what its scope leaves open, it reaches."""

    def reaches(ws: Workspace) -> bool:
        scope = _scope(ws)
        return all(getattr(scope, k) in (None, v) for k, v in wanted.items() if v)

    return [ws for ws in workspaces if reaches(ws)]


def _scope(ws: Workspace) -> Scope:
    gate = ws.use_case.stages.gate(stage_gate.earned(ws)) if ws.use_case.stages else None
    return gate.scope if gate else Scope()


def track_of(ws: Workspace) -> str:
    """live, once live decisions have been accounted for; else replay."""
    return "live" if ws.lake.partitions("kpi/live") else "replay"


def line(ws: Workspace, run_hours: float, moment: datetime) -> Line:
    """One use case, as of a UTC moment."""
    case, track = ws.use_case, track_of(ws)
    found, costs = kpi_ledger.summary(ws, track), case.kpi.costs
    people = acceptance.facts(ws, track, sure=False) if case.people.responses else None
    interventions = people.answered if people else 0
    run_time, intervening = run_hours * costs.per_run_hour, interventions * costs.per_response
    cost = found["build"] + found["running"] + run_time + intervening
    net, used = found["gain"] - cost, people.accepted if people else 0
    judged = stage_gate.standing(ws, moment) if case.stages else None
    advice, why = _advice(ws, found, people, net, judged, moment)
    quality, newest = _quality(ws)
    return Line(
        name=case.name,
        title=case.title,
        stage=stage_gate.earned(ws),
        verdict=judged.said if judged else None,
        scope=_scope(ws).told,
        unit=case.kpi.unit,
        label=found["label"],
        track=track,
        decisions=found["decisions"],
        lift=found["lift_vs_current"],
        gain=found["gain"],
        build=found["build"],
        running=found["running"],
        run_hours=run_hours,
        run_time=run_time,
        interventions=interventions,
        intervening=intervening,
        net=net,
        cost=cost,
        roi=net / cost if cost else None,
        payback=found["payback"],
        uptake=people.uptake if people else None,
        used=used,
        simulated=bool(people and people.simulated),
        cost_per_used=cost / used if used else None,
        quality=quality,
        newest=newest,
        behind=(case.local_day(moment) - case.day_of(newest)).days if newest and track == "live" else None,
        next_gate=_gate(ws, judged),
        unread=readership.unread(ws, moment),
        advice=advice,
        why=why,
    )


def _advice(
    ws: Workspace,
    found: dict[str, Any],
    people: Acceptance | None,
    net: float,
    judged: stage_gate.Standing | None,
    moment: datetime,
) -> tuple[Advice, str]:
    """What to do with it, and why, in a sentence."""
    lift, over = found["lift_vs_current"], ws.progress.over(moment)
    low, high = lift["low"], lift["high"]
    if over == "retired" or (over is None and ws.use_case.stage == "retired"):
        return "over", "It is retired."
    if judged and judged.said == "stop":
        return "stop", f"Its gate stopped it: {judged.against[0]}."
    if not found["decisions"]:
        return "begin", "Nothing has been accounted for yet: run the chain on its first days."
    if high is not None and high < 0:
        return "stop", "The current process is surely better."
    if found["label"] == "assumed":
        return "prove", "Its figures are assumed: let a holdout run before anything rests on them."
    if low is None or low <= 0:
        return "go on", "Its gain isn't proven yet: let more days come in."
    alarms = acceptance.holds(ws, people) if people else []
    if alarms:
        return "win people", f"It gains, but people: {alarms[0][0].lower()}{alarms[0][1:]}"
    if net < 0:
        return "go on", "Its gain is proven; what it cost isn't earned back yet."
    if judged and judged.said == "continue":
        return "go on", f"It gains; against the next stage: {judged.against[0]}."
    return "grow", "It gains, it pays, and it is used: take it further." if people else "It gains, and it pays."


def _gate(ws: Workspace, judged: stage_gate.Standing | None) -> str:
    """The gate it stands before: its stage's or, once that has passed, the next one's."""
    if judged is None or ws.use_case.stages is None:
        return "none"
    passed = judged.said == "pass" and judged.stage in STAGES[:2]
    stage = STAGES[STAGES.index(judged.stage) + 1] if passed else judged.stage
    gate = ws.use_case.stages.gate(stage) if passed else judged.gate
    return f"{stage}: {gate.target:+,.0f} per 1,000 by {gate.stop_date}" if gate else f"{stage}: none is declared"


def _quality(ws: Workspace) -> tuple[float | None, str | None]:
    """The share of the newest rows of its partitioned inputs that were let through, and the newest partition of all."""
    rows, good, newest = 0, 0, list[str]()
    for source in ws.use_case.partitioned:
        for kind in ("validated", "rejected"):
            folder = f"{kind}/{source}"
            names = ws.lake.partitions(folder)[-NEWEST:]
            newest += names[-1:] if kind == "validated" else []
            verdicts = [e.facts.get("verdict", {}) for e in ws.lake.entries(folder, names).values()]
            rows += sum(v.get("landed", 0) for v in verdicts)
            good += sum(v.get("landed", 0) - v.get("quarantined", 0) for v in verdicts) if kind == "validated" else 0
    return (good / rows if rows else None), min(newest, default=None)


def totals(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The money of lines that are alike in unit, label and track, added up."""
    alike: dict[tuple[str, str, str], list[Line]] = {}
    for one in lines:
        if one.decisions:
            alike.setdefault((one.unit, one.label, one.track), []).append(one)
    money = ("gain", "build", "running", "run_time", "intervening", "cost", "net")
    return [
        {
            "unit": unit,
            "label": label,
            "track": track,
            "use_cases": len(found),
            **{m: round(sum(getattr(one, m) for one in found), 2) for m in money},
            "roi": round(sum(o.net for o in found) / spent_, 4) if (spent_ := sum(o.cost for o in found)) else None,
        }
        for (unit, label, track), found in sorted(alike.items(), key=lambda a: (a[0][0], a[0][1] == "assumed", a[0]))
    ]


def facts(workspaces: Sequence[Workspace], moment: datetime | None = None) -> dict[str, Any]:
    """All the page says, as data."""
    lines = portfolio(workspaces, moment)
    return {
        "lines": lines,
        "totals": totals(lines),
        **{to: [one for one in lines if one.advice == advice] for to, advice in ADVISED.items()},
        "unread": [one for one in lines if one.unread],
        "days": readership.UNREAD,
    }


def write(workspaces: Sequence[Workspace], moment: datetime | None = None) -> Path:
    """Writes `portfolio.html` beside the use cases' reports and returns its path; there is at least one use case."""
    path = workspaces[0].reports.parent / "portfolio.html"
    write_atomic(path, pages().get_template("portfolio.html").render(**facts(workspaces, moment)).encode())
    return path
