"""Notices of decisions that are due: how many unanswered actions people must decide about soon."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from sixtyforty.decisions.answers_in_force import answer_deadline
from sixtyforty.decisions.decision_table import StoredDecision, decisions_dataset, read_decisions
from sixtyforty.decisions.listed_units import ListedUnit, list_inputs, read_listed_units
from sixtyforty.decisions.responses import answers_by_decision
from sixtyforty.reports.alerts import Alert
from sixtyforty.spec.clock import now
from sixtyforty.spec.track import Track
from sixtyforty.spec.wording import format_plural
from sixtyforty.workspace import Workspace

NEWEST_PARTITIONS = 2  # a decision that is due may be of the day before


def find_due_decisions(ws: Workspace, track: Track) -> list[Alert]:
    """Return an alert for each decision time with unanswered actions that are due within `watch.due_notice_minutes`.

    Without this limit, and on the replay, nothing is due.
    """
    minutes = ws.use_case.watch.due_notice_minutes
    if minutes is None or track != "live":
        return []
    start = now()
    due: dict[datetime, list[datetime]] = defaultdict(list)
    for partition in sorted(ws.lake.partitions(decisions_dataset(track)))[-NEWEST_PARTITIONS:]:
        for decision, time in _unanswered(ws, partition, track):
            if start <= time <= start + timedelta(minutes=minutes):
                due[decision.decided_at].append(time)
    return [Alert("decisions due", f"{decided_at}", _text(ws, times)) for decided_at, times in sorted(due.items())]


def _unanswered(ws: Workspace, partition: str, track: Track) -> list[tuple[StoredDecision, datetime]]:
    """Return the unanswered decisions with action of a partition, with the UTC time at which each is due."""
    use_case = ws.use_case
    active = [d for d in read_decisions(ws, partition, track) if d.action != use_case.kpi.idle_action]
    units = read_listed_units(ws, partition, track, list_inputs(ws, partition)) if use_case.decision_list.sort else {}
    answers = answers_by_decision(ws, [d.decision_id for d in active])
    times = {d.decision_id: _due_at(ws, d, units.get(d.decision_id)) for d in active}
    return [(d, time) for d in active if d.decision_id not in answers and (time := times[d.decision_id]) is not None]


def _due_at(ws: Workspace, decision: StoredDecision, unit: ListedUnit | None) -> datetime | None:
    """Return the UTC time by which a list is sorted or, without one, the deadline for an answer; None without both."""
    fact = unit.facts.get(ws.use_case.decision_list.sort or "") if unit else None
    if isinstance(fact, datetime) and fact.tzinfo is None:
        return fact
    return answer_deadline(ws.use_case, decision.decided_at)


def _text(ws: Workspace, times: list[datetime]) -> str:
    zone = ws.use_case.zone
    first, last = (time.replace(tzinfo=UTC).astimezone(zone) for time in (min(times), max(times)))
    span = f"by {first:%H:%M}" if first == last else f"from {first:%H:%M} to {last:%H:%M}"
    verb = "is" if len(times) == 1 else "are"
    return (
        f"{format_plural(len(times), 'decision')} with action {verb} due {span}, and nobody has answered. Open the list"
        ' "with action in the next hour" on the desk.'
    )
