"""Answers to a decision on a page: a decider or an expert accepts, overrides or rates it, or withdraws an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desk.decision_day import ShownDecision, local_time
from desk.page_request import PageRequest
from sixtyforty.decisions.answering import answer_decisions
from sixtyforty.decisions.response_rules import ResponseError
from sixtyforty.decisions.responses import AlreadyAnsweredError
from sixtyforty.storage.response_log import Response, Role

MAX_REASON = 500  # maximum length of the reason for an override, in characters
UNDO_SECONDS = 60  # for which the button to withdraw an answer is called "Undo"
EVENTS = ("accepted", "overridden", "rated", "withdrawn")


@dataclass(frozen=True)
class RejectedAnswer:
    """An answer to a decision that the desk did not record.

    text: the message that tells the person why. status: the HTTP status. reason, action: of an override that the person
    typed, which the form shows again.
    """

    decision_id: str
    text: str
    status: int
    reason: str = ""
    action: str = ""


@dataclass(frozen=True)
class AcceptedTogether:
    """The result of accepting many decisions at once. refused: why the others were not accepted."""

    accepted: int
    refused: Sequence[RejectedAnswer]


def record_answer(request: PageRequest, decision: ShownDecision, role: Role) -> RejectedAnswer | None:
    """Record the logged-in person's answer to a decision, as sent in the request's form. role: who answers on the page.

    Returns None if the answer was recorded, otherwise a RejectedAnswer with the reason.
    """
    form = request.form or {}
    event, reason = form.get("event", ""), form.get("reason", "").strip()

    def reject(text: str, status: int = 422) -> RejectedAnswer:
        return RejectedAnswer(decision.id, text, status, reason, form.get("action", ""))

    if event not in EVENTS:
        return reject("Accept the decision, or override it with a reason.")
    if len(reason) > MAX_REASON:
        return reject(f"The reason has {len(reason)} characters. Shorten it to {MAX_REASON} characters.")
    (recorded,) = answer_decisions(request.ws, [_response(request, decision, role, event, reason)])
    if isinstance(recorded, AlreadyAnsweredError):
        if _is_repetition(request, recorded.answer):
            return None
        return reject(f"{_describe_answer(request, recorded.answer)} Your answer was not recorded.", 409)
    if isinstance(recorded, ResponseError):
        return reject(f"Your answer was not recorded: {recorded}")
    request.record("answer", f"{event} as {role}: {decision.id}", request.ws.use_case.name)
    return None


def accept_together(request: PageRequest, decisions: Sequence[ShownDecision], role: Role) -> AcceptedTogether:
    """Accept many decisions in the name of the logged-in person. Decisions that have an answer keep it."""
    responses = [Response(d.id, request.session.person, role, "accepted") for d in decisions]
    refused, accepted = [], 0
    for decision, recorded in zip(decisions, answer_decisions(request.ws, responses), strict=True):
        if isinstance(recorded, AlreadyAnsweredError):
            if not _is_repetition(request, recorded.answer):
                refused.append(RejectedAnswer(decision.id, _describe_answer(request, recorded.answer), 409))
        elif isinstance(recorded, ResponseError):
            refused.append(RejectedAnswer(decision.id, str(recorded), 422))
        else:
            accepted += 1
            request.record("answer", f"accepted as {role}: {decision.id}", request.ws.use_case.name)
    return AcceptedTogether(accepted, refused)


def restore_typed(request: PageRequest, decisions: Sequence[ShownDecision]) -> RejectedAnswer | None:
    """Return the override that the person typed before the session ended, if its decision is still unanswered."""
    typed = request.returned
    if typed is None or not any(d.id == typed.decision_id and d.answer is None for d in decisions):
        return None
    text = "Your session ended before this answer was recorded. Check the reason, and send it again."
    return RejectedAnswer(typed.decision_id, text, 200, typed.reason, typed.action)


def _is_repetition(request: PageRequest, answer: Response) -> bool:
    """Return whether the person sent again what was recorded already, for example by a second click."""
    form = request.form or {}
    is_same_action = answer.event == "accepted" or form.get("action", "") == answer.action
    is_same_event = answer.event == form.get("event", "").removesuffix("_together")
    return answer.person == request.session.person and is_same_event and is_same_action


def _describe_answer(request: PageRequest, answer: Response) -> str:
    at = f" at {local_time(request.ws.use_case, answer.at):%H:%M}" if answer.at else ""
    return f"{answer.person} has already answered this decision{at}: {answer.event}."


def _response(request: PageRequest, decision: ShownDecision, role: Role, event: str, reason: str) -> Response:
    form, person = request.form or {}, request.session.person
    if event == "accepted":
        return Response(decision.id, person, role, "accepted")
    if event == "withdrawn":
        return Response(decision.id, person, role, "withdrawn")
    if event == "rated":
        return Response(decision.id, person, role, "rated", rating=_parse_rating(form.get("rating", "")))
    return Response(decision.id, person, role, "overridden", form.get("action"), reason)


def _parse_rating(text: str) -> int:
    """Return the rating in a form as a number. If the text isn't one digit, return 0, which is no valid rating."""
    return int(text) if text.isascii() and text.isdigit() and len(text) == 1 else 0
