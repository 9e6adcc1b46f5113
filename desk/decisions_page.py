"""The decider's page: the decisions of a day with their reasons, and the forms with which people answer decisions."""

from __future__ import annotations

import math

from starlette.responses import RedirectResponse, Response

from desk.answers import RejectedAnswer, record_answer
from desk.decision_day import DecisionDay, load_day, load_reasons, local_time
from desk.decision_filters import fact_filters, filter_decisions, list_conditions, require_list
from desk.page_request import PageRequest, page_number, search_words
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.responses import find_seen, record_seen
from sixtyforty.spec.clock import now

PAGE_SIZE = 50


def decisions_page(request: PageRequest) -> Response:
    """Show the decisions of the requested day. If the request has a form, first record its answer to a decision."""
    day, rejected = _load(request), None
    if request.form is not None:
        decision = day.decision(request.form.get("decision_id", ""))
        rejected = record_answer(request, decision, "decider")
        if rejected is None:
            return RedirectResponse(f"{request.link()}#{decision.id}", 303)
        day = _load(request)  # another person may have answered in the meantime
    return _render(request, day, rejected)


def _load(request: PageRequest) -> DecisionDay:
    return load_day(request, decisions_dataset(request.track), "There are no decisions yet")


def _render(request: PageRequest, day: DecisionDay, rejected: RejectedAnswer | None) -> Response:
    words, only_unanswered = search_words(request.query.get("q", "")), bool(request.query.get("open"))
    lists, filters = list_conditions(request, day), fact_filters(request, day)
    default = "all" if request.ws.use_case.kpi.amount else "act"
    show = require_list(lists, request.query.get("show") or default)
    matching = filter_decisions(day.decisions, day, filters, words)
    listed = {name: [d for d in matching if is_listed(d)] for name, (_, is_listed) in lists.items()}
    unanswered = [d for d in listed[show] if d.answer is None]
    in_list = unanswered if only_unanswered else listed[show]
    pages = max(math.ceil(len(in_list) / PAGE_SIZE), 1)
    number = page_number(request.query.get("page", "1"), pages)
    shown = in_list[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    ids = [d.id for d in shown]
    unseen = {d.id for d in in_list} - find_seen(request.ws, request.session.person, [d.id for d in in_list])
    if request.is_reading:
        record_seen(request.ws, request.session.person, "decider", ids)
    return request.render(
        "decisions.html",
        rejected.status if rejected else 200,
        day=day,
        today=local_time(request.ws.use_case, now()).date(),
        shown=shown,
        reasons=load_reasons(request, day.partition, ids),
        lists={name: label for name, (label, _) in lists.items()},
        show=show,
        filters=filters,
        chosen=any(f.chosen for f in filters),
        only_unanswered=only_unanswered,
        counts={name: len(decisions) for name, decisions in listed.items()},
        unseen=unseen,
        new=len(unseen),
        words=words,
        number=number,
        pages=pages,
        unanswered=len(unanswered),
        answered=sum(d.answer is not None for d in day.decisions),
        rejected=rejected,
    )
