"""The decider's page: the decisions of a day with their reasons, and the forms with which people answer decisions."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from desk.answers import (
    UNDO_SECONDS,
    AcceptedTogether,
    RejectedAnswer,
    accept_together,
    record_answer,
    restore_typed,
)
from desk.decision_day import DecisionDay, load_day, load_reasons, local_time
from desk.decision_filters import fact_filters, filter_decisions, list_conditions, require_list
from desk.page_request import PageRequest, page_number, search_words
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.responses import count_answers, find_seen, record_seen
from sixtyforty.spec.clock import now

PAGE_SIZE = 50
WHOLE_LIST = "all"  # the page that shows the whole list, for printing


def decisions_page(request: PageRequest) -> Response:
    """Show the decisions of the requested day. If the request has a form, first record its answer to a decision."""
    day, rejected = _load(request), None
    if request.form is not None and request.form.get("event") == "accepted_together":
        ids = request.form.get("decision_ids", "").split()[:PAGE_SIZE]
        together = accept_together(request, [day.decision(decision_id) for decision_id in ids], "decider")
        return _render(request, _load(request), together.refused[0] if together.refused else None, together)
    if request.form is not None:
        decision = day.decision(request.form.get("decision_id", ""))
        rejected = record_answer(request, decision, "decider")
        if rejected is None:
            return RedirectResponse(f"{request.link()}#{decision.id}", 303)
        day = _load(request)  # another person may have answered in the meantime
    return _render(request, day, rejected or restore_typed(request, day.decisions))


def news_page(request: PageRequest) -> Response:
    """Show how many decisions and answers of a day have come since the page was opened: a part of the page."""
    partition = request.query.get("date", "")
    decisions, answers = _state(request, partition)
    earlier = [int(number) for number in request.query.get("state", "").split("-") if number.isdecimal()][:2]
    before = earlier if len(earlier) == 2 else [decisions, answers]
    return request.render(
        "decision_news.html",
        new_decisions=max(decisions - before[0], 0),
        new_answers=max(answers - before[1], 0),
        at=local_time(request.ws.use_case, now()),
        address=request.link(state=None).replace(request.path, "/decisions", 1),
    )


def _state(request: PageRequest, partition: str) -> tuple[int, int]:
    """Return the numbers of decisions and of answers of a partition."""
    entry = request.ws.lake.entry(decisions_dataset(request.track), partition) if partition else None
    return (entry.rows if entry else 0), count_answers(request.ws, request.track, partition)


def _load(request: PageRequest) -> DecisionDay:
    return load_day(request, decisions_dataset(request.track), "There are no decisions yet")


def _render(
    request: PageRequest, day: DecisionDay, rejected: RejectedAnswer | None, together: AcceptedTogether | None = None
) -> Response:
    words, only_unanswered = search_words(request.query.get("q", "")), bool(request.query.get("open"))
    lists, filters = list_conditions(request, day), fact_filters(request, day)
    default = "all" if request.ws.use_case.kpi.amount else "act"
    show = require_list(lists, request.query.get("show") or default)
    matching = filter_decisions(day.decisions, day, filters, words)
    listed = {name: [d for d in matching if is_listed(d)] for name, (_, is_listed) in lists.items()}
    unanswered = [d for d in listed[show] if d.answer is None]
    in_list = unanswered if only_unanswered else listed[show]
    is_whole = request.query.get("page") == WHOLE_LIST
    pages = 1 if is_whole else max(math.ceil(len(in_list) / PAGE_SIZE), 1)
    number = 1 if is_whole else page_number(request.query.get("page", "1"), pages)
    shown = in_list if is_whole else in_list[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    open_shown = [d for d in shown if d.answer is None][:PAGE_SIZE]
    ids = [d.id for d in shown]
    unseen = {d.id for d in in_list} - find_seen(request.ws, request.session.person, [d.id for d in in_list])
    if request.is_reading:
        record_seen(request.ws, request.session.person, "decider", ids)
    return request.render(
        "decisions.html",
        rejected.status if rejected else 200,
        day=day,
        now=local_time(request.ws.use_case, now()),
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
        is_whole=is_whole,
        open_shown=open_shown,
        open_actions=Counter(d.action for d in open_shown),
        state="-".join(map(str, _state(request, day.partition))),
        undo_from=now() - timedelta(seconds=UNDO_SECONDS),
        rejected=rejected,
        together=together,
    )
