"""The experts' page: the decisions on which a person is worth most, worked off by keyboard."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from desk.answer import answer
from desk.day import Day, day
from desk.web import Asked, Problem
from sixtyforty.decisions.review_queue import dataset, queue


def review(asked: Asked) -> Response:
    """The day's queue, or the answer that was sent for one of its items."""
    today, refusal = _today(asked), None
    items = queue(asked.ws, today.partition, asked.track)
    ids = [i.decision_id for i in items]
    if asked.form is not None:
        wanted = asked.form.get("decision_id", "")
        if wanted not in ids:
            raise Problem(404, "This isn't in the queue", "Nothing was done. Open the page again.")
        refusal = answer(asked, today.find(wanted))
        if refusal is None:
            after = [i for i in ids[ids.index(wanted) + 1 :] if today.find(i).answer is None]
            return RedirectResponse(f"{asked.at()}#{after[0] if after else wanted}", 303)
        today = _today(asked)  # somebody may have been faster
    entry = asked.ws.lake.entry(dataset(asked.track), today.partition)
    shown = [(i, today.find(i.decision_id)) for i in items]
    return asked.page(
        "review.html",
        refusal.status if refusal else 200,
        day=today,
        shown=shown,
        why=asked.desk.why.of(asked.ws, today.partition, asked.track, ids),
        minutes=sum(i.minutes for i, d in shown if d.answer is None),
        answered=sum(d.answer is not None for _, d in shown),
        overflow=entry.facts["overflow"] if entry else 0,
        refusal=refusal,
    )


def _today(asked: Asked) -> Day:
    return day(asked, dataset(asked.track), "Nothing to review yet")
