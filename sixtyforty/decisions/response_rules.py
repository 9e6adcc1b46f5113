"""Check a person's response before it is recorded: its decision must exist, and its fields must suit its event."""

from __future__ import annotations

import uuid
from dataclasses import replace

from sixtyforty.decisions.decision_table import StoredDecision, read_decisions
from sixtyforty.spec.clock import now
from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.spec.kpi_wording import allowed_instead
from sixtyforty.storage.response_log import EVENTS, ROLES, Response
from sixtyforty.value.decision_ids import DecisionIdError, parse_decision_id
from sixtyforty.workspace import Workspace

RATINGS = range(1, 6)
MAX_REASON = 2000  # characters


class ResponseError(SixtyfortyError):
    """A person's response to a decision can't be recorded. The message says what to correct."""


def check_response(ws: Workspace, response: Response) -> Response:
    """Check a person's response to a decision. Return the response with its id, UTC time and action filled in.

    Raises ResponseError if a field is missing or not allowed, or if the decision doesn't exist.
    """
    _check_person_and_event(response)
    complete = replace(
        response,
        at=response.at or now(),
        response_id=response.response_id or uuid.uuid4().hex,
        reason=_without_invisible(response.reason or "") or None,
    )
    decision = _read_decision(ws, complete)
    _check_rating(complete)
    if complete.reason and len(complete.reason) > MAX_REASON:
        raise ResponseError(
            f"The reason has {len(complete.reason):,} characters. Shorten it to {MAX_REASON:,} characters."
        )
    return _check_action(ws, complete, decision.action)


def _check_person_and_event(response: Response) -> None:
    if response.event not in EVENTS:
        raise ResponseError(f"The response's event '{response.event}' is unknown. Allowed events: {', '.join(EVENTS)}.")
    if response.role not in ROLES:
        raise ResponseError(f"The person's role '{response.role}' is unknown. Allowed roles: {', '.join(ROLES)}.")
    if not response.person.strip():
        raise ResponseError("The response names no person. Fill in the field 'person'.")


def _read_decision(ws: Workspace, response: Response) -> StoredDecision:
    try:
        track, partition = parse_decision_id(response.decision_id)
    except DecisionIdError as error:
        raise ResponseError(str(error)) from error
    check_not_simulated_live(response)
    decision = next(iter(read_decisions(ws, partition, track, [response.decision_id])), None)
    if decision is None:
        raise ResponseError(f"There is no decision {response.decision_id}. Check the decision id.")
    return decision


def check_not_simulated_live(response: Response) -> None:
    """Raise ResponseError for a simulated response to a live decision."""
    if response.simulated and parse_decision_id(response.decision_id)[0] == "live":
        raise ResponseError(
            f"{response.decision_id} is a live decision: it accepts no simulated response. Send a person's response."
        )


def _check_rating(response: Response) -> None:
    if response.event == "rated" and response.rating not in RATINGS:
        raise ResponseError(f"The rating is {response.rating}, expected a whole number from 1 to 5.")
    if response.event != "rated" and response.rating is not None:
        raise ResponseError(
            f"A response with the event '{response.event}' can't have a rating. Leave the rating out, or send the event"
            " 'rated'."
        )


def _check_action(ws: Workspace, response: Response, decided: str) -> Response:
    """Check the action of a response. Return the response; an acceptance is returned with the decided action."""
    if response.event == "accepted":
        if response.action not in (None, decided):
            raise ResponseError(
                f"The decision is '{decided}', but the response accepts '{response.action}'."
                " To choose another action, send the event 'overridden' with a reason."
            )
        return replace(response, action=decided)
    if response.event == "overridden":
        allowed = allowed_instead(ws.use_case.kpi, response.action, decided)
        if allowed:
            raise ResponseError(
                f"The action '{response.action}' can't override the decision '{decided}'. Allowed: {allowed}."
            )
        if response.reason is None:
            raise ResponseError(
                "The override has no reason. Fill in the field 'reason', so that others can learn from the override."
            )
        return response
    if response.action is not None:
        raise ResponseError(f"A response with the event '{response.event}' can't have an action. Leave the action out.")
    return response


def _without_invisible(text: str) -> str:
    """Replace invisible characters in a response's text: a zero byte would make an extract of responses unreadable."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text).strip()
