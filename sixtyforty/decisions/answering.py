"""Answer a decision: record the response, then put its effect into the delivered row at once."""

from __future__ import annotations

from collections.abc import Sequence

from sixtyforty.decisions.delivery import deliver_answers
from sixtyforty.decisions.response_rules import ResponseError
from sixtyforty.decisions.responses import record_response
from sixtyforty.spec.track import Track
from sixtyforty.storage.response_log import ANSWER_EVENTS, Response
from sixtyforty.value.decision_ids import parse_decision_id
from sixtyforty.workspace import Workspace


def answer_decision(ws: Workspace, response: Response) -> Response:
    """Record a response and return it as stored. An answer, or its withdrawal, also revises the delivered row.

    Raises ResponseError if the response isn't valid, and AlreadyAnsweredError if somebody else answered first.
    """
    (recorded,) = answer_decisions(ws, [response])
    if isinstance(recorded, ResponseError):
        raise recorded
    return recorded


def answer_decisions(ws: Workspace, responses: Sequence[Response]) -> list[Response | ResponseError]:
    """Record responses in order, then revise the delivered rows once for each partition.

    Return, for each response, the response as stored, or why it wasn't recorded (see `answer_decision`). A response
    that isn't valid doesn't keep the others from being recorded.
    """
    results: list[Response | ResponseError] = []
    changed: dict[Track, set[str]] = {}
    try:
        for response in responses:
            try:
                recorded = record_response(ws, response)
            except ResponseError as error:
                results.append(error)
                continue
            results.append(recorded)
            if recorded.event in ANSWER_EVENTS:
                track, partition = parse_decision_id(recorded.decision_id)
                changed.setdefault(track, set()).add(partition)
    finally:  # the answers that were recorded are in force, also if a later one fails
        for track, partitions in changed.items():
            deliver_answers(ws, track, sorted(partitions))
    return results
