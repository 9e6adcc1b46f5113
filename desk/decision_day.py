"""The decisions of a day for a page of the desk: unit, action, reasons and answer of each decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from desk.page_request import PageRequest, Problem
from sixtyforty.decisions.answers_in_force import JudgedAnswer, judge_answer
from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.decisions.explanations import explain_decisions
from sixtyforty.decisions.responses import responses_by_decision
from sixtyforty.spec.clock import now
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.response_log import ANSWERS, Response


@dataclass(frozen=True)
class ShownDecision:
    """A decision as a page of the desk shows it.

    - unit: the key columns and values that identify the unit on the page.
    - decided_at: the decision time in the use case's time zone.
    - other_actions: the actions that a person can choose instead.
    - differs: whether the action differs from the current process.
    - is_active: whether the action differs from the idle action.
    - expected: the expected outcome; None if it is unknown or hidden.
    - answer: the recorded answer of a person; None if nobody has answered.
    - judged: the effect of the recorded answer, and the action in force; None if nobody has answered.
    - rating: by the person who sees the page, 1 to 5; None without a rating.
    """

    id: str
    unit: Mapping[str, object]
    decided_at: datetime
    action: str
    other_actions: list[str]
    differs: bool
    is_active: bool
    expected: float | None
    answer: Response | None
    judged: JudgedAnswer | None
    rating: int | None


@dataclass(frozen=True)
class DecisionDay:
    """The decisions of a partition for a page of the desk.

    partitions: all partitions that the page can show, sorted. common: the key columns that have the same value for all
    units of the partition, with this value.
    """

    partition: str
    partitions: list[str]
    common: Mapping[str, object]
    decisions: list[ShownDecision]

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
    decisions = [
        show_decision(ws.use_case, d, columns, responses.get(d.decision_id, []), request.session.person) for d in stored
    ]
    return DecisionDay(partition, partitions, common, decisions)


def _requested_partition(request: PageRequest, partitions: Sequence[str]) -> str:
    today = local_time(request.ws.use_case, now()).date().isoformat()
    partition = request.query.get("date") or (today if today in partitions else partitions[-1])
    if partition not in partitions:
        text = f"Choose a day from {partitions[0]} to {partitions[-1]}."
        raise Problem(404, f"There is nothing to show for {partition}", text)
    return partition


def show_decision(
    use_case: UseCase, decision: StoredDecision, columns: Sequence[str], responses: Sequence[Response], person: str
) -> ShownDecision:
    """Return a decision as a page of the desk shows it to a person.

    columns: the key columns to show. responses: all people's responses to the decision. The expected outcome of a unit
    in the holdout stays hidden, because it could influence what people do and so bias the experiment.
    """
    action = decision.action
    is_held_out = decision.decided_by in HELD_OUT
    return ShownDecision(
        id=decision.decision_id,
        unit={c: decision.unit[c] for c in columns},
        decided_at=local_time(use_case, decision.decided_at),
        action=action,
        other_actions=[a for a in use_case.kpi.actions if a != action],
        differs=action != decision.current_action,
        is_active=action != use_case.kpi.idle_action,
        expected=None if is_held_out else decision.expected,
        answer=next((r for r in responses if r.event in ANSWERS), None),
        judged=judge_answer(
            use_case, decision.decision_id, decision.decided_at, decision.decided_by, decision.action, responses
        ),
        rating=next((r.rating for r in reversed(responses) if r.event == "rated" and r.person == person), None),
    )


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


def filter_decisions(
    decisions: Sequence[ShownDecision], words: str, common: Mapping[str, object]
) -> list[ShownDecision]:
    """Return the decisions that match all words of a search.

    A word matches if the decision's id, or a word of a key value, starts with it. common: see `DecisionDay`.
    """
    prefixes = words.lower().split()
    return [d for d in decisions if all(any(p.startswith(prefix) for p in _parts(d, common)) for prefix in prefixes)]


def _parts(decision: ShownDecision, common: Mapping[str, object]) -> list[str]:
    values = [*decision.unit.values(), *common.values()]
    return [decision.id, *(word for value in values for word in str(value).lower().split())]
