"""Answers to a decision on a page: a decider or an expert accepts, overrides or rates it, or withdraws an answer."""

from __future__ import annotations

from dataclasses import dataclass

from desk.decision_day import ShownDecision
from desk.page_request import PageRequest
from sixtyforty.decisions.answering import answer_decision
from sixtyforty.decisions.response_rules import ResponseError
from sixtyforty.decisions.responses import AlreadyAnsweredError
from sixtyforty.storage.response_log import Response, Role

MAX_REASON = 500  # maximum length of the reason for an override, in characters
EVENTS = ("accepted", "overridden", "rated", "withdrawn")


@dataclass(frozen=True)
class RejectedAnswer:
    """An answer to a decision that the desk did not record.

    text: the message that tells the person why. status: the HTTP status. reason: the reason for an override that the
    person typed, which the form shows again.
    """

    decision_id: str
    text: str
    status: int
    reason: str = ""


def record_answer(request: PageRequest, decision: ShownDecision, role: Role) -> RejectedAnswer | None:
    """Record the logged-in person's answer to a decision, as sent in the request's form. role: who answers on the page.

    Returns None if the answer was recorded, otherwise a RejectedAnswer with the reason.
    """
    form = request.form or {}
    event, reason = form.get("event", ""), form.get("reason", "").strip()
    if event not in EVENTS:
        return RejectedAnswer(decision.id, "Accept the decision, or override it with a reason.", 422, reason)
    if len(reason) > MAX_REASON:
        text = f"The reason has {len(reason)} characters. Shorten it to {MAX_REASON} characters."
        return RejectedAnswer(decision.id, text, 422, reason)
    try:
        answer_decision(request.ws, _response(request, decision, role, event, reason))
    except AlreadyAnsweredError:
        text = "Somebody else has already answered this decision. Your answer was not recorded."
        return RejectedAnswer(decision.id, text, 409, reason)
    except ResponseError as error:
        return RejectedAnswer(decision.id, f"Your answer was not recorded: {error}", 422, reason)
    request.record("answer", f"{event} as {role}: {decision.id}", request.ws.use_case.name)
    return None


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
