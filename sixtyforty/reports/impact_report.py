"""The owner's page: what was decided, what it was worth against today's process, what to do next. No algorithm talk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.accounting import acceptance, break_even, degradation, kpi_ledger
from sixtyforty.accounting.forecast import Forecast, aim, forecast
from sixtyforty.reports import charts
from sixtyforty.reports.charts import Chart
from sixtyforty.storage.champion_ledger import Row
from sixtyforty.storage.lake import write_atomic
from sixtyforty.value.lift import Day, by_period, lift, named
from sixtyforty.value.segments import Segment
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    from jinja2 import Environment


def write(ws: Workspace, track: str) -> Path:
    """Writes `impact.html` and returns its path. There must be at least one accounted day."""
    path = ws.reports / "impact.html"
    write_atomic(path, pages().get_template("impact.html").render(**facts(ws, track)).encode())
    return path


def pages(*packages: str) -> Environment:
    """The templates in `templates/` and how they write figures: `money`, `signed`, `share`; what isn't known is a dash.

    In Markdown, `cell` and `quoted` keep what people wrote within a table's cell or a quotation, and make it no HTML.
    `packages`: others whose folder `pages` has templates, which may put those here into a frame of their own.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

    found = Environment(
        loader=ChoiceLoader([PackageLoader(p, "templates") for p in (*packages, "sixtyforty.reports")]),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["money"] = lambda v: "–" if v is None else f"{v:,.0f}"
    found.filters["sum"] = lambda v: _inert(v) if isinstance(v, str) else f"{v:,.10g}"
    found.filters["signed"] = lambda v: "–" if v is None or v != v else f"{v:+,.0f}"
    found.filters["share"] = lambda v: "–" if v is None else f"{v:.0%}"
    found.filters["cell"] = lambda v: " ".join(_inert(v).split()).replace("|", "\\|")
    found.filters["quoted"] = lambda v: "\n".join(f"> {line}".rstrip() for line in _inert(v).splitlines())
    return found


def _inert(said: str) -> str:
    return said.replace("\\", "\\\\").replace("<", "\\<")


def facts(ws: Workspace, track: str) -> dict[str, Any]:
    """All the page says, as data."""
    people = acceptance.facts(ws, track)
    days, champions, parts = kpi_ledger.days(ws, track), ws.ledger.champions(track), kpi_ledger.by_segment(ws, track)
    found, (_, points) = kpi_ledger.summary(ws, track), break_even.recorded(ws)
    promised = forecast(ws, track)
    period = "month" if all("-" in name for name in by_period(days)) else "year"
    return {
        "use_case": ws.use_case,
        "kpi": ws.use_case.kpi,
        "track": track,
        "found": found,
        "people": people,
        "alarms": [*people.alarms(ws).values()] if ws.use_case.people.responses else [],
        "by_week": Chart(
            charts.weeks(people.weeks, people.label, "svg"), "What people did with the decisions, week by week"
        )
        if people.responses
        else None,
        "sure": acceptance.sure,
        "segments": by_column(parts),
        "candidates": [c for c in _candidates(ws, found) if c["decisions"]],
        "period": period,
        "months": [_month(m, ds) for m, ds in by_period(days).items()],
        "cumulative": Chart(
            charts.cumulative(ws.use_case.kpi, days, "svg"), "What each way of deciding brought, day by day"
        ),
        "by_month": Chart(
            charts.months(ws.use_case.kpi, days), f"The gain over the current process, {period} by {period}"
        ),
        "champions": champions,
        "forecast": promised,
        "promises": Chart(charts.promises(ws.use_case.kpi, promised.terms), "What was forecast, and what came of it")
        if promised.terms
        else None,
        "aim": aim(ws.use_case.kpi, found["lift_vs_current"], found["label"]),
        "next_steps": next_steps(ws, found, days, champions, parts, promised),
        "governance": governance(ws, days),
        "if_it_dies": if_it_dies(ws),
        "how_good": break_even.told(ws),
        "break_even": Chart(
            charts.break_even(ws.use_case.kpi, points, "svg"), "The gain, by how much of what is known is lost"
        )
        if points
        else None,
    }


def by_column(parts: list[Segment]) -> dict[str, list[Segment]]:
    """The segments, those of one column together."""
    return {c: [s for s in parts if s.column == c] for c in dict.fromkeys(s.column for s in parts)}


def _candidates(ws: Workspace, found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"description": c.description, "vendor": c.vendor, **found["candidates"][name]}
        for name, c in ws.use_case.kpi.candidates.items()
    ]


def _month(name: str, days: list[Day]) -> dict[str, Any]:
    n, gained = sum(d.decisions for d in days), lift(days)
    return {
        "name": named(name),
        "decisions": n,
        "acted": sum(d.acted for d in days),
        "model": sum(d.model for d in days),
        "present": sum(d.current_process for d in days),
        "per_1000": gained,
        "net": sum(d.model - d.current_process for d in days),
    }


def governance(ws: Workspace, days: list[Day]) -> dict[str, Any]:
    """What poor data cost: partitions refused, rows set aside, decisions left to the current process."""
    rejected = {s: ws.lake.partitions(f"rejected/{s}") for s in ws.use_case.sources}
    aside = {s: sum(e.rows for e in ws.lake.entries(f"quarantine/{s}").values()) for s in ws.use_case.sources}
    return {
        "rejected": {s: p for s, p in rejected.items() if p},
        "quarantined": {s: n for s, n in aside.items() if n},
        "fallback": sum(d.fallback for d in days),
    }


def if_it_dies(ws: Workspace) -> list[str]:
    """A sentence a feed, on what its death would cost, as tried on past days."""
    found, kpi_ = degradation.recorded(ws), ws.use_case.kpi
    sound = next((f.gated.value for f in found if not f.feed), 0.0)
    said = []
    for f in found:
        if f.fault != "missing":
            continue
        worth = (
            f"{f.gated.value:+,.0f} {kpi_.unit} per 1,000 {kpi_.noun} beyond today's, of {sound:+,.0f} with all feeds"
        )
        said.append(
            f"If the {f.feed} feed dies, the current process decides {f.fallback:.0%} of the {kpi_.noun}: {worth}."
            if f.fallback
            else f"If the {f.feed} feed dies, the decisions go on, and keep {worth}."
        )
    return said


def next_steps(
    ws: Workspace,
    found: dict[str, Any],
    days: list[Day],
    champions: list[Row],
    parts: list[Segment],
    promised: Forecast,
) -> list[str]:
    """What the figures call for, in words."""
    gained, target, steps = found["lift_vs_current"], ws.use_case.kpi.target, []
    if not champions:
        return ["No model has passed the gate yet: the current process decides. Look at the model record for why."]
    if found["label"] == "assumed":
        steps.append(
            "The gain is assumed, not proven: only a holdout can tell. Agree with"
            f" {ws.use_case.people.team} on one; `sixtyforty holdout {ws.use_case.name}` says how large, and how long."
        )
    elif gained["low"] is not None and gained["low"] > 0:
        proven = "The gain over the current process is proven"
        steps.append(
            f"{proven} and above the target: agree with {ws.use_case.people.team} on a first live month."
            if gained["value"] >= target
            else f"{proven} but short of the target of {target:,.0f} per 1,000."
        )
    else:
        steps.append("The gain isn't proven yet: keep the current process in charge and let more days come in.")
    losing = [named(m, "%B") for m, ds in by_period(days).items() if sum(d.model - d.current_process for d in ds) < 0]
    if losing:
        steps.append(f"Look into {', '.join(losing)}: there the current process did better.")
    short = [t.name for t in promised.terms if t.verdict == "below what was forecast"]
    if short:
        steps.append(f"Find out why {', '.join(short)} brought less than was forecast.")
    worse = [f"{s.column} {s.name}" for s in parts if s.loses]
    if worse:
        steps.append(f"Leave {', '.join(worse)} to the current process: there it is surely better.")
    steps += [
        f"{'Bought' if c['vendor'] else 'Simpler'} does better: {c['description']} Compare it before going on."
        for c in _candidates(ws, found)
        if c["model_minus"]["high"] is not None and c["model_minus"]["high"] < 0
    ]
    if found["payback"] is None:
        steps.append("What it cost isn't earned back yet.")
    if not found["operational"]:
        steps.append("No decision differed from the current process: it isn't operational yet.")
    if found["decided_by_current_process"]:
        steps.append(
            f"{found['decided_by_current_process']:,} decisions were left to the current process for want of sound data"
            " or a model."
        )
    if ws.use_case.stage == "poc":
        steps.append(f"Name the {ws.use_case.people.role}s who will try it, and the week they start.")
    return steps
