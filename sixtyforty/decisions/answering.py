"""Answer a decision: record the response, then put its effect into the delivered row at once."""

from __future__ import annotations

from sixtyforty.decisions.delivery import deliver_answers
from sixtyforty.decisions.responses import record_response
from sixtyforty.storage.response_log import ANSWER_EVENTS, Response
from sixtyforty.value.decision_ids import parse_decision_id
from sixtyforty.workspace import Workspace


def answer_decision(ws: Workspace, response: Response) -> Response:
    """Record a response and return it as stored. An answer, or its withdrawal, also revises the delivered row.

    Raises ResponseError if the response isn't valid, and AlreadyAnsweredError if somebody else answered first.
    """
    recorded = record_response(ws, response)
    if recorded.event in ANSWER_EVENTS:
        track, partition = parse_decision_id(recorded.decision_id)
        deliver_answers(ws, track, [partition])
    return recorded
