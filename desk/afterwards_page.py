"""What happened afterwards: the outcomes of the decisions that a person answered, and who was right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from desk.decision_day import NO_UNIT, ShownDecision, load_units, show_decision
from desk.page_request import PageRequest
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.decision_trace import TracedOutcome
from sixtyforty.decisions.provenance import trace_outcome
from sixtyforty.decisions.responses import answered_by_person, responses_by_decision
from sixtyforty.spec.wording import format_plural
from sixtyforty.value.decision_ids import parse_decision_id

SHOWN_ANSWERS = 50
Winner = Literal["you", "the decision", "the current process", "nobody", "open", "unknown"]
RIGHT: Mapping[Winner, str] = {
    "you": "you",
    "the decision": "the decision that you overrode",
    "the current process": "the current process",
}


@dataclass(frozen=True)
class AnsweredDecision:
    """A decision that the person answered, with its outcome.

    - winner: who was right. `nobody`: both actions had the same value. `open`: the outcome isn't known yet. `unknown`:
      a single decision can't show it.
    - difference: by how much the better action was better, in the KPI's currency; 0 unless somebody was right.
    """

    partition: str
    shown: ShownDecision
    outcome: TracedOutcome | None
    winner: Winner
    difference: float


def afterwards_page(request: PageRequest) -> Response:
    """Show the person's newest answers that stand, with the outcome of each decision and who was right."""
    ids = answered_by_person(request.ws, request.session.person, request.track, SHOWN_ANSWERS)
    by_id = {decision.shown.id: decision for decision in _load(request, ids)}
    answers = [by_id[decision_id] for decision_id in ids if decision_id in by_id]
    counts = Counter(a.winner for a in answers)
    right = [f"{name} {format_plural(counts[winner], 'time')}" for winner, name in RIGHT.items() if counts[winner]]
    return request.render("afterwards.html", answers=answers, right=right, unknown=counts["open"], limit=SHOWN_ANSWERS)


def _load(request: PageRequest, ids: Sequence[str]) -> list[AnsweredDecision]:
    ws, track, answered = request.ws, request.track, []
    responses = responses_by_decision(ws, ids)
    for partition in sorted({parse_decision_id(decision_id)[1] for decision_id in ids}):
        units, _ = load_units(request, partition)
        for stored in read_decisions(ws, partition, track, ids):
            shown = show_decision(
                ws.use_case,
                stored,
                ws.use_case.decision.key,
                responses[stored.decision_id],
                request.session.person,
                units.get(stored.decision_id, NO_UNIT),
            )
            if shown.answer is None or shown.answer.person != request.session.person:
                continue  # the person withdrew the answer
            outcome = trace_outcome(ws, track, partition, stored, shown.judged)
            winner, difference = judge_winner(shown, outcome)
            answered.append(AnsweredDecision(partition, shown, outcome, winner, difference))
    return answered


def judge_winner(shown: ShownDecision, outcome: TracedOutcome | None) -> tuple[Winner, float]:
    """Return who was right, and by how much, in the KPI's currency.

    If the person's override is in force, its action is compared with the decided one. Otherwise the decided action is
    compared with that of the current process, and the person was right to accept it if it was better.
    """
    if outcome is None or outcome.known_at is None:
        return "open", 0.0
    is_overridden = outcome.value_done is not None
    taken, other = (
        (outcome.value_done, outcome.value) if is_overridden else (outcome.value, outcome.value_current_process)
    )
    if taken is None or other is None:
        return "unknown", 0.0
    if taken == other:
        return "nobody", 0.0
    if taken > other:
        return ("you" if is_overridden or shown.judged_accepts else "the decision"), taken - other
    return ("the decision" if is_overridden else "the current process"), other - taken
