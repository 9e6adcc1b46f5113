"""The decider's page: the decisions of a day with their reasons, and the forms with which people answer decisions."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.responses import RedirectResponse, Response

from desk.answers import RejectedAnswer, record_answer
from desk.decision_day import DecisionDay, ShownDecision, filter_decisions, load_day, load_reasons
from desk.page_request import PageRequest, Problem, page_number, search_words
from sixtyforty.decisions.decision_table import decisions_dataset
from sixtyforty.decisions.responses import record_seen

PAGE_SIZE = 50
LISTS: dict[str, tuple[str, Callable[[ShownDecision], bool]]] = {  # by a list's name: label and condition
    "act": ("with action", lambda decision: decision.is_active),
    "differ": ("differ from the current process", lambda decision: decision.differs),
    "all": ("in total", lambda decision: True),
}


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
    show, words = request.query.get("show", "act"), search_words(request.query.get("q", ""))
    if show not in LISTS:
        labels = ", ".join(label for label, _ in LISTS.values())
        raise Problem(404, "This list doesn't exist", f"Choose one of the lists: {labels}.")
    matches = {
        name: filter_decisions([d for d in day.decisions if is_listed(d)], words, day.common)
        for name, (_, is_listed) in LISTS.items()
    }
    pages = max(math.ceil(len(matches[show]) / PAGE_SIZE), 1)
    number = page_number(request.query.get("page", "1"), pages)
    shown = matches[show][(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    ids = [d.id for d in shown]
    if request.is_reading:
        record_seen(request.ws, request.session.person, "decider", ids)
    return request.render(
        "decisions.html",
        rejected.status if rejected else 200,
        day=day,
        shown=shown,
        reasons=load_reasons(request, day.partition, ids),
        lists={name: label for name, (label, _) in LISTS.items()},
        show=show,
        counts={name: len(decisions) for name, decisions in matches.items()},
        words=words,
        number=number,
        pages=pages,
        answered=sum(d.answer is not None for d in day.decisions),
        rejected=rejected,
    )
