"""The alert rules. Each rule reads a use case's lake and ledgers, and returns an alert for each current problem.

Alert texts contain counts, days and names of rules, columns and sources, but no data rows and no values from rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sixtyforty.accounting.acceptance import summarize_acceptance
from sixtyforty.accounting.acceptance_messages import UsageAlarm, find_alarms
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.unscored import CURE, current_outage
from sixtyforty.lifecycle.champions import measure_recent_lift
from sixtyforty.lifecycle.disk_budget import describe_exceeded
from sixtyforty.modeling import taint
from sixtyforty.reports.alerts import Alert, AlertKind
from sixtyforty.reports.arrival_notes import find_late_arrivals
from sixtyforty.reports.due_notices import find_due_decisions
from sixtyforty.reports.feed_alerts import (
    find_fallback,
    find_quarantined_rows,
    find_refused_extracts,
    find_unreachable_sources,
)
from sixtyforty.reports.ledger_alerts import find_changed_ledgers
from sixtyforty.reports.page_templates import format_stage
from sixtyforty.spec.clock import now
from sixtyforty.spec.money import format_money
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.storage.verdicts import Verdict, read_verdict, verdict_id
from sixtyforty.workspace import Workspace

AlertRule = Callable[[Workspace, Track], list[Alert]]


def find_rejected_batches(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each rejected partition. A partition that is rejected again later gets a new alert."""
    return [
        Alert(
            "rejected batch",
            f"{source} {partition} {verdict_id(entry)}",
            _rejection_text(source, read_verdict(entry)),
        )
        for source in ws.use_case.sources
        for partition, entry in ws.lake.entries(f"rejected/{source}").items()
    ]


def _rejection_text(source: str, verdict: Verdict) -> str:
    failed = [r for r in verdict.rules if not r.passed and r.severity == "critical"]
    rules = ", ".join(sorted({f"{r.rule} ({r.column})" for r in failed}))
    why = f" Failed rules: {rules}." if rules else ""
    return (
        f"{source} of {verdict.partition} was rejected: {verdict.quarantined:,} of"
        f" {format_plural(verdict.landed, 'row')} {'is' if verdict.landed == 1 else 'are'} invalid.{why}"
        " Read the details in Data Docs, then ask the sender for a corrected extract of the same name."
    )


def find_tainted_partitions(ws: Workspace, track: Track) -> list[Alert]:
    """Return one alert if the features of any partition know the future (leakage). The argument `track` isn't used."""
    tainted = taint.find_tainted(ws.lake)
    if not tainted:
        return []
    text = f"The {taint.describe(tainted)}. Training, promotion and figures are refused."
    return [Alert("leakage", tainted[0].partition, f"{text} {taint.describe_cure(tainted)}")]


def find_revoked_champion(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if the track's newest champion was revoked.

    Champions that a person withdrew are skipped: the newest of the other champions counts.
    """
    for row in reversed(ws.champion_ledger.promotions(track)):
        withdrawal = ws.champion_ledger.withdrawal_of(row.version)
        if withdrawal is None:
            break
        if withdrawal.kind == "revoked":
            text = f"The champion {row.version} was {withdrawal.withdrawal_text}. Correct the data, then retrain."
            return [Alert("champion revoked", row.version, text)]
    return []


def find_unscored(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if the champion in force couldn't score the newest units, so the current process decided."""
    outage = current_outage(ws, track, now())
    if outage is None:
        return []
    return [Alert("champion can't score", f"{outage.champion} {outage.since}", f"{outage.text} {CURE}")]


def find_refused_change(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if an edit of the declaration changed a part that must stay the same, so that no run can start.

    These parts are the keys of the sources, the key of the units, the timezone and the partitions.
    """
    return [Alert("key or calendar changed", ws.refusal, ws.refusal)] if ws.refusal else []


def find_exceeded_budget(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if the use case takes more of the disk than it may. The argument `track` isn't used."""
    text = describe_exceeded(ws)
    return [Alert("disk budget exceeded", ws.use_case.name, text)] if text else []


def find_overdue_retrain(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if no challenger was judged for too long: many days of outcomes have arrived since.

    The limit is `watch.retrain_overdue_days`.
    """
    outcomes = ws.lake.partitions("outcomes")
    if not outcomes or not ws.lake.partitions(decisions_dataset(track)):
        return []
    as_of_days = [r.as_of for r in ws.champion_ledger.rows() if r.track == track]
    last = date.fromisoformat(max(as_of_days)) if as_of_days else ws.use_case.first_day(outcomes[0])
    days = (ws.use_case.first_day(outcomes[-1]) - last).days
    limit = ws.use_case.watch.retrain_overdue_days
    if days <= limit:
        return []
    since = f"since the challenger of {last}" if as_of_days else "and no challenger was ever judged"
    text = f"{format_plural(days, 'day')} of outcomes arrived {since} (limit: {limit} days). Train a new challenger."
    return [Alert("retrain overdue", track, text)]


def find_decay(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if the gain on the newest days with known outcomes is below `automation.decay_lift`."""
    recent, kpi = measure_recent_lift(ws, track), ws.use_case.kpi
    limit = ws.use_case.automation.decay_lift
    if recent is None or recent.per_1000 >= limit:
        return []
    days = recent.daily_values
    text = (
        f"From {days[0].partition} to {days[-1].partition}, the decisions gained"
        f" {format_money(recent.per_1000, kpi.currency)} per 1,000 {kpi.unit_plural} over the current process"
        f" (limit: {format_money(limit, kpi.currency)}). Look for a change in the data or in the process."
    )
    return [Alert("decay", track, text)]


def _usage_rule(kind: UsageAlarm) -> AlertRule:
    """Return the rule for one kind of alert about how people use the decisions, such as low uptake."""

    def find_usage_alarm(ws: Workspace, track: Track) -> list[Alert]:
        if not ws.use_case.people.responses:
            return []
        usage = summarize_acceptance(ws, track)
        text = find_alarms(ws.use_case, usage).get(kind) if usage.decisions else None
        return [Alert(kind, track, text)] if text else []

    return find_usage_alarm


def find_stop(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert if a stage gate stopped the use case. The argument `track` isn't used."""
    event = ws.stage_ledger.current_verdict()
    if event is None or event.event != "stop":
        return []
    return [
        Alert(
            "stopped",
            f"{event.stage} {event.seq}",
            f"The stage gate stopped the {format_stage(event.stage)}: {event.why}.",
        )
    ]


RULES: dict[AlertKind, AlertRule] = {
    "source unreachable": find_unreachable_sources,
    "refused extract": find_refused_extracts,
    "quarantined rows": find_quarantined_rows,
    "rejected batch": find_rejected_batches,
    "leakage": find_tainted_partitions,
    "ledger differs": find_changed_ledgers,
    "champion revoked": find_revoked_champion,
    "champion can't score": find_unscored,
    "key or calendar changed": find_refused_change,
    "disk budget exceeded": find_exceeded_budget,
    "late arrivals": find_late_arrivals,
    "fallback in force": find_fallback,
    "retrain overdue": find_overdue_retrain,
    "decay": find_decay,
    "no user": _usage_rule("no user"),
    "rubber stamp": _usage_rule("rubber stamp"),
    "low uptake": _usage_rule("low uptake"),
    "stopped": find_stop,
    "decisions due": find_due_decisions,
}
