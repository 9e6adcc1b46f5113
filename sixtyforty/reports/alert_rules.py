"""What is wrong with a use case, as kept: rejected batches, fallback, overdue retrain, decay, no use, a stage stopped.

Texts hold counts, days and the names of rules, columns and sources: never values.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sixtyforty.accounting import acceptance
from sixtyforty.decisions.deciding import dataset
from sixtyforty.lifecycle.champions import realised
from sixtyforty.reports.alerts import Alert, Kind
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.workspace import Workspace


def rejected(ws: Workspace, track: str) -> list[Alert]:
    """One alert a rejected partition and verdict: a correction that is rejected as well is told again."""
    return [
        Alert(
            "rejected batch",
            f"{source} {partition} {entry.facts['verdict_id']}",
            _refused(source, Verdict.from_dict(entry.facts["verdict"])),
        )
        for source in ws.use_case.sources
        for partition, entry in ws.lake.entries(f"rejected/{source}").items()
    ]


def _refused(source: str, verdict: Verdict) -> str:
    rules = sorted({f"{r.rule} ({r.column})" for r in verdict.rules if not r.passed and r.severity == "critical"})
    broken = f"; rules broken: {', '.join(rules)}" if rules else ""
    return (
        f"{source} of {verdict.partition} was rejected: {verdict.quarantined:,} of {verdict.landed:,} rows are bad"
        f"{broken}. Data Docs say why; have it sent again."
    )


def fallback(ws: Workspace, track: str) -> list[Alert]:
    """On the newest partition decided, more than the declared share was decided by fallback."""
    name = dataset(track)
    newest = max(ws.lake.partitions(name), default=None)
    entry = ws.lake.entry(name, newest) if newest else None
    if entry is None or not entry.rows:
        return []
    share = entry.facts["fallback"] / entry.rows
    if share <= ws.use_case.watch.max_fallback_share:
        return []
    text = f"{share:.0%} of {newest}'s decisions were taken by the current process, as their data wasn't sound."
    return [Alert("fallback in force", track, text)]


def overdue(ws: Workspace, track: str) -> list[Alert]:
    """More days of outcomes have come since the last challenger than the declaration allows. Nothing decided: none."""
    outcomes = ws.lake.partitions("outcomes")
    if not outcomes or not ws.lake.partitions(dataset(track)):
        return []
    judged = [r.as_of for r in ws.ledger.rows() if r.track == track]
    last = date.fromisoformat(max(judged)) if judged else ws.use_case.day_of(outcomes[0])
    passed = (ws.use_case.day_of(outcomes[-1]) - last).days
    if passed <= ws.use_case.watch.retrain_overdue_days:
        return []
    since = f"since the challenger of {last}" if judged else "and no challenger was ever judged"
    text = f"{passed} days of outcomes have come {since}; {ws.use_case.watch.retrain_overdue_days} may."
    return [Alert("retrain overdue", track, text)]


def decay(ws: Workspace, track: str) -> list[Alert]:
    """Over the newest known days, as many as declared, the lift over the current process was below its limit."""
    found, kpi, limit = realised(ws, track), ws.use_case.kpi, ws.use_case.automation.decay_lift
    if found is None or found[1] >= limit:
        return []
    known, gained = found
    text = (
        f"{known[0].partition} to {known[-1].partition} the decisions were worth {gained:+,.0f} {kpi.unit} per 1,000"
        f" {kpi.noun} against the current process; {limit:,.0f} is the least."
    )
    return [Alert("decay", track, text)]


def _people(kind: acceptance.Alarm) -> Callable[[Workspace, str], list[Alert]]:
    """Whether people use the decisions; nothing where no responses are taken in, or nothing was decided."""

    def look(ws: Workspace, track: str) -> list[Alert]:
        found = acceptance.facts(ws, track) if ws.use_case.people.responses else None
        text = found.alarms(ws).get(kind) if found and found.decisions else None
        return [Alert(kind, track, text)] if text else []

    return look


def stopped(ws: Workspace, track: str) -> list[Alert]:
    """The gate of its stage stopped it, whichever track that was judged on."""
    row = ws.progress.verdict()
    if row is None or row.said != "stop":
        return []
    return [Alert("stopped", f"{row.stage} {row.seq}", f"The {row.stage} was stopped by its gate: {row.why}.")]


LOOKS: dict[Kind, Callable[[Workspace, str], list[Alert]]] = {
    "rejected batch": rejected,
    "fallback in force": fallback,
    "retrain overdue": overdue,
    "decay": decay,
    "no user": _people("no user"),
    "rubber stamp": _people("rubber stamp"),
    "low uptake": _people("low uptake"),
    "stopped": stopped,
}
