"""The expert's page: the review queue of a day, with keyboard shortcuts. `decisions.review_queue` fills the queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from desk.answers import UNDO_SECONDS, RejectedAnswer, record_answer, restore_typed
from desk.decision_day import DecisionDay, load_day, load_reasons, local_time
from desk.page_request import PageRequest, Problem
from sixtyforty.decisions.review_queue import QueuedReview, QueueFigures, read_queue, review_dataset
from sixtyforty.spec.clock import now


def review_page(request: PageRequest) -> Response:
    """Show the review queue of the requested day. If the request has a form, first record its answer to a decision."""
    day, rejected = _load(request), None
    queue = read_queue(request.ws, day.partition, request.track)
    if request.form is not None:
        ids = [item.decision_id for item in queue]
        decision_id = request.form.get("decision_id", "")
        if decision_id not in ids:
            raise Problem(404, "This decision isn't in the review queue", "Nothing was saved. Open the page again.")
        rejected = record_answer(request, day.decision(decision_id), "expert")
        if rejected is None:
            return RedirectResponse(f"{request.link()}#{_next_open(day, ids, decision_id)}", 303)
        day = _load(request)  # another person may have answered in the meantime
    return _render(request, day, queue, rejected or restore_typed(request, day.decisions))


def _load(request: PageRequest) -> DecisionDay:
    return load_day(request, review_dataset(request.track), "There is nothing to review yet")


def _next_open(day: DecisionDay, ids: Sequence[str], answered: str) -> str:
    """Return the id of the next unanswered decision in the queue, or `answered` if no unanswered decision follows.

    answered: the id of the decision that the person has just answered.
    """
    following = ids[ids.index(answered) + 1 :]
    return next((i for i in following if day.decision(i).answer is None), answered)


def _render(
    request: PageRequest, day: DecisionDay, queue: Sequence[QueuedReview], rejected: RejectedAnswer | None
) -> Response:
    entry = request.ws.lake.entry(review_dataset(request.track), day.partition)
    shown = [(item, day.decision(item.decision_id)) for item in queue]
    return request.render(
        "review.html",
        rejected.status if rejected else 200,
        day=day,
        shown=shown,
        reasons=load_reasons(request, day.partition, [item.decision_id for item in queue]),
        minutes=sum(item.minutes for item, decision in shown if decision.answer is None),
        answered=sum(decision.answer is not None for _, decision in shown),
        overflow=QueueFigures.from_entry(entry).overflow if entry else 0,
        undo_from=now() - timedelta(seconds=UNDO_SECONDS),
        today=local_time(request.ws.use_case, now()).date(),
        rejected=rejected,
    )
