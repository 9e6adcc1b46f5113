"""The decisions of a day for a page of the desk: unit, action, reasons and answer of each decision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from desk.page_request import PageRequest, Problem
from sixtyforty.decisions.answers_in_force import JudgedAnswer, answer_deadline, judge_answer, list_attempts
from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.column_labels import label_entries
from sixtyforty.decisions.decision_table import StoredDecision, decisions_dataset, read_decisions
from sixtyforty.decisions.explanations import explain_decisions
from sixtyforty.decisions.listed_units import ListedUnit, list_inputs, read_listed_units
from sixtyforty.decisions.missing_feeds import MissingFeed, find_missing_feeds
from sixtyforty.decisions.responses import responses_by_decision
from sixtyforty.spec.clock import now
from sixtyforty.spec.money import UNKNOWN
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import describe_sql_error
from sixtyforty.storage.response_log import Response
from sixtyforty.workspace import Workspace

NO_UNIT = ListedUnit()


@dataclass(frozen=True)
class ShownDecision:
    """A decision as a page of the desk shows it.

    - unit: the key columns and values that identify the unit on the page.
    - label: what people call the unit; empty if the use case declares no label, or the unit is no longer listed.
    - facts: what people act on, by name; times are in the use case's time zone.
    - due: the time by which the list is sorted, in the use case's time zone; None if it isn't sorted by a time.
    - decided_at: the decision time in the use case's time zone.
    - other_actions: the actions that a person can choose instead.
    - differs: whether the action differs from the current process.
    - is_active: whether the action differs from the idle action.
    - expected: the expected outcome; None if it is unknown or hidden.
    - answer: the recorded answer of a person; None if nobody has answered, or the last answer was withdrawn.
    - judged: the effect of the recorded answer, and the action in force; None without an answer.
    - withdrawal: the response that withdrew the last answer; None if nobody withdrew it.
    - rating: by the person who sees the page, 1 to 5; None without a rating.
    """

    id: str
    unit: Mapping[str, object]
    decided_at: datetime
    action: str
    current_action: str
    other_actions: list[str]
    differs: bool
    is_active: bool
    expected: float | None
    answer: Response | None
    judged: JudgedAnswer | None
    rating: int | None
    label: str = field(default="", kw_only=True)
    facts: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    due: datetime | None = field(default=None, kw_only=True)
    withdrawal: Response | None = field(default=None, kw_only=True)

    @property
    def judged_accepts(self) -> bool:
        """Whether a person's acceptance is in force."""
        return bool(
            self.answer and self.judged and self.answer.event == "accepted" and self.judged.effect == "in force"
        )


@dataclass(frozen=True)
class DecisionDay:
    """The decisions of a partition for a page of the desk.

    - partitions: all partitions that the page can show, sorted.
    - common: the key columns that have the same value for all units of the partition, with this value.
    - missing: the feeds that the decisions did without.
    - problem: why the declared facts of the units can't be shown; empty if they can.
    """

    partition: str
    partitions: list[str]
    common: Mapping[str, object]
    decisions: list[ShownDecision]
    missing: Sequence[MissingFeed] = field(default=(), kw_only=True)
    problem: str = field(default="", kw_only=True)

    @property
    def date(self) -> date:
        """The local day on which the partition starts."""
        return date.fromisoformat(self.partition[:10])

    def neighbour(self, step: int) -> str | None:
        """Return the partition before (step -1) or after (step 1) this partition; None if no such partition exists."""
        position = self.partitions.index(self.partition) + step
        return self.partitions[position] if 0 <= position < len(self.partitions) else None

    def decision(self, decision_id: str) -> ShownDecision:
        """Return the day's decision with this id. Raises Problem if the day has no such decision."""
        decision = next((d for d in self.decisions if d.id == decision_id), None)
        if decision is None:
            raise Problem(404, "This decision doesn't exist", "Nothing was saved. Open the page again.")
        return decision


def load_day(request: PageRequest, dataset: str, empty_title: str) -> DecisionDay:
    """Return the decisions of the partition that a request names, for a page of the desk.

    dataset: the dataset of the lake that must contain the partition. If the request names no day, the function takes
    today's partition or, if that doesn't exist, the newest partition. Raises Problem if the partition doesn't exist.
    empty_title: the problem's title if the dataset has no partition at all.
    """
    ws, partitions = request.ws, sorted(request.ws.lake.entries(dataset))
    if not partitions:
        raise Problem(404, empty_title, "The next run of the chain fills this page.")
    partition = _requested_partition(request, partitions)
    stored, key = read_decisions(ws, partition, request.track), ws.use_case.decision.key
    common = {c: stored[0].unit[c] for c in key if len(stored) > 1 and len({d.unit[c] for d in stored}) == 1}
    responses = responses_by_decision(ws, [d.decision_id for d in stored])
    columns = [c for c in key if c not in common]
    units, problem = load_units(request, partition)
    decisions = [
        show_decision(
            ws.use_case,
            d,
            columns,
            responses.get(d.decision_id, []),
            request.session.person,
            units.get(d.decision_id, NO_UNIT),
        )
        for d in stored
    ]
    missing = find_missing_feeds(ws, partition, request.track)
    return DecisionDay(partition, partitions, common, sort_decisions(ws, decisions), missing=missing, problem=problem)


def load_units(request: PageRequest, partition: str) -> tuple[Mapping[str, ListedUnit], str]:
    """Return the listed units by decision id, and why they can't be shown; empty if they can.

    They are cached until the decisions or the units' data change.
    """
    import duckdb

    ws, track = request.ws, request.track
    inputs = list_inputs(ws, partition)
    entries = [*ws.lake.entries(decisions_dataset(track), [partition]).values()]
    entries += [entry for by_partition in inputs.values() for entry in by_partition.values()]
    entries += label_entries(ws)
    key = (ws.use_case.name, track, partition, *sorted(entry.version for entry in entries))
    try:
        return request.desk.cache.get(
            "units", key, lambda: read_listed_units(ws, partition, track, inputs), math.inf
        ), ""
    except duckdb.Error as error:
        return {}, f"The facts of `decision_list` can't be shown: {describe_sql_error(error)}."


def sort_decisions(ws: Workspace, decisions: Sequence[ShownDecision]) -> list[ShownDecision]:
    """Return decisions by the fact that `decision_list.sort` names: times to come, then times that have passed.

    Units without the fact come last. Without a declared order, the decisions stay as they are.
    """
    name, today = ws.use_case.decision_list.sort, local_time(ws.use_case, now())
    if name is None:
        return list(decisions)
    listed = [d for d in decisions if d.facts.get(name) is not None]
    others = [d for d in decisions if d.facts.get(name) is None]
    return sorted(listed, key=lambda d: (d.due is not None and d.due < today, d.facts[name])) + others


def _requested_partition(request: PageRequest, partitions: Sequence[str]) -> str:
    today = local_time(request.ws.use_case, now()).date().isoformat()
    partition = request.query.get("date") or (today if today in partitions else partitions[-1])
    if partition not in partitions:
        text = f"Choose a day from {partitions[0]} to {partitions[-1]}."
        raise Problem(404, f"There is nothing to show for {partition}", text)
    return partition


def show_decision(
    use_case: UseCase,
    decision: StoredDecision,
    columns: Sequence[str],
    responses: Sequence[Response],
    person: str,
    unit: ListedUnit = NO_UNIT,
) -> ShownDecision:
    """Return a decision as a page of the desk shows it to a person.

    - columns: the key columns to show.
    - responses: all people's responses to the decision.
    - unit: the label and the facts of the unit.

    The expected outcome of a unit in the holdout stays hidden, because it could influence what people do and so bias
    the experiment.
    """
    action = decision.action
    facts = {name: _as_local(use_case, fact) for name, fact in unit.facts.items()}
    due = facts.get(use_case.decision_list.sort or "")
    is_held_out = decision.decided_by in HELD_OUT
    attempts = list_attempts(responses, answer_deadline(use_case, decision.decided_at))
    last = attempts[-1] if attempts else None
    answer, withdrawal = (last.answer, last.withdrawal) if last else (None, None)
    return ShownDecision(
        id=decision.decision_id,
        unit={c: decision.unit[c] for c in columns},
        decided_at=local_time(use_case, decision.decided_at),
        action=action,
        current_action=decision.current_action,
        other_actions=[a for a in use_case.kpi.actions if a != action],
        differs=action != decision.current_action,
        is_active=action != use_case.kpi.idle_action,
        expected=None if is_held_out else decision.expected,
        answer=None if withdrawal else answer,
        withdrawal=withdrawal,
        judged=None
        if withdrawal
        else judge_answer(
            use_case, decision.decision_id, decision.decided_at, decision.decided_by, decision.action, responses
        ),
        rating=next((r.rating for r in reversed(responses) if r.event == "rated" and r.person == person), None),
        label=unit.label,
        facts=facts,
        due=due if isinstance(due, datetime) else None,
    )


def _as_local(use_case: UseCase, fact: object) -> object:
    """Return a fact with its time in the use case's time zone. A time without an offset is UTC."""
    if not isinstance(fact, datetime):
        return fact
    return fact.astimezone(use_case.zone) if fact.tzinfo else local_time(use_case, fact)


def load_reasons(request: PageRequest, partition: str, decision_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return, by decision id, a few sentences that explain the decision, the most important first.

    The sentences are cached, because a decision never changes, and computing them needs the model file.
    """
    ws, track = request.ws, request.track
    name = ws.use_case.name

    def explain(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        reasons = explain_decisions(ws, partition, track, [decision_id for _, decision_id in keys])
        return {(name, decision_id): sentences for decision_id, sentences in reasons.items()}

    no_reasons: list[str] = []
    keys = [(name, decision_id) for decision_id in decision_ids]
    reasons = request.desk.cache.get_many("explanations", keys, explain, no_reasons)
    return dict(zip(decision_ids, reasons, strict=True))


def local_time(use_case: UseCase, time: datetime) -> datetime:
    """Convert a naive UTC time to the use case's time zone."""
    return time.replace(tzinfo=ZoneInfo("UTC")).astimezone(use_case.zone)


def format_clock_time(time: datetime, today: date) -> str:
    """Return a local time for people: `14:05` if it is on the day `today`, otherwise `14:05 on 3 June`."""
    return f"{time:%H:%M}" if time.date() == today else f"{time:%H:%M on %-d %B}"


def format_fact(fact: object, today: date) -> str:
    """Return a fact about a unit for people: a local time as `14:05`, a number without needless digits."""
    if fact is None:
        return UNKNOWN
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, datetime):
        return format_clock_time(fact, today)
    return f"{fact:,.10g}" if isinstance(fact, float) else str(fact)
