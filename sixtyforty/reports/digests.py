"""Digests: how it goes, told to each role as often as it subscribed, once, with a receipt.

A digest is due at an hour of a local day and tells of the whole local days since the one before; a decider's and an
expert's daily one of the day itself. After a silence the newest is sent, not all that were missed. A receipt is a line
of `data/digests/<use case>.jsonl`: a digest sent to an address, or why not: it is tried again at the next look, until
a newer one is due. Digests hold figures, days and names of feeds: no personal data, and no addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sixtyforty.accounting import acceptance, kpi_ledger
from sixtyforty.accounting.forecast import aim, forecast
from sixtyforty.decisions import review_queue
from sixtyforty.decisions.assignment import KEPT
from sixtyforty.decisions.deciding import begins, dataset
from sixtyforty.decisions.responses import answers
from sixtyforty.reports.alerts import Send
from sixtyforty.reports.impact_report import next_steps
from sixtyforty.spec.people import Subscription
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.champion_ledger import Row
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.restatement import was_restated
from sixtyforty.storage.verdicts import Verdict
from sixtyforty.value.lift import Day, by_week
from sixtyforty.workspace import Workspace

SHOWN = 5  # of a list in a message


@dataclass(frozen=True)
class Period:
    """The local days from first to last, told of on the day after."""

    cadence: str
    first: date
    last: date

    @property
    def due(self) -> date:
        """The local day on which it is told."""
        return self.last + timedelta(days=1)

    @property
    def name(self) -> str:
        """For people."""
        if self.cadence == "monthly":
            return f"{self.first:%B %Y}"
        return f"the week of {said(self.first)}" if self.cadence == "weekly" else said(self.first)


@dataclass(frozen=True)
class Digest:
    """A message."""

    title: str
    text: str


def said(day: date) -> str:
    """A day for people, such as 3 June 2013."""
    return f"{day.day} {day:%B %Y}"


def period(use_case: UseCase, subscription: Subscription, moment: datetime) -> Period:
    """What the newest digest due by a UTC moment (naive) tells of."""
    cadence = subscription.cadence
    local = moment.replace(tzinfo=UTC).astimezone(use_case.zone)
    due = _begins(cadence, local.date())
    if local.hour < subscription.hour and due == local.date():
        due = _begins(cadence, due - timedelta(days=1))
    return Period(cadence, _begins(cadence, due - timedelta(days=1)), due - timedelta(days=1))


def _begins(cadence: str, day: date) -> date:
    """The first day of the day, week or month that a day is in."""
    if cadence == "monthly":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if cadence == "weekly" else day


def begun(ws: Workspace, track: str, when: Period) -> bool:
    """Whether the track decided anything before the day on which the period is told was over."""
    start = begins(ws, track)
    return start is not None and start < ws.use_case.starts(when.due + timedelta(days=1))


def compose(ws: Workspace, track: str, role: str, when: Period) -> Digest:
    """The digest of a role."""
    today = when.cadence == "daily" and role in ("decider", "expert")
    case = ws.use_case
    name, first = (said(when.due), when.due) if today else (when.name, when.first)
    lines = ROLES[role](ws, track, case.holding(first, when.due if today else when.last))
    if track == "replay":
        lines += ["", "These are past decisions, relived with what was known then."]
    return Digest(f"{ws.use_case.title}: {name}", "\n".join(lines))


def tell(
    ws: Workspace,
    track: str,
    moment: datetime,
    environment: Mapping[str, str],
    send: Send,
    role: str | None = None,
) -> list[dict[str, Any]]:
    """Sends each digest due by a UTC moment (naive) to whom it wasn't sent yet; returns the new receipts.

    role: that one's only. A failure is written down once, until its reason changes, and tried again.
    """
    found = []
    with ws.posted.alone():
        receipts = ws.posted.rows()
        sent = {(r["track"], r["cadence"], r["to"], r["due"]) for r in receipts if r["why"] is None}
        before = {(r["track"], r["cadence"], r["to"]): r["why"] for r in receipts}
        for one in (s for s in ws.use_case.subscriptions if role in (None, s.role)):
            when = period(ws.use_case, one, moment)
            digest: Digest | None = None  # composed where there is an address to send it to
            for name in one.to if begun(ws, track, when) else []:
                who = (track, one.cadence, f"{one.role}:{name}")
                if (*who, str(when.due)) in sent:
                    continue
                why: str | None = f"${name} is not set"
                if environment.get(name):
                    digest = digest or compose(ws, track, one.role, when)
                    why = send(environment[name], digest.title, digest.text)
                if why is None or before.get(who) != why:
                    row = {"track": track, "cadence": one.cadence, "to": who[2], "due": str(when.due), "why": why}
                    found.append(ws.posted.append(**row, text=None if why or digest is None else digest.text))
                if why is None:
                    sent.add((*who, str(when.due)))
    return found


def receipt(row: Mapping[str, Any]) -> str:
    """A receipt in a line."""
    what = f"{row['cadence']} digest of {row['due']}"
    return f"{what} not sent to {row['to']}: {row['why']}" if row["why"] else f"{what} sent to {row['to']}"


def _decider(ws: Workspace, track: str, days: list[str]) -> list[str]:
    """The calls of these days: how many, to do what, how many wait for a person."""
    case, decided = ws.use_case, ws.lake.entries(dataset(track), days)
    if not decided:
        return ["No decision has been taken yet."]
    with connect(case.timezone) as db:
        counted = dict(
            db.execute(f"select action, count(*) from {ws.lake.rows(decided.values())} group by 1").fetchall()
        )
    lines = [f"{sum(counted.values()):,} {case.kpi.noun} decided{' so far' if len(days) == 1 else ''}:"]
    # what is to be done first; of amounts, those there are
    names = list(reversed(case.kpi.order)) or sorted(counted, key=float, reverse=True)
    lines += [f"- {case.kpi.does(name)}: {counted.get(name, 0):,}" for name in names]
    left = sum(e.facts["fallback"] + e.facts["current_process"] for e in decided.values())
    if left:
        lines.append(f"{left:,} of them were left to the current process for want of sound data or a model.")
    return [*lines, *_waiting(ws, track, days)]


def _expert(ws: Workspace, track: str, days: list[str]) -> list[str]:
    """The review queue of these days."""
    return _waiting(ws, track, days) or ["Nothing waits for review."]


def _waiting(ws: Workspace, track: str, days: list[str]) -> list[str]:
    """What was queued for review, and waits for an answer; empty where nothing was."""
    queues = ws.lake.entries(review_queue.dataset(track), days)
    items = [i for day in queues for i in review_queue.queue(ws, day, track)]
    if not items:
        return []
    answered = answers(ws, [i.decision_id for i in items])
    left = [i for i in items if i.decision_id not in answered]
    beyond = sum(e.facts["overflow"] for e in queues.values())
    worth, minutes = sum(i.worth for i in left), sum(i.minutes for i in left)
    more = f": worth up to {worth:,.0f} {ws.use_case.kpi.unit} to one who knows better, about {minutes:,.0f} minutes"
    lines = [f"{len(items):,} queued for review, {len(left):,} of them wait for an answer{more if left else ''}."]
    return lines + ([f"{beyond:,} more were beyond what reviewers have time for."] if beyond else [])


def _owner(ws: Workspace, track: str, days: list[str]) -> list[str]:
    """Money of these days and in all, the KPI against its target, people, losing weeks, next steps."""
    use_case, unit = ws.use_case, ws.use_case.kpi.unit
    known = kpi_ledger.days(ws, track, days[-1])
    if not known:
        return ["No decision's outcome is known yet."]
    found, mine = kpi_ledger.summary(ws, track, days[-1]), [d for d in known if d.partition in set(days)]
    lines = ["Money", f"- {_money(use_case, mine)}"]
    unknown = sum(e.facts["unknown"] for e in ws.lake.entries(f"kpi/{track}", days).values())
    if unknown:
        lines.append(f"- Of {unknown:,} more the outcome isn't known yet.")
    lines.append(f"- In all, since {said(use_case.day_of(known[0].partition))}: {_money(use_case, known)}")
    if "told" in found:
        lines.append(f"- {found['told']}")
    if found["build"] or found["running"]:
        paid = f"it has paid for itself since {found['payback']}" if found["payback"] else "it isn't earned back yet"
        lines.append(f"- Once building and running are paid, {found['net_impact']:+,.0f} {unit} are left: {paid}.")
    promised = forecast(ws, track, days[-1])
    lines += ["", use_case.kpi.name, f"- {aim(use_case.kpi, found['lift_vs_current'], found['label'])}"]
    coming = promised.coming
    if coming.value == coming.value:
        lines.append(
            f"- Forecast for the coming month: {coming.value:+,.0f}, between {coming.low:+,.0f} and"
            f" {coming.high:+,.0f}."
        )
    lines += [f"- {_losing(known, unit)}", "", "People"]
    lines.append(f"- {use_case.people.headcount} {use_case.people.role}s, {use_case.people.team}.")
    differ, left = sum(d.differ for d in mine), sum(d.fallback for d in mine)
    lines.append(f"- {differ:,} decisions differed from the current process, {left:,} were left to it.")
    if use_case.people.responses:
        lines += [f"- {sentence}" for sentence in acceptance.told(ws, acceptance.facts(ws, track))]
    steps = next_steps(ws, found, known, ws.ledger.champions(track), kpi_ledger.by_segment(ws, track), promised)
    return [*lines, "", "Next steps", *(f"- {step}" for step in steps)]


def _money(use_case: UseCase, days: list[Day]) -> str:
    """What days brought beyond the current process."""
    if not days:
        return "No outcome of these days is known yet."
    gained, count = sum(d.model - d.current_process for d in days), sum(d.decisions for d in days)
    where = f"on {count:,} {use_case.kpi.noun} ({1000 * gained / count:+,.0f} per 1,000)"
    return f"{gained:+,.0f} {use_case.kpi.unit} beyond the current process, {where}."


def _losing(days: list[Day], unit: str) -> str:
    """The weeks in which the current process did better."""
    net = {week: sum(d.model - d.current_process for d in ds) for week, ds in by_week(days).items()}
    lost = [f"{said(date.fromisoformat(w))} ({v:+,.0f} {unit})" for w, v in net.items() if v < 0]
    if not lost:
        return f"No week of {len(net)} lost."
    more = f" and {len(lost) - SHOWN} before" if len(lost) > SHOWN else ""
    return f"{len(lost)} of {len(net)} weeks lost, those of {', '.join(lost[::-1][:SHOWN])}{more}."


def _auditor(ws: Workspace, track: str, days: list[str]) -> list[str]:
    """Governance's verdicts on these days, what was restated in them, what was decided and who was in force."""
    lines = ["Verdicts"]
    for source in ws.use_case.sources:
        accepted, refused = (ws.lake.entries(f"{k}/{source}", days) for k in ("validated", "rejected"))
        found = [Verdict.from_dict(e.facts["verdict"]) for e in [*accepted.values(), *refused.values()]]
        if found:
            aside, warned = sum(v.quarantined for v in found), sum(bool(v.warnings) for v in found)
            why = f" ({', '.join(refused)})" if refused else ""
            lines.append(
                f"- {source}: {len(accepted)} accepted, {len(refused)} refused{why}, {aside:,} rows set aside,"
                f" {warned} with warnings"
            )
    first, end = ws.use_case.opens(days[0]), ws.use_case.closes(days[-1])
    again = [
        f"{e.dataset.partition('/')[2]} {e.partition}"
        for e in ws.lake.replaced(first, end)
        if was_restated(e, ws.lake.entry(e.dataset, e.partition))
    ]
    lines += ["", "Restated", f"- {', '.join(dict.fromkeys(again)) or 'nothing that had closed'}", "", "Decisions"]
    decided = ws.lake.entries(dataset(track), days)
    by = {k: sum(e.facts[k] for e in decided.values()) for k in ("model", "fallback", "current_process")}
    more = {k: sum(e.facts.get(k, 0) for e in decided.values()) for k in ("review", *KEPT)}
    by |= {k: n for k, n in more.items() if n}
    lines.append(f"- {sum(by.values()):,}: {', '.join(f'{k} {n:,}'.replace('_', ' ') for k, n in by.items())}")
    rows = ws.ledger.rows()  # verifies the chain of hashes
    lines += ["", "Champions", f"- {len(rows)} rows in the ledger, the chain of hashes holds"]
    lines += [
        f"- {r.effective_from} UTC: {r.verdict} {r.version} by {_judge(r)}"
        for r in rows
        if r.track == track and first.isoformat() <= r.effective_from < end.isoformat()
    ]
    champion = ws.ledger.champion(track, end)
    return [*lines, f"- in force: {champion.version if champion else 'none, the current process decides'}"]


def _judge(row: Row) -> str:
    """Who judged, and why; whose hand it was, and in which words, is in the ledger, not in a message."""
    return f"the gate: {'; '.join(row.reasons)}" if row.by == "gate" else f"hand ({row.kind})"


ROLES: dict[str, Callable[[Workspace, str, list[str]], list[str]]] = {
    "decider": _decider,
    "expert": _expert,
    "owner": _owner,
    "auditor": _auditor,
    "engineer": _auditor,
}
