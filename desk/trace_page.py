"""The auditor's page: search for a decision, and trace the decision back to the data files that it is based on."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date

from starlette.responses import Response

from desk.page_request import PageRequest, Problem, search_words
from sixtyforty.decisions.decision_search import SearchFilter, search_decisions
from sixtyforty.decisions.decision_trace import DecisionTrace
from sixtyforty.decisions.provenance import UnknownDecisionError, trace_decision
from sixtyforty.decisions.responses import responses_to
from sixtyforty.reports.page_templates import describe_decider
from sixtyforty.spec.clock import now
from sixtyforty.spec.kpi_wording import describe_action, describe_outcome
from sixtyforty.storage.duckdb_session import QueryTooSlowError
from sixtyforty.value.decision_ids import DecisionIdError, parse_decision_id

MAX_HITS = 50
LISTS = {"": "all decisions", "open": "outcome not known yet"}  # by the parameter `show`


def trace_export(request: PageRequest) -> Response:
    """Return the requested decision's whole thread as a JSON file: its trace and everything that people answered."""
    decision_id = request.query.get("id", "")
    trace = _trace(request, decision_id)
    thread = {
        "use_case": request.ws.use_case.name,
        "decision_id": decision_id,
        "exported_at": f"{now().isoformat(timespec='seconds')}Z",
        "exported_by": request.session.person,
        "time_zone": "UTC",
        "in_words": _in_words(request, trace),
        "trace": trace.to_dict(),
        "responses": [asdict(response) for response in responses_to(request.ws, decision_id)],
    }
    headers = {"Content-Disposition": f'attachment; filename="thread_{decision_id}.json"'}
    text = json.dumps(thread, indent=2, default=str, ensure_ascii=False)
    return Response(text, media_type="application/json", headers=headers)


def _in_words(request: PageRequest, trace: DecisionTrace) -> dict[str, object]:
    """Return what the trace's codes mean: the labels of the unit, the actions and, once it is known, the outcome."""
    kpi, decision, outcome = request.ws.use_case.kpi, trace.decision, trace.outcome
    known = outcome.outcome if outcome and outcome.known_at else None
    return {
        "use_case": request.ws.use_case.title,
        "unit": {column: request.labels.text(column, part) for column, part in decision.unit.items()},
        "action": describe_action(decision.action, kpi),
        "current_process": describe_action(decision.current_action, kpi),
        "decided_by": describe_decider(decision.decided_by),
        "outcome": "not known yet" if known is None else describe_outcome(known, kpi),
    }


def trace_page(request: PageRequest) -> Response:
    """Show the trace of the requested decision or, for search words, the list of matching decisions."""
    words = search_words(request.query.get("q", ""))
    decision_id = request.query.get("id") or (words if _is_decision_id(words) else "")
    if decision_id:
        return _render_trace(request, decision_id, words)
    kept = _read_filter(request)
    try:
        hits = search_decisions(request.ws, request.track, words, MAX_HITS, kept)
    except QueryTooSlowError as error:
        text = "Search for the decision's id, or for a whole word and the day."
        raise Problem(503, "The search took too long", text) from error
    is_searched = bool(words) or kept != SearchFilter()
    return request.render("trace_list.html", words=words, hits=hits, max_hits=MAX_HITS, is_searched=is_searched)


def _read_filter(request: PageRequest) -> SearchFilter:
    """Return the filter in the address. Raises Problem if a day isn't a date, or the list doesn't exist."""
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        text = request.query.get(name, "")
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError as error:
            raise Problem(
                400, "This day doesn't exist", "Enter both days as YYYY-MM-DD, such as 2013-12-20."
            ) from error
    show = request.query.get("show", "")
    if show not in LISTS:
        raise Problem(404, "This list doesn't exist", f"Choose one of the lists: {', '.join(LISTS.values())}.")
    if date.max in days.values():
        raise Problem(400, "This day doesn't exist", "Enter an earlier day.")
    return SearchFilter(days["from"], days["to"], show == "open")


def _trace(request: PageRequest, decision_id: str) -> DecisionTrace:
    """Return the trace of a decision. Raises Problem if it doesn't exist."""
    try:
        return trace_decision(request.ws, decision_id)
    except (UnknownDecisionError, DecisionIdError) as error:
        text = f"No decision has the id {decision_id}. Search by words instead, such as the decision's day."
        raise Problem(404, "This decision doesn't exist", text) from error


def _render_trace(request: PageRequest, decision_id: str, words: str) -> Response:
    trace = _trace(request, decision_id)
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
