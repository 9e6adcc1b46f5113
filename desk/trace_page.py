"""The auditor's page: search for a decision, and trace the decision back to the data files that it is based on."""

from __future__ import annotations

import json

from starlette.responses import Response

from desk.page_request import PageRequest, Problem, search_words
from sixtyforty.decisions.decision_search import search_decisions
from sixtyforty.decisions.provenance import UnknownDecisionError, trace_decision
from sixtyforty.decisions.responses import responses_to
from sixtyforty.storage.duckdb_session import QueryTooSlowError
from sixtyforty.value.decision_ids import DecisionIdError, parse_decision_id

MAX_HITS = 50


def trace_page(request: PageRequest) -> Response:
    """Show the trace of the requested decision or, for search words, the list of matching decisions."""
    words = search_words(request.query.get("q", ""))
    decision_id = request.query.get("id") or (words if _is_decision_id(words) else "")
    if decision_id:
        return _render_trace(request, decision_id, words)
    try:
        hits = search_decisions(request.ws, request.track, words, MAX_HITS)
    except QueryTooSlowError as error:
        text = "Search for the decision's id, or for a whole word and the day."
        raise Problem(503, "The search took too long", text) from error
    return request.render("trace_list.html", words=words, hits=hits, max_hits=MAX_HITS)


def _render_trace(request: PageRequest, decision_id: str, words: str) -> Response:
    try:
        trace = trace_decision(request.ws, decision_id)
    except (UnknownDecisionError, DecisionIdError) as error:
        text = f"No decision has the id {decision_id}. Search by words instead, such as the decision's day."
        raise Problem(404, "This decision doesn't exist", text) from error
    return request.render(
        "trace.html",
        trace=trace,
        responses=responses_to(request.ws, decision_id),
        words=words,
        raw=json.dumps(trace.to_dict(), indent=2, default=str, ensure_ascii=False),
    )


def _is_decision_id(words: str) -> bool:
    try:
        return bool(parse_decision_id(words))
    except DecisionIdError:
        return False
