"""Judge which answer to a decision is in force. People then take the action of this answer.

The stored decision never changes: it is history. An answer in force changes the delivered row of the decision. Rules:

- The first answer counts. The response log refuses a second answer, and a second answer from another system has no
  effect.
- An answer after the deadline (`people.answer_within_minutes`) is late. It has no effect.
- An answer to a decision in the holdout or in shadow is an opinion. It has no effect, because the unit is compared with
  the model's units.
- A person may withdraw his or her answer until the deadline. After the deadline, an answer in force stays in force.
- An answer that doesn't fit the decided action is invalid, such as an unknown action. It has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sixtyforty.decisions.assignment import HELD_OUT
from sixtyforty.spec.decision_chain import DecisionChain
from sixtyforty.spec.kpi_wording import allowed_instead
from sixtyforty.storage.response_log import ANSWERS, Response, Role

AnswerEffect = Literal["in force", "withdrawn", "late", "held out", "invalid"]


@dataclass(frozen=True)
class JudgedAnswer:
    """A person's answer to a decision, with its effect.

    - action: the action in force: the answer's action if the answer is in force, otherwise the decided action.
    - answered_by: the role of the person who answered.
    - answered_at: UTC time of the answer or, if the answer was withdrawn, of the withdrawal.
    - revision: how often the answer changed the delivered row: 1 for an answer in force, 2 for a withdrawn answer, and
      0 for an answer without effect.
    """

    decision_id: str
    action: str
    effect: AnswerEffect
    answered_by: Role
    answered_at: datetime
    revision: int


def answer_deadline(use_case: DecisionChain, decided_at: datetime) -> datetime | None:
    """Return the UTC time until which an answer to a decision has an effect; None if no deadline is declared.

    decided_at: the decision time, UTC.
    """
    minutes = use_case.people.answer_within_minutes
    return None if minutes is None else decided_at + timedelta(minutes=minutes)


def judge_answer(
    use_case: DecisionChain,
    decision_id: str,
    decided_at: datetime,
    decided_by: str,
    action: str,
    responses: Sequence[Response],
) -> JudgedAnswer | None:
    """Return the first answer to a decision with its effect. Return None if nobody has answered.

    decided_at (UTC), decided_by, action: as stored with the decision. responses: all responses to it, in any order.
    """
    in_order = sorted((r for r in responses if r.at), key=lambda r: (r.at or datetime.max, r.response_id))
    answer = next((r for r in in_order if r.event in ANSWERS), None)
    if answer is None or answer.at is None:
        return None
    deadline = answer_deadline(use_case, decided_at)

    def judged(effect: AnswerEffect, response: Response, revision: int = 0) -> JudgedAnswer:
        in_force = answer.action if effect == "in force" and answer.action is not None else action
        return JudgedAnswer(decision_id, in_force, effect, response.role, response.at or decided_at, revision)

    if decided_by in HELD_OUT:
        return judged("held out", answer)
    if deadline is not None and answer.at > deadline:
        return judged("late", answer)
    if _is_invalid(use_case, answer, action):
        return judged("invalid", answer)
    withdrawal = find_withdrawal(in_order, answer, deadline)
    return judged("withdrawn", withdrawal, 2) if withdrawal else judged("in force", answer, 1)


def _is_invalid(use_case: DecisionChain, answer: Response, action: str) -> bool:
    """Return whether an answer doesn't fit the decided action, for example because the replay was made again."""
    if answer.event == "overridden":
        return allowed_instead(use_case.kpi, answer.action, action) is not None
    return answer.action not in (None, action)


def find_withdrawal(responses: Sequence[Response], answer: Response, deadline: datetime | None) -> Response | None:
    """Return the response by which an answer was withdrawn in time, or None. responses: sorted by time."""
    start = answer.at or datetime.min
    return next(
        (
            r
            for r in responses
            if r.event == "withdrawn" and r.at and r.at >= start and (deadline is None or r.at <= deadline)
        ),
        None,
    )
