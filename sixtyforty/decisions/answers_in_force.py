"""Judge which answer to a decision is in force. People then take the action of this answer.

The stored decision never changes: it is history. An answer in force changes the delivered row of the decision. Rules:

- The first answer counts. The response log refuses a second answer, and a second answer from another system has no
  effect. After a withdrawal, the next answer counts, from any person, until the deadline.
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
class Attempt:
    """An answer that counts, and the response that withdrew it in time; None if the answer wasn't withdrawn."""

    answer: Response
    withdrawal: Response | None


@dataclass(frozen=True)
class JudgedAnswer:
    """The last answer to a decision that counts, with its effect.

    - action: the action in force: the answer's action if the answer is in force, otherwise the decided action.
    - answered_by: the role of the person who answered.
    - answered_at: UTC time of the answer or, if the answer was withdrawn, of the withdrawal.
    - revision: how often answers changed the delivered row: 1 for the first answer, 2 for its withdrawal, 3 for the
      next answer, and so on. It is 0 for an answer without effect.
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


def list_attempts(responses: Sequence[Response], deadline: datetime | None) -> list[Attempt]:
    """Return the answers that count, in order: the first one, and each one that follows a withdrawal.

    responses: all responses to a decision, in any order. deadline: see `answer_deadline`. A withdrawal after the
    deadline has no effect, and so has an answer that follows a withdrawal.
    """
    dated = [(r.at, r.event == "withdrawn", r.response_id, r) for r in responses if r.at]
    attempts: list[Attempt] = []
    for at, is_withdrawal, _, response in sorted(dated, key=lambda parts: parts[:3]):
        in_time = deadline is None or at <= deadline
        is_open = not attempts or attempts[-1].withdrawal is not None
        if response.event in ANSWERS and is_open and (in_time or not attempts):
            attempts.append(Attempt(response, None))
        elif is_withdrawal and not is_open and in_time:
            attempts[-1] = Attempt(attempts[-1].answer, response)
    return attempts


def judge_answer(
    use_case: DecisionChain,
    decision_id: str,
    decided_at: datetime,
    decided_by: str,
    action: str,
    responses: Sequence[Response],
) -> JudgedAnswer | None:
    """Return the last answer to a decision that counts, with its effect. Return None if nobody has answered.

    decided_at (UTC), decided_by, action: as stored with the decision. responses: all responses to it, in any order.
    """
    deadline = answer_deadline(use_case, decided_at)
    attempts = list_attempts(responses, deadline)
    while len(attempts) > 1 and _is_invalid(use_case, attempts[-1].answer, action):
        attempts.pop()  # it changes nothing after an answer that had an effect
    if not attempts:
        return None
    answer, withdrawal = attempts[-1].answer, attempts[-1].withdrawal

    def judged(effect: AnswerEffect, response: Response, revision: int = 0) -> JudgedAnswer:
        in_force = answer.action if effect == "in force" and answer.action is not None else action
        return JudgedAnswer(decision_id, in_force, effect, response.role, response.at or decided_at, revision)

    if decided_by in HELD_OUT:
        return judged("held out", answer)
    if deadline is not None and answer.at is not None and answer.at > deadline:
        return judged("late", answer)
    if _is_invalid(use_case, answer, action):
        return judged("invalid", answer)
    changes = 2 * len(attempts)
    return judged("withdrawn", withdrawal, changes) if withdrawal else judged("in force", answer, changes - 1)


def _is_invalid(use_case: DecisionChain, answer: Response, action: str) -> bool:
    """Return whether an answer doesn't fit the decided action, for example because the replay was made again."""
    if answer.event == "overridden":
        return allowed_instead(use_case.kpi, answer.action, action) is not None
    return answer.action not in (None, action)
